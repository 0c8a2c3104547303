"""A mail as messages.get shows it: the payload tree, the snippet, the raw text (Gmail "Message")."""

import html
import re
from base64 import urlsafe_b64encode
from collections.abc import Collection

from infra.local.gmail import headers, mime
from infra.local.gmail.errors import Json
from infra.local.gmail.mime import Part

SNIPPET_SOURCE = 5_000
SNIPPET_LENGTH = 200
INVISIBLE = re.compile(r"<(style|script|head)\b.*?</\1\s*>", re.I | re.S)
TAG = re.compile(r"<[^>]*>")


def full(raw: bytes, tree: Part, *, bodies: bool) -> Json:
    """The MessagePart tree. Without `bodies` nothing is decoded and parts have an empty body."""
    return _part(tree, raw, bodies)


def metadata(tree: Part, only: Collection[str]) -> Json:
    """Headers and type of the outermost part; `only` keeps the headers named, case aside."""
    wanted = {name.lower() for name in only}
    kept = [(name, value) for name, value in tree.headers if not wanted or name.lower() in wanted]
    return {"mimeType": tree.mime_type, "headers": _headers(kept)}


def encoded(raw: bytes) -> str:
    """base64url, as in `raw` and `body.data`."""
    return urlsafe_b64encode(raw).decode("ascii")


def snippet(raw: bytes, tree: Part) -> str:
    """The first words of the first readable part, HTML-escaped as Gmail sends them."""
    parts = [part for part in mime.walk(tree) if not part.parts and not part.filename]
    for kind in ("text/plain", "text/html"):
        for part in parts:
            if part.mime_type == kind:
                return _words(part, raw)
    return ""


def _words(part: Part, raw: bytes) -> str:
    content = mime.decode(part.content(raw, SNIPPET_SOURCE), part.charset)
    if part.mime_type == "text/html":
        content = html.unescape(TAG.sub(" ", INVISIBLE.sub(" ", content)))
    words = " ".join(content.split())
    if len(words) > SNIPPET_LENGTH:
        words = words[:SNIPPET_LENGTH].rpartition(" ")[0] or words[:SNIPPET_LENGTH]
    return html.escape(words).replace("&#x27;", "&#39;")


def _headers(fields: list[headers.Header]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in fields]


def _part(part: Part, raw: bytes, bodies: bool) -> Json:
    shown: Json = {
        "partId": part.part_id,
        "mimeType": part.mime_type,
        "filename": part.filename,
        "headers": _headers(part.headers),
        "body": _body(part, raw) if bodies else {},
    }
    if part.parts:
        shown["parts"] = [_part(child, raw, bodies) for child in part.parts]
    return shown


def _body(part: Part, raw: bytes) -> Json:
    """Named files are fetched by attachmentId; everything else comes with its data."""
    if part.parts and not part.filename:
        return {"size": 0}
    content = part.content(raw)
    if part.filename:
        return {"attachmentId": "ANGjdJ8" + encoded(part.part_id.encode()).rstrip("="), "size": len(content)}
    return {"size": len(content), "data": encoded(content)} if content else {"size": 0}
