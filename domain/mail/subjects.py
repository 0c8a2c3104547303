"""The subject of an answer: that of the mail it answers, with one reply prefix in whatever language (H45)."""

import re
from itertools import takewhile
from typing import Final

from domain.mail.headers import decoded, unbroken

MAX_SUBJECT: Final = 998
_LONGEST = 10_000

REPLY_WORDS: Final = (
    # English and everywhere, German, Scandinavian, Finnish, Dutch, Polish, Czech and Slovak, Italian, Portuguese
    *("re", "aw", "antwort", "sv", "vs", "antw", "odp", "rif", "r", "res", "resp"),
    # French, Turkish, Greek, Indonesian, Welsh and Latvian, Hungarian, Lithuanian, Estonian, South Slavic, Romanian
    *("rép", "ynt", "απ", "σχετ", "bls", "atb", "vá", "ats", "vast", "odg", "одг", "răsp"),
    # Russian, Ukrainian, Bulgarian, Hebrew, Arabic, Vietnamese, Thai
    *(
        "на",
        "ha",
        "отв",
        "ответ",
        "відп",
        "отг",
        "השב",
        "תגובה",
        "תשובה",
        "رد",
        "الرد",
        "tl",
        "ตอบ",
        "ตอบกลับ",
    ),
    # Chinese, Japanese, Korean
    *("回复", "回覆", "答复", "答覆", "回信", "返信", "답장", "회신"),
)
"""What mail programs write before the colon of an answer's subject."""

_FORWARDS: Final = (
    *("fwd", "fw", "wg", "vb", "vl", "tr", "i", "rv", "enc", "pd", "doorst", "ilt", "πρθ", "továbbítás"),
    *("转发", "轉寄", "転送", "전달"),
)
"""The same of what was forwarded: it stays, but an answer before it is an answer to something else."""

_COUNTER = r"(?:\s*(?:\[\d{1,3}\]|\(\d{1,3}\)|\^\d{1,3}))?"
_PIECE = re.compile(
    rf"\s*+(?:(?P<reply>(?P<word>{'|'.join(map(re.escape, REPLY_WORDS))}){_COUNTER})\s*[:\uFF1A]"
    rf"|(?P<forward>(?:{'|'.join(map(re.escape, _FORWARDS))})\s*[:\uFF1A])"
    r"|(?P<tag>\[[^\[\]]{1,80}\]))\s*+",
    re.IGNORECASE,
)
"""A prefix, or what a list or a service desk puts before one."""


def subject_of_reply(original: str) -> str:
    """Where the mail answered has a reply prefix none is added, and of several the innermost stays: then every mail
    program still sees the same subject. What no header may hold becomes a space."""
    pieces, rest = _pieces(_seen(original))
    ahead = list(takewhile(lambda piece: not piece["forward"], pieces))
    reply = next((piece for piece in reversed(ahead) if piece["reply"]), None)
    kept = [_written(piece) for piece in pieces if piece is reply or not piece["reply"]]
    words = " ".join((*(() if reply else ("Re:",)), *kept, rest))
    return words[:MAX_SUBJECT]


def is_same(subject: str, other: str) -> bool:
    """Whether two subjects are one, reply prefixes, case and spaces aside."""
    return _bare(subject) == _bare(other)


def is_forward(subject: str) -> bool:
    """Whether the mail forwards another; an answer to such a mail does not."""
    pieces, _ = _pieces(_seen(subject))
    return any(piece["forward"] for piece in takewhile(lambda piece: not piece["reply"], pieces))


def _bare(subject: str) -> str:
    pieces, rest = _pieces(_seen(subject))
    kept = (_written(piece) for piece in pieces if not piece["reply"])
    return " ".join((*kept, *rest.split())).casefold()


def _written(piece: re.Match[str]) -> str:
    if piece["reply"]:
        return "Re:" if piece["word"].lower() == "re" else f"{piece['reply']}:"
    return piece[0].strip()


def _pieces(seen: str) -> tuple[list[re.Match[str]], str]:
    """What stands in front, and what the mail is about."""
    pieces: list[re.Match[str]] = []
    at = 0
    while piece := _PIECE.match(seen, at):
        pieces.append(piece)
        at = piece.end()
    return pieces, seen[at:]


def _seen(subject: str) -> str:
    return unbroken(decoded(subject[:_LONGEST])).strip()
