"""Mails from clients: to be sent, kept as drafts, or inserted into the mailbox (FACTS §3)."""

import binascii
import time
from base64 import urlsafe_b64decode
from email.utils import parsedate_to_datetime

from infra.local.gmail.http.call import Call
from infra.local.gmail.http.errors import Json, invalid, too_large
from infra.local.gmail.labels import FIXED
from infra.local.gmail.mail import headers, outgoing
from infra.local.gmail.mailbox import Mailbox, Message
from infra.local.gmail.messages import envelope
from infra.local.gmail.world import World

ARRIVING = ("INBOX", "UNREAD")
Copies = tuple[bytes, list[str]]
"""A mail as it leaves, and for whom."""


def send(call: Call) -> Json:
    """Send a mail at once. Raises 400 when it has no recipient."""
    raw = brought(call, call.body)
    sent, copies = posted(call.world, call.mailbox, raw, thread(call, raw, call.body))
    deliver(call.world, call.mailbox, sent, copies)
    return envelope(sent)


def brought(call: Call, message: Json) -> bytes:
    """The raw mail of a call, uploaded or in its Message. Raises 400 without a mail, 413 when it is too large."""
    raw = call.media
    if raw is None:
        raw = _decoded(str(message.get("raw", "")))
    if not raw:
        raise invalid("'raw' RFC822 payload message string or uploading message via /upload/* URL required")
    if len(raw) > call.method.max_upload:
        raise too_large(call.method.max_upload)
    return raw


def thread(call: Call, raw: bytes, message: Json) -> str:
    """The thread that the call names, if the mail fits into it, else "" for a new one."""
    wanted = str(message.get("threadId", ""))
    return (wanted and call.mailbox.thread_of(wanted, headers.facts(raw))) or ""


def posted(world: World, mailbox: Mailbox, raw: bytes, thread_id: str) -> tuple[Message, Copies]:
    """The copy in Sent, and what `deliver` needs. Raises 400 for impossible recipients, 429 over the day's limit.

    A mail to the sender's own address is the same message in the Inbox.
    """
    with mailbox.lock:
        recipients = outgoing.recipients(raw)
        own = {address.lower() for address in (mailbox.address, *mailbox.aliases)}
        mailbox.sending.note(time.monotonic())
        ready = outgoing.made_ready(raw, mailbox.address, own)
        to_himself = any(world.receiver(address) is mailbox for address in recipients)
        sent = world.put(mailbox, ready, ("SENT", *(ARRIVING if to_himself else ())), thread_id=thread_id)
    return sent, (ready, recipients)


def deliver(world: World, sender: Mailbox, sent: Message, copies: Copies) -> None:
    """Deliver the mail once to each local mailbox among its recipients, without Bcc. No lock may be held."""
    ready, recipients = copies
    receivers = {id(mailbox): mailbox for mailbox in map(world.receiver, recipients) if mailbox is not None}
    raw = outgoing.without(ready, "Bcc")
    for mailbox in receivers.values():
        if mailbox is not sender:
            world.put(mailbox, raw, ARRIVING, sent.internal_date)


def insert(call: Call) -> Json:
    """messages.insert and messages.import: store the mail unchanged, with the labels of the call. Nothing is sent."""
    raw, mailbox = brought(call, call.body), call.mailbox
    labels = [str(label) for label in call.body.get("labelIds", ())]
    by_header = call.text(
        "internalDateSource", "dateHeader" if call.method.name == "messages.import" else "receivedTime"
    )
    with mailbox.lock:
        for label_id in labels:
            if label_id not in mailbox.labels or label_id in FIXED - {"SENT"}:
                raise invalid(f"Invalid label: {label_id}")
        wanted = thread(call, raw, call.body) or None
        date = _written(raw) if by_header == "dateHeader" else None
        return envelope(call.world.put(mailbox, raw, labels, date, wanted))


def _written(raw: bytes) -> int | None:
    head_end, _ = headers.body_start(raw, 0, len(raw))
    values = (value for name, value in headers.read(raw, 0, head_end) if name.lower() == "date")
    try:
        return max(0, int(parsedate_to_datetime(next(values)).timestamp() * 1000))
    except (StopIteration, ValueError, TypeError, OverflowError):
        return None


def _decoded(raw: str) -> bytes:
    """base64url or base64, padded or not, as Google takes it."""
    plain = raw.strip().rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return urlsafe_b64decode(plain + "=" * (-len(plain) % 4))
    except (binascii.Error, ValueError) as error:
        raise invalid("Invalid value at 'message.raw' (TYPE_BYTES), Base64 decoding failed") from error
