"""A kept mail as MIME again, for whoever takes it elsewhere.

It says what the mail says, in the order and with the headers that it had. It is not the same bytes: encodings and
boundaries are ours, so that a signature over them holds no longer, and the mail says so itself.
"""

import re
from base64 import encodebytes
from collections.abc import Iterator, Mapping, Sequence
from email.message import Message
from hashlib import sha256
from urllib.parse import quote

from domain.mail.content import MimePart, decoded_text
from domain.mail.copies import is_file, own_parts
from domain.mail.file_names import safe_name

REBUILT = "X-Lodestone-Rebuilt"
NOT_COPIED = "X-Lodestone-Not-Copied"

_OURS = frozenset(
    {"content-type", "content-transfer-encoding", "content-length", "lines", "mime-version", REBUILT.lower()}
)
_NAME = re.compile(r"[!-9;-~]{1,200}")
_LINE_END = re.compile(r"\r\n|\r|\n")
_TYPE = re.compile(r"[!-.0-~]{1,60}/[!-.0-~]{1,60}")
_NOT_PLAIN = re.compile(rb"\0|(?<!\r)\n|\r(?!\n)|[^\n]{990}")
_LONGEST_TYPE = 1_000
"""Characters of a Content-Type whose parameters are kept: the email package takes long for longer ones."""


def rebuild(body: MimePart, files: Mapping[str, bytes]) -> bytes:
    """`body` as `copies.from_bytes` gives it, and the files that are kept, by their places. In place of a file that is
    not among them the mail says which it was."""
    root, *others = own_parts(body)
    within: dict[str, list[bytes]] = {}
    for place, part in reversed(others):
        above, dot, _ = place.rpartition(".")
        within.setdefault(above if dot else "0", []).append(_part(place, part, within.pop(place, ()), files))
    said = f"{REBUILT}: headers and parts as the mailbox gave them, encoded anew\r\nMIME-Version: 1.0\r\n"
    return said.encode() + _part(*root, within.get("0", ()), files)


def _part(place: str, part: MimePart, inner: Sequence[bytes], files: Mapping[str, bytes]) -> bytes:
    """With its header. Those within it were written before it, the last first."""
    kind = part.mime_type.lower()
    if is_file(part):
        return _content(part, files[place]) if place in files else _missing(part, place)
    if kind.startswith("message/") and len(inner) == 1:
        return _head(part, _type(part), "8bit") + inner[0]
    if inner or (kind.startswith("multipart/") and not part.content):
        return _multipart(part, inner[::-1])
    content = part.content or b""
    is_utf8 = not content.isascii() and decoded_text(part).encode("utf-8", "replace") == content
    return _content(part, content, charset="utf-8" if is_utf8 and kind.startswith("text/") else None)


def _content(part: MimePart, content: bytes, *, charset: str | None = None) -> bytes:
    content_type = _type(part, charset=charset)
    if part.mime_type.lower().startswith("message/"):  # may not be encoded (RFC 2046)
        return _head(part, content_type, "8bit") + content
    if _is_plain(content):
        return _head(part, content_type, "7bit") + content
    return _head(part, content_type, "base64") + _base64(content)


def _multipart(part: MimePart, inner: Sequence[bytes]) -> bytes:
    """The boundary is made of what it bounds, and cannot occur in it."""
    boundary = f"=_{sha256(b''.join(inner)).hexdigest()[:40]}"
    mark = f"--{boundary}".encode()
    pieces = (mark + b"\r\n" + one + b"\r\n" for one in inner)
    return _head(part, _type(part, boundary=boundary), "8bit") + b"".join(pieces) + mark + b"--\r\n"


def _missing(part: MimePart, place: str) -> bytes:
    """A note is left. What is said of the file's own encoding is left out with the file."""
    name = safe_name(part.filename, 1, part.mime_type)
    note = f"The file {name} ({max(part.size, 0)} bytes) is not in this copy.\r\n"
    kept = tuple(
        (header, value) for header, value in part.headers if not header.lower().startswith("content-")
    )
    bare = MimePart("text/plain", ((NOT_COPIED, place), *kept))
    return _head(bare, 'text/plain; charset="utf-8"', "base64") + _base64(note.encode())


def _head(part: MimePart, content_type: str, encoding: str) -> bytes:
    fields = [(name, value) for name, value in part.headers if name.lower() not in _OURS]
    told = "name" in content_type.lower() or any(name.lower() == "content-disposition" for name, _ in fields)
    if part.filename and not told:
        name = quote(part.filename.encode("utf-8", "replace"), safe="")
        fields.append(("Content-Disposition", f"attachment; filename*=utf-8''{name}"))
    fields += [("Content-Type", content_type), ("Content-Transfer-Encoding", encoding)]
    lines = (_line(name, value) for name, value in fields if _NAME.fullmatch(name))
    return b"".join((*lines, b"\r\n"))


def _line(name: str, value: str) -> bytes:
    """A field, over as many lines as it has. A line that begins without a space would be another field."""
    lines = (line.replace("\0", " ").encode("utf-8", "replace") for line in _LINE_END.split(value))
    return name.encode("ascii") + b": " + b"\r\n".join(_folded(lines)) + b"\r\n"


def _folded(lines: Iterator[bytes]) -> Iterator[bytes]:
    yield next(lines)
    for line in lines:
        if line.strip():
            yield line if line.startswith((b" ", b"\t")) else b" " + line


def _type(part: MimePart, *, charset: str | None = None, boundary: str | None = None) -> str:
    """The part's own Content-Type with its parameters, but for those that are given."""
    kind = part.mime_type if _TYPE.fullmatch(part.mime_type) else "application/octet-stream"
    if kind.lower().startswith("multipart/") and not boundary:  # nobody could tell its parts
        kind = "text/plain"
    if boundary and not kind.lower().startswith("multipart/"):
        kind = "multipart/mixed"
    header = Message()
    header["Content-Type"] = _own_type(part, kind)
    if charset:
        header.set_param("charset", charset)
    header.del_param("boundary")
    if boundary:
        header.set_param("boundary", boundary)
    return str(header["Content-Type"])


def _own_type(part: MimePart, kind: str) -> str:
    said = next((value for name, value in part.headers if name.lower() == "content-type"), "")
    said = " ".join(_LINE_END.sub(" ", said).split())
    is_same = said.partition(";")[0].strip().lower() == kind.lower()
    return said if is_same and len(said) <= _LONGEST_TYPE and said.isprintable() and said.isascii() else kind


def _is_plain(content: bytes) -> bool:
    """Whether it may stand in a mail as it is."""
    return content.isascii() and not _NOT_PLAIN.search(content)


def _base64(content: bytes) -> bytes:
    return encodebytes(content).replace(b"\n", b"\r\n")
