"""A mail's bytes as the MIME tree that a provider's adapter makes of them."""

from email import message_from_bytes
from email.message import Message

from domain.mail.content import MimePart


def parsed(raw: bytes) -> MimePart:
    return _part(message_from_bytes(raw))


def _part(message: Message) -> MimePart:
    """The email package takes a delivery-status apart, into one message for each of its blocks."""
    held = message.get_payload()
    inner = held if isinstance(held, list) else []
    kind = message.get_content_type()
    headers = tuple((name, str(value)) for name, value in message.items())
    if kind.endswith("delivery-status"):
        content = b"\n".join(bytes(block) for block in inner if isinstance(block, Message))
        return MimePart(kind, headers, message.get_filename() or "", len(content), content)
    parts = tuple(_part(one) for one in inner if isinstance(one, Message))
    decoded = None if parts else message.get_payload(decode=True)
    content_or_none = decoded if isinstance(decoded, bytes) else None
    return MimePart(
        kind, headers, message.get_filename() or "", len(content_or_none or b""), content_or_none, None, parts
    )
