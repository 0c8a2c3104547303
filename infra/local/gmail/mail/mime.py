"""A mail's MIME tree, cut out of the raw bytes by offsets.

The email package recurses without bound and parses everything. Here depth and number of parts are limited, and the
bytes of a leaf are decoded only on demand.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from infra.local.gmail.mail import headers
from infra.local.gmail.mail.headers import Header

MAX_DEPTH = 50
MAX_PARTS = 2_000
MAX_VALUE = 5_000
MAX_DELIMITER = 200
MAX_LOOKS = 100_000
"""The most lines that are compared with delimiters. It bounds the cost of nested boundaries."""

TYPE = re.compile(r"\s*([\w!#$&^.+-]+/[\w!#$&^.+-]+)")
PARAMETER = re.compile(r";\s*([^\s=;]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^;\s]*))")
NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))


@dataclass(slots=True)
class Part:
    """One node of the tree; `start` and `end` delimit its body in the raw mail."""

    part_id: str
    headers: list[Header]
    mime_type: str
    charset: str
    filename: str
    attached: bool
    encoding: str
    start: int
    end: int
    parts: list["Part"] = field(default_factory=list)

    def content(self, raw: bytes, limit: int | None = None) -> bytes:
        """The body without its transfer encoding; garbage in it is skipped, never an error."""
        end = self.end if limit is None else min(self.end, self.start + limit)
        body = raw[self.start : end]
        if self.encoding == "base64":
            kept = body.translate(None, NOT_BASE64)
            whole = len(kept) - len(kept) % 4
            rest = kept[whole:]
            tail = binascii.a2b_base64(rest + b"=" * (4 - len(rest))) if len(rest) > 1 else b""
            return binascii.a2b_base64(kept[:whole]) + tail
        if self.encoding == "quoted-printable":
            return binascii.a2b_qp(body)
        return body


def parse(raw: bytes) -> Part:
    """The tree of a whole mail. Part ids as Gmail numbers them: "" for the root, "0", "0.1" below."""
    return _Tree(raw).part(0, len(raw), "", 0)


def walk(part: Part) -> Iterator[Part]:
    """The part and everything below it, in reading order."""
    yield part
    for child in part.parts:
        yield from walk(child)


class _Tree:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._left = MAX_PARTS
        self._looks = MAX_LOOKS

    def part(self, start: int, end: int, part_id: str, depth: int) -> Part:
        self._left -= 1
        head_end, body = headers.body_start(self._raw, start, end)
        fields = headers.read(self._raw, start, head_end)
        mime_type, parameters = _value(_first(fields, "content-type"))
        placing = _first(fields, "content-disposition")
        _, disposition = _value(placing)
        part = Part(
            part_id=part_id,
            headers=fields,
            mime_type=mime_type or "text/plain",
            charset=parameters.get("charset", "utf-8"),
            filename=_filename(disposition, "filename") or _filename(parameters, "name"),
            attached=placing.lstrip().lower().startswith("attachment"),
            encoding=_first(fields, "content-transfer-encoding").strip().lower()[:40],
            start=min(body, end),
            end=end,
        )
        if depth < MAX_DEPTH:
            part.parts = self._children(part, parameters.get("boundary", ""), depth + 1)
        return part

    def _children(self, part: Part, boundary: str, depth: int) -> list[Part]:
        if part.mime_type.startswith("multipart/") and boundary and part.start < part.end:
            ranges = self._split(boundary.encode("utf-8", "replace"), part.start, part.end)
        elif part.mime_type == "message/rfc822" and part.encoding != "base64":
            ranges = iter([(part.start, part.end)])
        else:
            return []
        prefix = f"{part.part_id}." if part.part_id else ""
        children: list[Part] = []
        for number, (start, end) in enumerate(ranges):
            if self._left <= 0:
                break
            children.append(self.part(start, end, f"{prefix}{number}", depth))
        return children

    def _split(self, boundary: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The ranges between delimiter lines; the preamble and what follows the last are dropped."""
        raw, mark = self._raw, b"\n--" + boundary
        opened = -1
        at = raw.find(mark, start - 1, end)  # the byte before a body ends a line
        while at >= 0 and self._looks > 0:
            self._looks -= 1
            after = at + len(mark)
            line_end = raw.find(b"\n", after, min(end, after + MAX_DELIMITER))
            line_end = line_end if line_end >= 0 else min(end, after + MAX_DELIMITER)
            rest = raw[after:line_end].strip()
            if rest in (b"", b"--"):
                if opened >= 0:
                    yield opened, max(opened, _before_return(raw, at))
                opened = min(line_end + 1, end)
                if rest:
                    return
            at = raw.find(mark, after, end)
        if opened >= 0:
            yield opened, end


def _before_return(raw: bytes, at: int) -> int:
    return at - 1 if raw[at - 1 : at] == b"\r" else at


def _first(fields: list[Header], name: str) -> str:
    return next((value[:MAX_VALUE] for have, value in fields if have.lower() == name), "")


def _value(value: str) -> tuple[str, dict[str, str]]:
    """A structured header's token and parameters, names in lower case."""
    found = TYPE.match(value)
    parameters: dict[str, str] = {}
    for name, quoted, plain in PARAMETER.findall(value):
        unquoted = re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        parameters.setdefault(name.lower(), unquoted)
    return (found[1].lower() if found else ""), parameters


def _filename(parameters: dict[str, str], name: str) -> str:
    """Plain, RFC 2231 (charset and continuations) or RFC 2047, as Gmail decodes file names."""
    if name in parameters:
        return headers.decoded(parameters[name])
    pieces = [parameters[f"{name}*"]] if f"{name}*" in parameters else []
    for number in range(100):
        piece = parameters.get(f"{name}*{number}*", parameters.get(f"{name}*{number}"))
        if piece is None:
            break
        pieces.append(piece)
    joined = "".join(pieces)
    charset, quote, rest = joined.partition("'")
    if quote:
        joined = rest.partition("'")[2]
    return decode(unquote_to_bytes(joined), charset if quote else "utf-8")


def decode(value: bytes, charset: str) -> str:
    """Text in whatever charset is claimed, as UTF-8 when that claim is nonsense."""
    try:
        return value.decode(charset, "replace")
    except (LookupError, ValueError, TypeError):
        return value.decode("utf-8", "replace")
