"""A mail as bytes to be kept, and back: its headers, its MIME tree and the bytes of its texts.

JSON of the parts in written order, compressed, after one byte that says so. Files are kept on their own: a part that
is one says that it is, not what it holds. Nothing in a copy is its provider's, so that one copy serves every mailbox
the mail lies in.
"""

import json
import zlib
from base64 import b64decode, b64encode
from codecs import getincrementaldecoder
from collections.abc import Iterator
from typing import Any, Final

from domain.errors import LodestoneError
from domain.mail.content import MAX_DEPTH, MimePart, outside

MAX_COPY: Final = 100 * 1_048_576
"""Bytes of a copy before it is compressed. The largest mail that a provider takes fits."""

_VERSION = b"\1"
_PIECE = 1_048_576
_BROKEN = (LookupError, TypeError, ValueError, AttributeError, RecursionError, zlib.error)


class UnreadableCopy(LodestoneError):
    """The bytes are no copy that this release can read."""


def to_bytes(body: MimePart) -> bytes:
    """The mail as it is kept. Of a mail that nothing bounds the first MAX_PARTS parts, MAX_DEPTH deep, and of these the
    first that MAX_COPY has room for.

    The same mail gives the same bytes as long as zlib is the same: a copy that is made twice is mostly one object.
    """
    packer = zlib.compressobj()
    parts = (packer.compress(piece) for piece in _json(body))
    return b"".join((_VERSION, *parts, packer.flush()))


def from_bytes(copy: bytes) -> MimePart:
    """The mail as it was kept. What is a file of its own has its place, such as "1.2", as `attachment_id` (`numbered`).
    Raises UnreadableCopy; however small the bytes are, no more than a mail's worth of memory is used."""
    if copy[:1] != _VERSION:
        raise UnreadableCopy("a copy of a version that is not known here")
    try:
        return _tree(json.loads("".join(_unpacked(copy[1:]))))
    except _BROKEN:
        raise UnreadableCopy("a copy that is damaged") from None


def is_file(part: MimePart) -> bool:
    """Whether it is kept on its own. An attached mail that came along as parts is not: it can be asked for in no other
    way."""
    return part.attachment_id is not None or (part.is_attachment and part.content is not None)


def _json(body: MimePart) -> Iterator[bytes]:
    """A mail that does not even have room for its header is kept as one of nothing."""
    left, before = MAX_COPY, b"["
    for place, part in own_parts(body):
        piece = before + _as_bytes(_as_json(place, part))
        left -= len(piece)
        if left < len("]"):
            break
        yield piece
        before = b","
    if before == b"[":
        yield before + _as_bytes(_as_json("0", MimePart("")))
    yield b"]"


def _as_bytes(shown: dict[str, Any]) -> bytes:
    """Half a letter becomes a question mark."""
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _unpacked(packed: bytes) -> Iterator[str]:
    """Piece by piece: decoding takes several times the memory of what is decoded."""
    reader, decoder = zlib.decompressobj(), getincrementaldecoder("utf-8")()
    left = MAX_COPY
    while not reader.eof:
        piece = reader.decompress(packed, _PIECE)
        packed = reader.unconsumed_tail
        left -= len(piece)
        if left < 0 or not (piece or packed):
            raise ValueError
        yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)


def own_parts(body: MimePart) -> Iterator[tuple[str, MimePart]]:
    """Those of the mail, with their places; what is within a file is not."""
    return outside(body, is_file)


def _as_json(place: str, part: MimePart) -> dict[str, Any]:
    shown: dict[str, Any] = {"place": place, "type": part.mime_type}
    if part.headers:
        shown["headers"] = part.headers
    if part.filename:
        shown["name"] = part.filename
    if part.size:
        shown["size"] = part.size
    if is_file(part):
        shown["file"] = True
    elif part.content is not None:
        shown["content"] = b64encode(part.content).decode("ascii")
    return shown


def _tree(parts: list[dict[str, Any]]) -> MimePart:
    """From the last part to the first: then those within a part are made before it."""
    within: dict[str, list[MimePart]] = {}
    for one in reversed(parts):
        place = one["place"]
        above, dot, _ = place.rpartition(".")
        if place.count(".") > MAX_DEPTH:
            raise ValueError
        part = _part(one, tuple(reversed(within.pop(place, []))))
        if place == "0":
            return part
        within.setdefault(above if dot else "0", []).append(part)
    raise LookupError


def _part(one: dict[str, Any], parts: tuple[MimePart, ...]) -> MimePart:
    content = one.get("content")
    return MimePart(
        mime_type=one["type"],
        headers=tuple((name, value) for name, value in one.get("headers", ())),
        filename=one.get("name", ""),
        size=one.get("size", 0),
        content=None if content is None else b64decode(content, validate=True),
        attachment_id=one["place"] if one.get("file") else None,
        parts=parts,
    )
