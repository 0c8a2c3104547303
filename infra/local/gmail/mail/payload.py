"""A mail as messages.get shows it: the payload tree, the snippet, the raw text (Gmail "Message")."""

import binascii
import html
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection

from infra.local.gmail.http.errors import Json
from infra.local.gmail.mail import headers, mime
from infra.local.gmail.mail.mime import Part

SNIPPET_SOURCE = 5_000
SEARCHED_SOURCE = 10_000
SNIPPET_LENGTH = 200
INVISIBLE = re.compile(r"<(style|script|head)\b.*?</\1\s*>", re.I | re.S)
MAX_INLINE = 1 << 19
"""A longer text comes by attachmentId too; where Gmail draws the line is not known."""

ATTACHMENT = "ANGjdJ8"
"""Begins every attachment id. The rest names the part and is another one in every answer, as in Gmail."""

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


def text(raw: bytes, tree: Part) -> str:
    """What the first readable part says, all of it."""
    leaves = [part for part in mime.walk(tree) if not part.parts and not part.filename]
    found = sorted(filter(_readable, leaves), key=lambda part: part.mime_type != "text/plain")
    return _text(found[0], raw, len(raw)) if found else ""


def _words(part: Part, raw: bytes) -> str:
    found = " ".join(_text(part, raw, SNIPPET_SOURCE).split())
    if len(found) > SNIPPET_LENGTH:
        found = found[:SNIPPET_LENGTH].rpartition(" ")[0] or found[:SNIPPET_LENGTH]
    return html.escape(found).replace("&#x27;", "&#39;")


def _text(part: Part, raw: bytes, most: int) -> str:
    content = mime.decode(part.content(raw, most), part.charset)
    if part.mime_type == "text/html":
        content = html.unescape(TAG.sub(" ", INVISIBLE.sub(" ", content)))
    return content


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
    """Files and long texts are fetched by attachmentId; everything else comes with its data."""
    if part.parts and not part.filename:
        return {"size": 0}
    content = part.content(raw)
    shown = part.mime_type.startswith(("text/", "multipart/")) and len(content) <= MAX_INLINE
    if part.filename or part.attached or not shown:
        return {"attachmentId": _attachment_id(part), "size": len(content)}
    return {"size": len(content), "data": encoded(content)} if content else {"size": 0}


def has_attachment(tree: Part) -> bool:
    """Whether there is a file in it that a reader would see as one."""
    return any(part.filename or part.attached for part in mime.walk(tree))


def _attachment_id(part: Part) -> str:
    return ATTACHMENT + encoded(f"{part.part_id}/{secrets.token_hex(8)}".encode()).rstrip("=")


def attachment(raw: bytes, attachment_id: str) -> bytes | None:
    """The content of the part that such an id names; None when it names none."""
    code = attachment_id.removeprefix(ATTACHMENT)
    try:
        name = urlsafe_b64decode(code + "=" * (-len(code) % 4)).decode()
    except (binascii.Error, ValueError):
        return None
    part_id, slash, _ = name.partition("/")
    parts = mime.walk(mime.parse(raw)) if slash and code != attachment_id else iter(())
    return next((part.content(raw) for part in parts if part.part_id == part_id), None)


def subject(raw: bytes) -> str:
    """As it reads, in small letters."""
    head_end, _ = headers.body_start(raw, 0, len(raw))
    lines = headers.read(raw, 0, head_end)
    return next((headers.decoded(value).lower() for name, value in lines if name.lower() == "subject"), "")


def words(raw: bytes, tree: Part) -> str:
    """What plain words are searched in, in small letters: subject, texts and file names."""
    leaves = [part for part in mime.walk(tree) if not part.parts]
    texts = [_text(part, raw, SEARCHED_SOURCE) for part in leaves if not part.filename and _readable(part)]
    return "\n".join([subject(raw), *texts, *(part.filename for part in leaves)]).lower()


def _readable(part: Part) -> bool:
    return part.mime_type in ("text/plain", "text/html")
