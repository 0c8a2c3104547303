"""A mail's bytes as the MIME tree that a provider's adapter makes of them."""

from email import message_from_bytes
from email.message import Message

from domain.mail.content import MimePart


def parsed(raw: bytes) -> MimePart:
    return _part(message_from_bytes(raw))


def _part(message: Message) -> MimePart:
    """The email package looks into every part of a type message; providers do for attached mail alone."""
    held = message.get_payload()
    inner = [one for one in held if isinstance(one, Message)] if isinstance(held, list) else []
    kind = message.get_content_type()
    headers = tuple((name, _utf8(value)) for name, value in message.raw_items())
    name = message.get_filename() or ""
    if kind.startswith("message/") and kind != "message/rfc822":
        content = b"\n\n".join(bytes(block).strip() for block in inner)
        return MimePart(kind, headers, name, len(content), content)
    decoded = None if inner else message.get_payload(decode=True)
    whole = decoded if isinstance(decoded, bytes) else None
    return MimePart(kind, headers, name, len(whole or b""), whole, None, tuple(map(_part, inner)))


def _utf8(value: object) -> str:
    return str(value).encode("ascii", "surrogateescape").decode("utf-8", "replace")
