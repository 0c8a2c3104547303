"""Conversations as rows, for tests of what reads them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, update

from domain.mail.content import MimePart
from domain.mail.copies import to_bytes
from handlers import copies
from handlers.context import Context
from infra.db.store import Store
from infra.db.tables.conversations import conversations, files, mail_sources, mails, participants, readings
from infra.db.tables.crm import contact_viewers, contacts
from tests.worlds import START


def contact(
    store: Store,
    contact_id: str,
    *,
    assigned_to: str | None = None,
    viewers: Sequence[str] = (),
    location_id: int = 1,
) -> None:
    """A contact; with viewers only they, and the user it is assigned to, may open it."""
    here = {"location_id": location_id}
    row = {"id": contact_id, "kind": "contact", "name": contact_id.title(), "assigned_to": assigned_to}
    with store.begin("tests.contact") as tx:
        tx.db.execute(insert(contacts), here | row | {"created_at": START})
        for viewer in viewers:
            tx.db.execute(insert(contact_viewers), here | {"contact_id": contact_id, "user_id": viewer})


def conversation_row(
    conversation_id: str, contact_id: str, at: datetime, location_id: int = 1
) -> dict[str, Any]:
    return {
        "location_id": location_id,
        "id": conversation_id,
        "contact_id": contact_id,
        "state": "active",
        "subject": conversation_id,
        "started_at": at,
        "last_mail_at": at,
    }


def mail_row(conversation_id: str, mail_id: str, at: datetime, location_id: int = 1) -> dict[str, Any]:
    return {
        "location_id": location_id,
        "id": mail_id,
        "conversation_id": conversation_id,
        "identity": mail_id,
        "author": "ann@example.com",
        "author_name": "Ann",
        "received_at": at,
        "direction": "inbound",
        "mail_class": "human",
        "subject": conversation_id,
        "preview": f"preview of {mail_id}",
        "added_at": at,
    }


def source_row(
    thread_id: str, mail_id: str, mailbox_id: int, at: datetime, location_id: int = 1
) -> dict[str, Any]:
    return {
        "location_id": location_id,
        "mailbox_id": mailbox_id,
        "message_id": mail_id,
        "mail_id": mail_id,
        "connection_id": 1,
        "thread_id": thread_id,
        "received_at": at,
    }


def conversation(
    store: Store,
    conversation_id: str,
    contact_id: str,
    *,
    at: datetime = START,
    location_id: int = 1,
    **columns: Any,
) -> None:
    """A conversation without a mail."""
    row = conversation_row(conversation_id, contact_id, at, location_id) | columns
    with store.begin("tests.conversation") as tx:
        tx.db.execute(insert(conversations), row)


def mail(
    store: Store,
    conversation_id: str,
    mail_id: str,
    *,
    minute: int = 0,
    location_id: int = 1,
    mailbox_id: int | None = None,
    read_by: Sequence[str] = (),
    **columns: Any,
) -> None:
    """One more mail of it, received so many minutes after START, which lies in the mailbox."""
    at = START + timedelta(minutes=minute)
    this = (conversations.c.location_id == location_id, conversations.c.id == conversation_id)
    with store.begin("tests.mail") as tx:
        tx.db.execute(insert(mails), mail_row(conversation_id, mail_id, at, location_id) | columns)
        if mailbox_id is not None:
            tx.db.execute(
                insert(mail_sources), source_row(conversation_id, mail_id, mailbox_id, at, location_id)
            )
        for user_id in read_by:
            row = {"location_id": location_id, "mail_id": mail_id, "user_id": user_id, "read_at": at}
            tx.db.execute(insert(readings), row)
        more = {"mails": conversations.c.mails + 1, "last_mail_at": at}
        tx.db.execute(update(conversations).where(*this).values(more))


def text(words: str) -> MimePart:
    """A mail of a text and nothing else."""
    return MimePart("text/plain", (("Content-Type", "text/plain; charset=utf-8"),), content=words.encode())


def keep(context: Context, body: MimePart | bytes) -> str:
    """The name of an object that holds a mail, or a file, for organisation 1."""
    content = body if isinstance(body, bytes) else to_bytes(body)
    [kept] = copies.keep(1, [content], context)
    return kept.name


def file(store: Store, mail_id: str, part: str, **columns: Any) -> None:
    """A file of the mail, kept as it stands."""
    row = {"location_id": 1, "mail_id": mail_id, "part": part, "claimed_type": "application/pdf", "size": 4}
    with store.begin("tests.file") as tx:
        tx.db.execute(insert(files), row | {"name": "offer.pdf", "state": "kept"} | columns)


def participant(
    store: Store,
    mail_id: str,
    role: str,
    address: str,
    *,
    name: str = "",
    contact_id: str | None = None,
    delivery: str | None = None,
) -> None:
    """Somebody on the mail."""
    row = {"location_id": 1, "mail_id": mail_id, "role": role, "position": 0, "address": address}
    with store.begin("tests.participant") as tx:
        tx.db.execute(
            insert(participants), row | {"name": name, "contact_id": contact_id, "delivery": delivery}
        )
