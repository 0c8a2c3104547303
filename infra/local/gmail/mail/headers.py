"""Reads header blocks from any raw bytes. Each step takes linear time, and nothing raises."""

import re
import sys
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header, make_header
from functools import lru_cache

FACT = re.compile(
    rb"^(from|to|cc|bcc|subject|message-id|in-reply-to|references)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)",
    re.I | re.M,
)
NAMES = (b"from", b"to", b"cc", b"bcc", b"subject", b"message-id", b"in-reply-to", b"references")
MESSAGE_ID = re.compile(rb"<[^<>\s]+>")
ANGLE_ADDRESS = re.compile(r"<\s*([^<>\s@]+@[^<>\s]+)\s*>")
BARE_ADDRESS = re.compile(r"[^\s<>,;:\"()]+@[^\s<>,;:\"()]+")
REPLY_PREFIX = re.compile(r"^(?:\s*(?:re|fwd?|aw|wg|sv|vs|antw|tr|rv)\s*(?:\[\d+\])?\s*:)+", re.I)
NAME = re.compile(rb"[!-9;-~]+")

MAX_FACT = 4_000
MAX_PEOPLE = 20_000
"""Of a From, To, Cc or Bcc as much can be searched."""
MAX_REFERENCES = 50

Header = tuple[str, str]
People = tuple[str, str, str, str]
NOBODY: People = ("", "", "", "")


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of a mail that delivery and search need: people, ids and subject.

    `people` are From, To, Cc and Bcc as text in small letters, names included; `references` are the ids of
    References and In-Reply-To, the nearest first, and `replying` says that the mail has both.
    """

    sender: str
    message_id: int
    references: tuple[int, ...]
    subject: int
    people: People = NOBODY
    replying: bool = False


def body_start(raw: bytes, start: int, end: int) -> tuple[int, int]:
    """(end of the header block, start of the body); without an empty line all is header."""
    if raw[start : start + 1] == b"\n":
        return start, start + 1
    if raw[start : start + 2] == b"\r\n":
        return start, start + 2
    crlf = raw.find(b"\n\r\n", start, end)
    lf = raw.find(b"\n\n", start, end if crlf < 0 else crlf)
    if lf >= 0:
        return lf, lf + 2
    return (crlf, crlf + 3) if crlf >= 0 else (end, end)


def read(raw: bytes, start: int, end: int) -> list[Header]:
    """Names and values in order: unfolded, raw text as UTF-8, encoded words left as they are."""
    found: list[tuple[str, list[bytes]]] = []
    for line in raw[start:end].split(b"\n"):
        line = line.removesuffix(b"\r")
        if line[:1] in (b" ", b"\t"):
            if found:
                found[-1][1].append(line)
            continue
        name, colon, value = line.partition(b":")
        name = name.rstrip(b" \t")
        if colon and NAME.fullmatch(name):
            found.append((name.decode("ascii"), [value]))
    return [(name, text(b"".join(lines))) for name, lines in found]


def text(value: bytes) -> str:
    """Header bytes as Gmail shows them; what is not UTF-8 becomes the replacement character."""
    return value.decode("utf-8", "replace").strip(" \t\r\n")


def decoded(value: str) -> str:
    """RFC 2047 words decoded where that works, else the value itself."""
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (ValueError, LookupError, MessageError):
        return value


def key(message_id: str | bytes) -> int:
    """A Message-ID as a small number; brackets and white space around it do not count."""
    if isinstance(message_id, bytes):
        message_id = message_id.decode("utf-8", "replace")
    return hash(message_id.strip().strip("<>"))


def facts(raw: bytes) -> Facts:
    """Read at delivery, so cheap: one pass of a regular expression over the header block."""
    head_end, _ = body_start(raw, 0, len(raw))
    first: dict[bytes, bytes] = {}
    for match in FACT.finditer(raw, 0, head_end):
        first.setdefault(match[1].lower(), match[2][:MAX_PEOPLE])
        if len(first) == len(NAMES):
            break
    found = [first.get(name, b"") for name in NAMES]
    people = _people(*found[:4])
    subject, own, parent, chain = (value[:MAX_FACT] for value in found[4:])
    related, own = chain + b" " + parent, own.strip()
    return Facts(
        sender=_address(text(found[0][:MAX_FACT])),
        message_id=key(own) if own else 0,
        references=tuple(key(found) for found in reversed(MESSAGE_ID.findall(related)[-MAX_REFERENCES:])),
        subject=hash(normal_subject(text(subject))),
        people=people,
        replying=bool(parent.strip() and chain.strip()),
    )


def normal_subject(subject: str) -> str:
    """The subject by which Gmail keeps a thread together: no Re: and Fwd:, case and spaces aside."""
    plain = " ".join(decoded(subject).split())
    return REPLY_PREFIX.sub("", plain).strip().casefold()


@lru_cache(maxsize=1024)
def _people(sender: bytes, to: bytes, cc: bytes, bcc: bytes) -> People:
    """Kept once: the same people write to each other again and again."""
    return _named(sender), _named(to), _named(cc), _named(bcc)


def _named(value: bytes) -> str:
    whole = text(value)
    return sys.intern((decoded(whole[:MAX_FACT]) + whole[MAX_FACT:]).lower())


def _address(value: str) -> str:
    found = ANGLE_ADDRESS.findall(value) or BARE_ADDRESS.findall(value)
    return str(found[-1]).lower() if found else ""
