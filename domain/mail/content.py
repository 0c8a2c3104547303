"""Mail as a person reads it: fetched at that moment and kept nowhere, so nothing of it stands in a repr (Z1, D2)."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from domain.mail.folders import Folder
from domain.mail.headers import MAX_HEADER, Fields, by_name, decoded, parameter
from domain.mail.html_text import html_text
from domain.mail.messages import Fetched, Message, Part, read

_STATEFUL: Final = frozenset({"iso-2022-jp", "iso-2022-kr", "hz-gb-2312", "utf-16", "utf-16le", "utf-16be"})
_CHARSETS: Final = _STATEFUL | frozenset(
    (
        *("utf-8", "us-ascii", "shift_jis", "cp932", "euc-jp", "gb2312", "gbk", "gb18030", "big5", "euc-kr"),
        *("cp949", "ks_c_5601-1987", "koi8-r", "koi8-u"),
        *(f"iso-8859-{number}" for number in (*range(1, 12), *range(13, 17))),
        *(f"windows-125{number}" for number in range(9)),
    )
)
"""A closed list, because Python imports and remembers for good whatever name a mail asks for."""

MAX_TEXT: Final = 1_000_000
"""Characters of a mail's text that are shown."""

MAX_PARTS: Final = 10_000
MAX_DEPTH: Final = 100
"""Parts of a mail that are looked at, and how far within each other. Real mail has some twenty parts, ten deep."""

_FOLD = re.compile(r"\r?\n[ \t]+")


@dataclass(frozen=True, slots=True)
class MailQuery:
    """What a mailbox is searched for: mail from or to one of the addresses, or, without addresses, what the owner's
    `words` find in the provider's own search, everything where there are none. Only mail received before the second
    `before` counts."""

    addresses: tuple[str, ...] = ()
    words: str = field(default="", repr=False)
    before: int | None = None


@dataclass(frozen=True, slots=True)
class FoundPage:
    """Message ids that a search has found, newest first, and the token of the next page, None after the last."""

    message_ids: tuple[str, ...]
    next_page: str | None


@dataclass(frozen=True, slots=True)
class MimePart:
    """A node of a mail's MIME tree. `content` is None where it has not come along, `attachment_id` where it cannot be
    asked for."""

    mime_type: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    filename: str = field(default="", repr=False)
    size: int = 0
    content: bytes | None = field(default=None, repr=False)
    attachment_id: str | None = None
    parts: tuple["MimePart", ...] = ()

    @property
    def is_attachment(self) -> bool:
        """Everything that is not read in its place: files, attached mails, texts too long to come along."""
        return bool(self.filename or self.attachment_id) or self.mime_type.lower() == "message/rfc822"

    def fields(self) -> Fields:
        """Its headers by name."""
        return by_name(self.headers)

    def header(self, name: str) -> str:
        """A field as its reader sees it, the first where there are several; "" when it is absent (E42)."""
        values = self.fields().get(name.lower(), ())
        return _FOLD.sub(" ", decoded(values[0][:MAX_HEADER])).strip() if values else ""

    def text(self) -> str:
        """What a mail says, of which this is the whole: plain text where it has that, else its HTML as text. "" when
        nothing is readable (E41)."""
        kept: list[str] = []
        for text in _texts(self):
            kept.append(text.strip("\r\n")[:MAX_TEXT])
            if sum(map(len, kept)) >= MAX_TEXT:
                break
        return "\n\n".join(filter(None, kept))

    def structure(self) -> Part:
        """The same without its content."""
        return Part(self.mime_type, self.headers, tuple(part.structure() for part in self.parts))


@dataclass(frozen=True, slots=True)
class MailContent:
    """A mail as it is shown: in a list, and then its parts have no content, or whole.

    `sent` and `label_ids` are as in Fetched. `key` is that of a mail which this mailbox has sent for us (Z16).
    `first_of_thread`: its provider says that nothing of its thread came before it.
    """

    message_id: str
    thread_id: str
    folder: Folder
    received_at: datetime
    snippet: str = field(repr=False)
    body: MimePart = field(repr=False)
    sent: bool = False
    label_ids: frozenset[str] = frozenset()
    key: str | None = None
    first_of_thread: bool = False

    def fetched(self) -> Fetched:
        """Its header and structure alone."""
        return Fetched(
            self.message_id,
            self.folder,
            self.received_at,
            self.body.structure(),
            self.sent,
            self.label_ids,
        )

    def message(self, own: frozenset[str]) -> Message:
        """The same as the rules see it, in the mailbox whose addresses are `own`."""
        return read(self.fetched(), own)

    def fields(self) -> Fields:
        """Its header by name."""
        return self.body.fields()

    def header(self, name: str) -> str:
        """A field as its reader sees it (MimePart.header)."""
        return self.body.header(name)

    def attachments(self) -> tuple[MimePart, ...]:
        """In written order."""
        return tuple(_attachments(self.body))

    def text(self) -> str:
        """What it says (MimePart.text)."""
        return self.body.text()


def numbered(body: MimePart) -> Iterator[tuple[str, MimePart]]:
    """The parts of a mail in written order, each with its place: "0" is the mail itself, "1.2" the second part of its
    first. At most MAX_PARTS of them, MAX_DEPTH deep."""
    yield "0", body
    levels = [("", iter(enumerate(body.parts, 1)))]
    left = MAX_PARTS - 1
    while levels and left:
        above, inner = levels[-1]
        number, part = next(inner, (0, None))
        if part is None:
            levels.pop()
            continue
        yield f"{above}{number}", part
        left -= 1
        if len(levels) < MAX_DEPTH:
            levels.append((f"{above}{number}.", iter(enumerate(part.parts, 1))))


def outside(body: MimePart, closed: Callable[[MimePart], bool]) -> Iterator[tuple[str, MimePart]]:
    """The parts of a mail and their places, as `numbered` gives them, without those within a closed one."""
    shut = ""
    for place, part in numbered(body):
        if shut and (shut == "0" or place.startswith(f"{shut}.")):
            continue
        shut = place if closed(part) else ""
        yield place, part


def _attachments(part: MimePart, depth: int = 0) -> Iterator[MimePart]:
    if part.is_attachment:
        yield part
        return
    for inner in _within(part, depth):
        yield from _attachments(inner, depth + 1)


def _texts(part: MimePart, depth: int = 0) -> Iterator[str]:
    kind = part.mime_type.lower()
    if part.is_attachment:
        return
    if part.parts:
        inside = _within(part, depth)
        for inner in _chosen(inside, depth) if kind == "multipart/alternative" else inside:
            yield from _texts(inner, depth + 1)
    elif part.content and kind == "text/html":
        yield html_text(decoded_text(part))
    elif part.content and (kind.startswith("text/") or not kind):
        yield decoded_text(part)


def _within(part: MimePart, depth: int) -> tuple[MimePart, ...]:
    return part.parts if depth < MAX_DEPTH else ()


def _chosen(parts: tuple[MimePart, ...], depth: int) -> tuple[MimePart, ...]:
    """Of several forms of one text the plain one, else the last that says anything, which is the richest."""
    plain = [
        part for part in parts if part.mime_type.lower() == "text/plain" and (part.content or b"").strip()
    ]
    return tuple(plain[:1]) or tuple([part for part in parts if _says_anything(part, depth + 1)][-1:])


def _says_anything(part: MimePart, depth: int) -> bool:
    if part.is_attachment:
        return False
    if part.parts:
        return any(_says_anything(inner, depth + 1) for inner in _within(part, depth))
    return part.mime_type.lower().startswith("text/") and bool((part.content or b"").strip())


def decoded_text(part: MimePart) -> str:
    """What a part of text says. UTF-8 is taken for it whatever its label says: the provider may have recoded it."""
    content = part.content or b""
    labels = by_name(part.headers).get("content-type", ("",))
    charset = parameter(labels[0], "charset")
    if charset not in _STATEFUL:
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            pass
    return content.decode(charset if charset in _CHARSETS else "windows-1252", "replace")
