"""What the user writes in Gmail itself: mails, answers, forwards, drafts, and mails to be sent later."""

import secrets
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from infra.local.gmail import sending
from infra.local.gmail.control import delivery_reports
from infra.local.gmail.http.errors import Json
from infra.local.gmail.mail import headers, mime, outgoing, payload
from infra.local.gmail.mailbox import Mailbox, Message
from infra.local.gmail.world import World

SCHEDULED = "SCHEDULED"
"""Neither DRAFT nor SENT, and not in labels.list: what Gmail shows of such a mail is not documented (FACTS §3)."""

LONGEST_LINE = 72

Fields = list[tuple[str, str]]


def write(world: World, mailbox: Mailbox, body: Json) -> Message:
    """A new mail, sent at once."""
    return _sent(world, mailbox, _raw(body), "")


def answer(world: World, mailbox: Mailbox, body: Json) -> Message:
    """An answer to the writer, or to all, in the thread while the subject stays."""
    answered, raw = _original(world, mailbox, body)
    own = {address.lower() for address in (mailbox.address, *mailbox.aliases)}
    wrote = [value for name in ("Reply-To", "From") for value in outgoing.values(raw, name)[:1]]
    by_user = any(address.lower() in own for _, address in outgoing.pairs(outgoing.values(raw, "From")))
    to = body.get("to") or (outgoing.values(raw, "To") if by_user else wrote[:1])
    others = outgoing.values(raw, "To") + outgoing.values(raw, "Cc") if body.get("everyone") else []
    left = [one for one in outgoing.pairs(others) if one[1].lower() not in own]
    fields = [
        *(("To", value) for value in to),
        *(("Cc", outgoing.written(one)) for one in left if one not in outgoing.pairs(to)),
        *(("Cc", value) for value in body.get("cc", ())),
        *(("Bcc", value) for value in body.get("bcc", ())),
        ("Subject", body.get("subject") or _prefixed("Re: ", raw)),
    ]
    quoted = "".join(f"> {line}\r\n" for line in payload.text(raw, mime.parse(raw)).splitlines())
    said = f"{body['text']}\r\n\r\n{_introduced(answered, wrote)}\r\n{quoted}"
    return _sent(world, mailbox, *_composed(mailbox, answered, raw, fields, said))


def forward(world: World, mailbox: Mailbox, body: Json) -> Message:
    """The mail with its files, for somebody else; it stays in the thread."""
    forwarded, raw = _original(world, mailbox, body)
    tree = mime.parse(raw)
    fields = [("To", value) for value in body["to"]] + [("Subject", _prefixed("Fwd: ", raw))]
    head = [
        f"{name}: {value}"
        for name in ("From", "Date", "Subject", "To")
        for value in outgoing.values(raw, name)
    ]
    said = "\r\n".join(
        [
            body.get("text", ""),
            "",
            "---------- Forwarded message ---------",
            *head,
            "",
            payload.text(raw, tree),
        ]
    )
    files = [part for part in mime.walk(tree) if part.filename and not part.parts]
    return _sent(world, mailbox, *_composed(mailbox, forwarded, raw, fields, said, files))


def save(world: World, mailbox: Mailbox, body: Json) -> Message:
    """A draft; one that names a mail of the mailbox lies in its thread."""
    return world.put(mailbox, _raw(body), ("DRAFT",))


def schedule(world: World, mailbox: Mailbox, body: Json) -> Message:
    """A mail that is to be sent later."""
    return world.put(mailbox, _raw(body), (SCHEDULED,))


def send_saved(world: World, mailbox: Mailbox, body: Json) -> Message:
    """A draft is sent, or the time of a scheduled mail has come: another message takes its place."""
    with mailbox.lock:
        saved = mailbox.get(str(body["id"]))
        if not saved.labels & {"DRAFT", SCHEDULED}:
            raise ValueError("only a draft or a scheduled mail can be sent")
        sent, copies = sending.posted(world, mailbox, world.raw(saved), saved.thread_id)
        mailbox.delete(saved)
    sending.deliver(world, mailbox, sent, copies)
    return sent


COMMANDS: Mapping[str, Callable[[World, Mailbox, Json], Message]] = {
    "POST write": write,
    "POST answer": answer,
    "POST forward": forward,
    "POST save": save,
    "POST schedule": schedule,
    "POST send_saved": send_saved,
    "POST report": delivery_reports.report,
}


def _sent(world: World, mailbox: Mailbox, raw: bytes, thread_id: str) -> Message:
    sent, copies = sending.posted(world, mailbox, raw, thread_id)
    sending.deliver(world, mailbox, sent, copies)
    return sent


def _raw(body: Json) -> bytes:
    return str(body["raw"]).encode("latin-1")


def _original(world: World, mailbox: Mailbox, body: Json) -> tuple[Message, bytes]:
    found = mailbox.get(str(body["id"]))
    return found, world.raw(found)


def _introduced(answered: Message, wrote: list[str]) -> str:
    """As Gmail writes it: a long line breaks before its last word."""
    day = datetime.fromtimestamp(answered.internal_date / 1000, UTC)
    line = f"On {day:%a, %b} {day.day}, {day:%Y at %I:%M\u202f%p} {headers.decoded(' '.join(wrote[-1:]))}"
    return f"{line} wrote:" if len(line) < LONGEST_LINE else f"{line}\r\nwrote:"


def _prefixed(prefix: str, raw: bytes) -> str:
    subject = next(iter(outgoing.values(raw, "Subject")), "")
    return subject if subject.lower().startswith(prefix.strip().lower()) else prefix + subject


def _composed(
    mailbox: Mailbox,
    about: Message,
    raw: bytes,
    fields: Fields,
    said: str,
    files: Collection[mime.Part] = (),
) -> tuple[bytes, str]:
    """The mail, and its thread: that of what it is about while there is room and the subject is the same."""
    names = outgoing.values(raw, "Message-ID")[:1]
    chain = (outgoing.values(raw, "References") or outgoing.values(raw, "In-Reply-To"))[:1] + names
    sender = outgoing.written((mailbox.names.get(mailbox.address.lower(), ""), mailbox.address))
    head = [("From", sender), *_joined(fields)]
    if names:
        head += [("In-Reply-To", names[0]), ("References", " ".join(chain))]
    text = ([("Content-Type", "text/plain; charset=utf-8")], said.encode("utf-8", "replace"))
    whole = _multipart(head, [text, *((part.headers, raw[part.start : part.end]) for part in files)])
    stays = headers.facts(whole).subject == about.subject and mailbox.has_room(about.thread_id)
    return whole, about.thread_id if stays else ""


def _joined(fields: Fields) -> Fields:
    """Several values of a header as one."""
    found: dict[str, list[str]] = {}
    for name, value in fields:
        found.setdefault(name, []).append(value)
    return [(name, ", ".join(values)) for name, values in found.items()]


def _multipart(head: Fields, parts: list[tuple[Fields, bytes]]) -> bytes:
    if len(parts) == 1:
        return _block(head + parts[0][0]) + parts[0][1]
    boundary = secrets.token_hex(16)
    pieces: list[Any] = [_block([*head, ("Content-Type", f"multipart/mixed; boundary={boundary}")])]
    for fields, content in parts:
        pieces += [b"--%s\r\n" % boundary.encode(), _block(fields), content, b"\r\n"]
    return b"".join([*pieces, b"--%s--\r\n" % boundary.encode()])


def _block(fields: Fields) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in fields).encode("utf-8", "replace") + b"\r\n"
