"""What is told of a mail that is kept, beside its content: who, about what, when, and its files.

All of it may stand in a database: no control characters, no half letters, and nothing longer than its limit, whatever
the mail holds (E102).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from itertools import islice
from typing import Final
from urllib.parse import unquote

from domain.mail.address_lists import read_names
from domain.mail.attachments import which_fit
from domain.mail.content import MailContent, MimePart, decoded_text, outside
from domain.mail.copies import is_file, own_parts
from domain.mail.file_names import safe_name
from domain.mail.headers import Fields, filled, unbroken
from domain.mail.messages import Message
from domain.mail.quotes import folded
from domain.mail.subjects import MAX_SUBJECT

NOT_AVAILABLE: Final = "content not available"
"""Stands where a mail's text cannot be read (E41)."""

MAX_PARTICIPANTS: Final = 2_000
"""Rows of a mail: as many recipients as the largest provider lets a mail have. Rules look at the mail itself (E43)."""

MAX_FILES: Final = 500
MAX_PERSON: Final = 255
PREVIEW: Final = 200
"""Characters."""

_MAX_TYPE = 127
_MAX_SIZE = 2**53
_MAX_DATE = 200
_EARLIEST, _LATEST = datetime(1980, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_LONGEST_HTML = 500_000
_NAMED_IMAGE = re.compile(r"\bcid:([^\s\"'<>()]{1,998})", re.IGNORECASE)
_AUTHORS_NAMED_IN = ("from", "x-original-from", "reply-to")


class Role(StrEnum):
    """In which header somebody stands."""

    FROM = "from"
    TO = "to"
    CC = "cc"
    BCC = "bcc"


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody on a mail; the address is in its exact form. `position` counts from 0 in each role."""

    role: Role
    position: int
    address: str = field(repr=False)
    name: str = field(repr=False, default="")


class FileState(StrEnum):
    """What became of a file. TOO_LARGE has no room beside the others (D14). WITHIN is an attached mail that can only
    be had as part of the mail's own copy."""

    WAITING = "waiting"
    KEPT = "kept"
    TOO_LARGE = "too_large"
    GONE = "gone"
    WITHIN = "within"


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file of a mail. `place` is where it is in the MIME tree (`content.numbered`), `size` in bytes what the provider
    says. `claimed_type` is what the sender says. `inline` ones are shown in the text and not listed (H46)."""

    place: str
    name: str = field(repr=False)
    claimed_type: str
    size: int
    content_id: str | None = field(repr=False)
    inline: bool
    state: FileState


@dataclass(frozen=True, slots=True)
class CopiedMail:
    """`sent_at` is what its Date says, None where that is unreadable or absurd; it depends on nothing else, so that all
    copies of one mail say the same (H47)."""

    author_name: str = field(repr=False)
    subject: str = field(repr=False)
    preview: str = field(repr=False)
    sent_at: datetime | None
    participants: tuple[Participant, ...]
    files: tuple[FilePart, ...]


def copied(content: MailContent, message: Message, *, is_own: bool) -> CopiedMail:
    """A whole mail, and the same as the rules see it. `is_own`: this mailbox's owner has written it, so that it names
    those in Bcc."""
    fields = content.fields()
    return CopiedMail(
        author_name=_author_name(content, fields, message),
        subject=storable(content.header("subject"), MAX_SUBJECT),
        preview=preview(content.body),
        sent_at=sent_at(fields),
        participants=tuple(islice(_participants(fields, is_own=is_own), MAX_PARTICIPANTS)),
        files=files(content.body),
    )


def storable(text: str, longest: int) -> str:
    """One line that a database takes, of at most `longest` characters."""
    line = " ".join(text[: 10 * longest].split())[:longest].rstrip()
    return line if line.isprintable() else " ".join(unbroken(line).split())


def sent_at(fields: Fields) -> datetime | None:
    """By the first Date, in UTC. None where it is unreadable, or of a time when there was no such mail."""
    value = next(iter(filled(fields, "date")), "")[:_MAX_DATE]
    try:
        moment = parsedate_to_datetime(value)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, LookupError, OverflowError):
        return None
    return moment if _EARLIEST <= moment < _LATEST else None


def is_unreadable(body: MimePart) -> bool:
    """Whether it says something that cannot be read: it is encrypted, or its text has not come along (E41). A mail of
    files alone says nothing."""
    parts = [part for _, part in outside(body, lambda part: part.is_attachment)]
    return any(map(_hides_text, parts)) and not any(map(_is_text, parts))


def preview(body: MimePart) -> str:
    """How the author's own words begin, in one line; NOT_AVAILABLE where they cannot be read."""
    if is_unreadable(body):
        return NOT_AVAILABLE
    return storable(folded(body.text(), body.header("subject")).above, PREVIEW)


def files(body: MimePart) -> tuple[FilePart, ...]:
    """The first MAX_FILES in written order. What has no room beside those before it is listed and not copied (D14)."""
    found = list(islice(((place, part) for place, part in own_parts(body) if part.is_attachment), MAX_FILES))
    named = _images_named(body) if any(map(_is_image, (part for _, part in found))) else frozenset()
    room = which_fit(_size(part) for _, part in found)
    return tuple(
        _file(number, place, part, named, fits=fits)
        for number, ((place, part), fits) in enumerate(zip(found, room, strict=True), 1)
    )


def _file(number: int, place: str, part: MimePart, named: frozenset[str], *, fits: bool) -> FilePart:
    content_id = storable(part.header("content-id").strip("<> "), MAX_PERSON) or None
    state = FileState.WAITING if fits else FileState.TOO_LARGE
    return FilePart(
        place=place,
        name=safe_name(part.filename, number, part.mime_type),
        claimed_type=storable(part.mime_type, _MAX_TYPE),
        size=_size(part),
        content_id=content_id,
        inline=_is_image(part) and content_id in named,
        state=state if is_file(part) else FileState.WITHIN,
    )


def _size(part: MimePart) -> int:
    """A provider may say anything."""
    return min(max(part.size, len(part.content or b"")), _MAX_SIZE)


def _is_image(part: MimePart) -> bool:
    return part.mime_type.lower().startswith("image/")


def _images_named(body: MimePart) -> frozenset[str]:
    """By the HTML (H46)."""
    texts = (part for _, part in own_parts(body) if part.mime_type.lower() == "text/html" and part.content)
    return frozenset(
        unquote(found) for part in texts for found in _NAMED_IMAGE.findall(decoded_text(part)[:_LONGEST_HTML])
    )


def _is_text(part: MimePart) -> bool:
    return part.mime_type.lower().startswith("text/") and not part.is_attachment


def _hides_text(part: MimePart) -> bool:
    """A text that is too long to come along, or one that only its reader can open."""
    kind = part.mime_type.lower()
    too_long = kind.startswith("text/") and not part.filename and part.attachment_id is not None
    return too_long or (kind.startswith("application/") and kind.endswith(("pkcs7-mime", "pgp-encrypted")))


def _author_name(content: MailContent, fields: Fields, message: Message) -> str:
    """Beside the author's address; where nobody is certain (E105), what the reader sees in From."""
    if message.author:
        names = read_names(value for name in _AUTHORS_NAMED_IN for value in fields.get(name, ()))
        return storable(names.get(message.author, ""), MAX_PERSON)
    return storable(content.header("from"), MAX_PERSON)


def _participants(fields: Fields, *, is_own: bool) -> Iterator[Participant]:
    for role in Role:
        if role is not Role.BCC or is_own:
            yield from _in_role(role, read_names(fields.get(role, ())).items())


def _in_role(role: Role, people: Iterable[tuple[str, str]]) -> Iterator[Participant]:
    for position, (address, name) in enumerate(people):
        yield Participant(role, position, address, storable(name, MAX_PERSON))
