"""What Gmail writes into a mailbox when a mail that it sent is not delivered, or not yet (RFC 3464)."""

import html
import secrets
from email.utils import formatdate

from infra.local.gmail.http.errors import Json
from infra.local.gmail.mail import outgoing
from infra.local.gmail.mailbox import Mailbox, Message
from infra.local.gmail.sending import ARRIVING
from infra.local.gmail.world import World

DAEMON = "Mail Delivery Subsystem <mailer-daemon@googlemail.com>"


def report(world: World, mailbox: Mailbox, body: Json) -> Message:
    """A report on a sent mail for some of its recipients, all of them where none is named. It lies in the mail's
    thread, whatever its own subject."""
    sent = mailbox.get(str(body["id"]))
    if "SENT" not in sent.labels:
        raise ValueError("only of a sent mail something is reported")
    raw = world.raw(sent)
    people = [str(one) for one in body.get("recipients", ())] or outgoing.recipients(raw)
    written = _report(mailbox.address, raw, people, str(body["status"]), delayed=bool(body.get("delayed")))
    return world.put(mailbox, written, ARRIVING, thread_id=sent.thread_id)


def _report(address: str, raw: bytes, people: list[str], status: str, *, delayed: bool) -> bytes:
    outer, inner = secrets.token_hex(14), secrets.token_hex(14)
    message_id = next(iter(outgoing.values(raw, "Message-ID")), "")
    now = formatdate()
    head = [
        f"From: {DAEMON}",
        f"To: {address}",
        "Auto-Submitted: auto-replied",
        f"Subject: Delivery Status Notification ({'Delay' if delayed else 'Failure'})",
        f"References: {message_id}",
        f"In-Reply-To: {message_id}",
        f"Message-ID: <{secrets.token_hex(12)}.GMR@mx.google.com>",
        f"Date: {now}",
        *([] if delayed else [f"X-Failed-Recipients: {', '.join(people)}"]),
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; boundary="{outer}"; report-type=delivery-status',
    ]
    said = (
        f"** {'Delivery incomplete' if delayed else 'Address not found'} **\r\n\r\n"
        f"Your message {'has not yet been' if delayed else 'was not'} delivered to {', '.join(people)}.\r\n"
    )
    texts = [
        f"--{inner}\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\n{said}",
        f"--{inner}\r\nContent-Type: text/html; charset=UTF-8\r\n\r\n<p>{html.escape(said)}</p>",
    ]
    parts = [
        f'Content-Type: multipart/alternative; boundary="{inner}"\r\n\r\n'
        + "\r\n".join([*texts, f"--{inner}--"]),
        f"Content-Type: message/delivery-status\r\n\r\n{_status(message_id, people, status, now, delayed=delayed)}",
        "Content-Type: message/rfc822\r\n\r\n",
    ]
    whole = "\r\n".join([*head, "", *(f"--{outer}\r\n{part}" for part in parts)])
    return whole.encode("utf-8", "replace") + raw + f"\r\n--{outer}--\r\n".encode()


def _status(message_id: str, people: list[str], status: str, now: str, *, delayed: bool) -> str:
    """First of the mail, then of each recipient."""
    blocks = [
        f"Reporting-MTA: dns; googlemail.com\r\nArrival-Date: {now}\r\nX-Original-Message-ID: {message_id}\r\n"
    ]
    blocks += [
        f"Final-Recipient: rfc822; {one}\r\nAction: {'delayed' if delayed else 'failed'}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; {'4' if delayed else '5'}50 {status} said by the other side\r\n"
        f"Last-Attempt-Date: {now}\r\n"
        for one in people
    ]
    return "\r\n".join(blocks)
