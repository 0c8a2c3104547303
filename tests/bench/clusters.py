"""An archive whose threads are known goes into a mailbox that is synced: are its conversations those threads?"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import Engine, insert, select

from domain.mail.addresses import loose
from infra.db.tables.conversations import mail_sources, mails
from infra.db.tables.crm import contact_addresses, contacts
from infra.db.types import db_now
from infra.local.gmail import GmailControl, Mail
from tests.bench.archive import ME, Contact, Written

AT_ONCE = 50


def know(engine: Engine, those: Sequence[Contact], user_id: str) -> None:
    """These are contacts of the user."""
    with engine.begin() as db:
        here = {
            "location_id": 1,
            "kind": "contact",
            "assigned_to": user_id,
            "created_at": db.scalar(select(db_now())),
        }
        db.execute(insert(contacts), [here | {"id": one.id, "name": one.id} for one in those])
        rows = [{"contact_id": one.id, "address": one.address, "loose": loose(one.address)} for one in those]
        db.execute(insert(contact_addresses), [{"location_id": 1} | row for row in rows])


class Delivery:
    """Mails of an archive on their way into the mailbox, each into its thread there."""

    def __init__(self, gmail: GmailControl) -> None:
        self._gmail = gmail
        self._threads: dict[str, str] = {}
        self.delivered: dict[str, Written] = {}

    def deliver(self, those: Sequence[Written]) -> None:
        """In this order. A thread's first mail makes it."""
        first = {one.lies_in: one for one in reversed(those) if one.lies_in not in self._threads}
        firsts = list(first.values())
        rest = [one for one in those if one.n not in {other.n for other in firsts}]
        for some in (firsts, rest):
            sent = self._gmail.deliver_many(
                Mail(
                    ME,
                    one.raw,
                    labels=["SENT"] if one.is_sent else None,
                    thread_id=self._threads.get(one.lies_in),
                )
                for one in some
            )
            for one, where in zip(some, sent, strict=True):
                self._threads.setdefault(one.lies_in, where.thread_id)
                self.delivered[where.id] = one


def wrong(engine: Engine, delivered: Mapping[str, Written]) -> list[str]:
    """What is not as it should be, in words; empty where every conversation is a true thread, whole."""
    with engine.connect() as db:
        rows = db.execute(
            select(mail_sources.c.message_id, mails.c.conversation_id).join(
                mails,
                (mails.c.location_id == mail_sources.c.location_id) & (mails.c.id == mail_sources.c.mail_id),
            )
        ).all()
    whose = {delivered[row.message_id].n: row.conversation_id for row in rows}
    found, true = defaultdict[str, set[int]](set), defaultdict[int, set[int]](set)
    for n, conversation_id in whose.items():
        found[conversation_id].add(n)
    for one in delivered.values():
        if one.thread is not None:
            true[one.thread].add(one.n)
    expected = {frozenset(those) for those in true.values()}
    seen = {frozenset(those) for those in found.values()}
    return [
        *(f"missing: {sorted(one)}" for one in sorted(expected - seen, key=min)),
        *(f"not a thread: {sorted(one)}" for one in sorted(seen - expected, key=min)),
    ]
