"""What the journeys share: a running stage with a small CRM, and the look at how it all ended."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from sqlalchemy import Engine, insert, select

from domain.mail.addresses import loose
from infra.db.store import open_engine
from infra.db.tables.crm import contact_addresses, contacts, deal_contacts, deals
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions, notifications
from workers.demo.stage import Stage

UWE = "uwe@firm.example"
OPEN, CUSTOMERS = "Open Deals", "Customers"
SENDERS = ("ann", "cid", "lea", "nora")

# Quick to notice what was lost, so that a test need not wait a minute for it; nor for Google's next minute, because
# all tests of a scene use one mailbox.
IMPATIENT = {
    "gmail_costs": "2025",
    "lease": "1",
    "long_lease": "5",
    "gmail_timeout": "0.5",
    "redrive_after": "0.5",
    "sweep_tick": "0.3",
    "sweep_due_after": "2",
    "settle_after": "1",
    "compare_every": "3",
    "channels_may_be_private": "true",
    "channel_rest": "0.5",
    "channel_timeout": "1",
    "gather": "1",
}

PATIENT = {"LODESTONE_GMAIL_TIMEOUT": "5", "LODESTONE_LONG_LEASE": "50"}
"""For whom nobody tries again: a command, or a user who asks. A machine with other work answers late."""


def crm(engine: Engine) -> None:
    """Ann has an open deal, Cid a won one, Bob a lost one, Lea is a lead; Nora is nobody's contact."""
    people = {"ann": "contact", "cid": "contact", "bob": "contact", "lea": "lead"}
    now = datetime.now(UTC)
    with engine.begin() as db:
        for name, kind in people.items():
            address = f"{name}@example.com"
            db.execute(
                insert(contacts).values(location_id=1, id=name, kind=kind, name=name.title(), created_at=now)
            )
            row = {"contact_id": name, "address": address, "loose": loose(address)}
            db.execute(insert(contact_addresses).values({"location_id": 1} | row))
        for deal, owner, category in (("d1", "ann", "OPEN"), ("d2", "cid", "WON"), ("d3", "bob", "LOST")):
            db.execute(insert(deals).values(location_id=1, id=deal, stage="s", category=category))
            db.execute(insert(deal_contacts).values(location_id=1, deal_id=deal, contact_id=owner))


def mail(sender: str, number: int, *, to: str = UWE) -> bytes:
    """A plain mail."""
    return (
        f"From: {sender.title()} <{sender}@example.com>\r\nTo: {to}\r\n"
        f"Subject: mail {number}\r\nMessage-ID: <{sender}.{number}@example.com>\r\n\r\nText.\r\n"
    ).encode()


EXPECTED: Mapping[str, tuple[list[str], str, bool]] = {
    "ann": (["magnet.notified", "label.open"], OPEN, False),
    "cid": (["magnet.notified", "label.customer"], CUSTOMERS, False),
    "bob": (["magnet.notified", "label.none"], "", True),
    "lea": (["magnet.notified", "label.none"], "", True),
    "nora": (["skip.no_contact"], "", True),
}
"""What becomes of a mail by its sender: outcomes, label, still in the Inbox."""


class Ending:
    """How every mail ended, by the ledger and by the mailbox."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        with closing_engine(stage) as engine, engine.connect() as db:
            self.outcomes: dict[str, str | None] = {
                row.message_id: row.outcome for row in db.execute(select(decisions))
            }
            half = select(decisions.c.message_id).where(decisions.c.replaces.is_not(None))
            self.half_replaced = list(db.scalars(half))
            self.notified = Counter(db.scalars(select(notifications.c.message_id)))
        self.mailbox = stage.gmail.dump(UWE)

    def check(self, sent: Mapping[str, str]) -> None:
        """One outcome, one notification, one label per mail; `sent` is sender by message id (I1, I2, I9)."""
        assert missing(self.stage, sent) == []
        for message_id, sender in sent.items():
            outcomes, label, in_inbox = EXPECTED[sender]
            message = self.mailbox.message(message_id)
            assert message is not None
            assert self.outcomes[message_id] == outcomes[-1], sender
            assert self.notified[message_id] == outcomes.count("magnet.notified"), sender
            assert message.labels & {OPEN, CUSTOMERS} == {label} - {""}, sender
            assert ("INBOX" in message.labels) is in_inbox, sender
            thread = [one for one in self.mailbox.messages if one.thread_id == message.thread_id]
            assert {one.labels & {OPEN, CUSTOMERS} for one in thread} == {frozenset({label} - {""})}, sender
        assert self.half_replaced == []


def missing(stage: Stage, ids: Collection[str]) -> list[str]:
    """Mails without a final outcome; cheap, so that a journey may ask again and again."""
    ended = select(decisions.c.message_id).where(
        decisions.c.message_id.in_(ids), decisions.c.outcome.is_not(None)
    )
    unfinished = select(steps.c.message_id).where(
        steps.c.message_id.in_(ids), steps.c.state.in_(("waiting", "blocked"))
    )
    with closing_engine(stage) as engine, engine.connect() as db:
        done = set(db.scalars(ended)) - set(db.scalars(unfinished))
    return [message_id for message_id in ids if message_id not in done]


@contextmanager
def closing_engine(stage: Stage) -> Iterator[Engine]:
    """The stage's database, looked at from outside. No connection stays open, what was compiled is kept."""
    engine = _engine(stage.database_url)
    try:
        yield engine
    finally:
        engine.dispose()


@cache
def _engine(url: str) -> Engine:
    return open_engine(url)


def whole_lines(log: Path) -> list[str]:
    """What a process has logged so far, without the line that it may be in the middle of."""
    said = log.read_text() if log.exists() else ""
    return said[: said.rfind("\n") + 1].splitlines()


def wait_for(done: Callable[[], bool], seconds: float = 120) -> bool:
    """Asks ten times a second; False when the time is over first: so much only a machine that has other work needs."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def deliver(stage: Stage, senders: Collection[str], number: int = 0) -> dict[str, str]:
    """One mail of each sender; returns sender by message id."""
    return {stage.gmail.deliver(UWE, mail(sender, number)).id: sender for sender in senders}
