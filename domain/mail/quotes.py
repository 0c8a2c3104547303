"""What a mail repeats of those before it, told from what its author has written.

Folded is only what stands below the author's own words and runs to the end of the mail, or to a signature: answers
between quoted lines need these beside them. What can be taken for the author's own words is never folded, nor is
what was forwarded, which nobody has seen before. Each line is looked at a bounded number of times, and no further
than a line of such a kind is ever long (E102).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from domain.mail.subjects import is_forward

_LONGEST: Final = 500
_MOST_LINES: Final = 3
"""Over which the line that introduces a quote is broken."""

_MOST_HEADERS: Final = 10
"""Lines among which the header of a mail stands that is quoted without marks."""

_MARKED = re.compile(r"\s{0,3}>")
_TIME = re.compile(r"\b\d{1,2}\s?[:.hH]\s?\d{2}\b")
_INTRODUCES = re.compile(
    r"\b(?:wrote|writes|schrieb|schreibt|geschrieben|a écrit|escribió|escribi[oó]|ha scritto|escreveu|schreef|skrev"
    r"|napisał)\b",
    re.IGNORECASE,
)
_OPENS = re.compile(r"\s*(?:on|am|le|el|il|em|op|den)\s", re.IGNORECASE)
_LABEL = re.compile(
    r"""\s*\*{0,2}(?:
      (?P<author>from|von|de|da|van)
    | (?P<sent>sent|date|gesendet|datum|envoyé|enviado|enviado\sel|fecha|inviato|verzonden)
    | (?P<subject>subject|betreff|objet|asunto|oggetto|onderwerp)
    )\s?:""",
    re.IGNORECASE | re.VERBOSE,
)
_ORIGINAL = re.compile(
    r"\s*-{2,}\s*(?:original message|original appointment|urspr(?:ü|ue)ngliche nachricht|originalnachricht"
    r"|message d['’]origine|message original|mensaje original)\s*-{2,}\s*",
    re.IGNORECASE,
)
_RULE = re.compile(r"\s*(?:_{8,}|-{8,})\s*")
_FORWARDED = re.compile(
    r"\s*(?:-{2,}\s*)?(?:(?:begin )?forwarded message|(?:anfang der )?weitergeleiteten? nachricht"
    r"|(?:début du )?message (?:transféré|transmis|réexpédié)|(?:inicio del )?mensaje reenviado)\s*(?:-{2,}|:)\s*",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(
    r"\s*(?:--|_{3,}|-{8,}|sent from\b|get \S+ for\b|von mein\w+ .{1,40} gesendet\b|gesendet (?:von|mit)\b"
    r"|envoyé (?:de|depuis)\b|enviado (?:desde|de)\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class FoldedText:
    """A mail's text in three: what its author wrote `above` the quote, the quote, and a signature `below` it. Joined by
    line ends they are the text, blank lines between them aside."""

    above: str = field(repr=False)
    quoted: str = field(repr=False, default="")
    below: str = field(repr=False, default="")

    @property
    def quoted_lines(self) -> int:
        """Lines that are folded."""
        return self.quoted.count("\n") + 1 if self.quoted else 0


def folded(text: str, subject: str = "") -> FoldedText:
    """The text of a mail of this subject. Where nothing stands above a quote nothing is folded: a mail always shows
    something."""
    lines = text.split("\n")
    start, end = _quote(lines, is_forward(subject))
    above, quoted, below = ("\n".join(piece) for piece in (lines[:start], lines[start:end], lines[end:]))
    if not above.strip() or not quoted.strip():
        return FoldedText(text)
    return FoldedText(above.rstrip(), quoted.strip("\r\n"), below.strip("\r\n"))


def _quote(lines: Sequence[str], forwards: bool) -> tuple[int, int]:
    """The first and the next line after the last of what is quoted below; no lines at all where nothing is."""
    at = 0
    while at < len(lines):
        if _MARKED.match(lines[at]):
            end = _end_of_marked(lines, at)
            if end == len(lines) or _SIGNATURE.match(lines[end]):
                return _introduction(lines, at), end
            at = end
        elif not lines[at].strip() or len(lines[at]) > _LONGEST:
            at += 1
        elif _FORWARDED.fullmatch(lines[at]):
            break
        elif _is_unmarked_quote(lines, at, forwards=forwards):
            return at, len(lines)
        else:
            at += 1
    return len(lines), len(lines)


def _end_of_marked(lines: Sequence[str], start: int) -> int:
    """Blank lines between marked ones, and behind them, are quoted too."""
    end = start
    while end < len(lines) and (not lines[end].strip() or _MARKED.match(lines[end])):
        end += 1
    return end


def _introduction(lines: Sequence[str], start: int) -> int:
    """Where a quote of marked lines begins: with the lines that introduce it, if any do."""
    last = start - 1
    while last >= max(start - 2, 0) and not lines[last].strip():
        last -= 1
    for first in range(last, max(last - _MOST_LINES, -1), -1):
        if not lines[first].strip():
            break
        said = _joined(lines[first : last + 1])
        if _ORIGINAL.fullmatch(said):
            return first
        dated = any(map(str.isdigit, said)) and (
            _INTRODUCES.search(said) or _TIME.search(said) or "@" in said
        )
        if said.endswith(":") and dated:
            return first
    return start


def _is_unmarked_quote(lines: Sequence[str], at: int, *, forwards: bool) -> bool:
    """Whether all that follows is quoted without marks: below the line that mail programs introduce it with, or below
    the header of a mail."""
    line = lines[at]
    if _ORIGINAL.fullmatch(line):
        return not forwards
    if _RULE.fullmatch(line):
        below = next(
            (number for number in range(at + 1, min(at + 3, len(lines))) if lines[number].strip()), at
        )
        return not forwards and _is_header(lines, below)
    if _LABEL.match(line):
        return not forwards and _is_header(lines, at)
    if not any(one.rstrip().endswith(":") for one in lines[at : at + _MOST_LINES]):
        return False
    return any(map(_introduces_unmarked, _openings(lines, at)))


def _openings(lines: Sequence[str], at: int) -> Iterator[str]:
    """What may introduce a quote, over one line or several; nothing where marked lines follow."""
    if not (_OPENS.match(lines[at]) or _INTRODUCES.search(lines[at])):
        return
    for number in range(at, min(at + _MOST_LINES, len(lines))):
        if not lines[number].strip() or _MARKED.match(lines[number]):
            return
        if not any(_MARKED.match(line) for line in lines[number + 1 : number + 3]):
            yield _joined(lines[at : number + 1])


def _introduces_unmarked(said: str) -> bool:
    """A day, a time, somebody and that he wrote: each mail program says so much, and hardly anybody else."""
    if not said.endswith(":") or len(said) > _LONGEST or not _INTRODUCES.search(said):
        return False
    day, times = _TIME.subn("", said)
    return times > 0 and any(map(str.isdigit, day)) and (_OPENS.match(said) is not None or "@" in said)


def _is_header(lines: Sequence[str], at: int) -> bool:
    """Author, day and subject close together, the author or the day first."""
    first = _LABEL.match(lines[at][:_LONGEST])
    if first is None or first["subject"]:
        return False
    found = (_LABEL.match(line[:_LONGEST]) for line in lines[at : at + _MOST_HEADERS])
    return {one.lastgroup for one in found if one} == {"author", "sent", "subject"}


def _joined(lines: Sequence[str]) -> str:
    return " ".join(line[:_LONGEST].strip() for line in lines)
