"""A house without walls: the handlers on a real store, a real Redis and the local Gmail, run by hand."""

import json
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from sqlalchemy import select, update

from domain.connections.connections import Sharing, Wishes
from domain.events import Event, MailboxChanged
from domain.ids import ConnectionId, MailboxId
from domain.mailboxes.accounts import Grant
from handlers.connections import connecting
from handlers.context import Context
from handlers.mailboxes import pushes
from handlers.timing import Timing
from handlers.units import Tally
from infra.db.store import Store
from infra.db.tables.channels import channels, deliveries
from infra.db.tables.connections import connections as connection_table
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions, notifications
from infra.db.tables.mailboxes import mailboxes
from infra.gmail.costs import NEW_QUOTA
from infra.gmail.grants import NAME
from infra.gmail.provider import Gmail
from infra.local.gmail import GmailControl, GmailServer
from infra.local.ports import free_port
from infra.notifiers import Notifiers
from infra.objects.folder import FolderStore
from infra.queue import RedisQueue
from tests.journeys.world import UWE, crm, mail
from tests.providers import TOPIC, granted
from workers.jobs import woken_by

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)

FIRST = MailboxId(1)
"""The mailbox that a house begins with."""


@dataclass(frozen=True, slots=True)
class House:
    """One Gmail, one store, one queue; jobs run one after the other when `pump` is called."""

    context: Context
    store: Store
    queue: RedisQueue
    gmail: GmailControl
    sent: list[Event]

    def connect(self, user: str = "uwe", address: str = UWE, **options: Any) -> ConnectionId:
        """A connected mailbox with both features on; returns the connection's id."""
        replace, location = options.pop("replace", False), options.pop("location", None)
        chosen: dict[str, Any] = {
            "magnet": True,
            "sorting": True,
            "dry_run": False,
            "sharing": Sharing.PRIVATE,
        } | options
        wishes = Wishes(**chosen)
        connection_id, _ = connecting.save(
            user, self.grant(address), wishes, replace=replace, context=self.context, location=location
        )
        return connection_id

    def grant(self, address: str, aliases: Collection[str] = ()) -> Grant:
        """One more grant for a mailbox, which is made when it is missing."""
        made = self.gmail.create_mailbox(address, aliases)
        return granted(made)

    def deliver(self, sender: str, number: int = 0, *, to: str = UWE, **options: Any) -> str:
        """A plain mail; returns its id."""
        return self.gmail.deliver(to, mail(sender, number, to=to), **options).id

    def push(self, address: str = UWE) -> None:
        """Gmail's notification reaches the dispatcher."""
        pushes.take(json.dumps({"emailAddress": address, "historyId": 1}).encode(), "gmail", self.context)

    def run_next(self) -> list[str]:
        """Run what the oldest queued event wakes; returns the names of the jobs."""
        if not self.sent:
            return []
        event = self.sent.pop(0)
        for job in woken_by(event):
            job.handler(**asdict(event), context=self.context)
        return [job.name for job in woken_by(event)]

    def pump(self) -> list[str]:
        """Run what is queued until nothing is; returns the names of the jobs."""
        jobs = []
        while ran := self.run_next():
            jobs += ran
        return jobs

    def catch_up(self, mailbox_id: MailboxId = FIRST) -> list[str]:
        """As if a push had come, then everything that follows."""
        self.queue.emit(MailboxChanged(mailbox_id))
        return self.pump()

    def catch_up_only(self) -> None:
        """The ledger learns what history tells; nothing that follows is run."""
        self.queue.emit(MailboxChanged(MailboxId(1)))
        self.run_next()

    def outcomes(self) -> dict[str, str | None]:
        """Final outcomes by message."""
        with self.store.engine.connect() as db:
            return {row.message_id: row.outcome for row in db.execute(select(decisions))}

    def notified(self) -> list[str]:
        """The messages on the user's list, in its order."""
        with self.store.engine.connect() as db:
            return list(db.scalars(select(notifications.c.message_id).order_by(notifications.c.id)))

    def labels(self, message_id: str, address: str = UWE) -> frozenset[str]:
        """The labels the message carries in Gmail, by name."""
        message = self.gmail.dump(address).message(message_id)
        return message.labels if message else frozenset()

    def let_time_pass(self) -> None:
        """Every wait and lease is over."""
        with self.store.engine.begin() as db:
            db.execute(update(steps).values(ready_at=LONG_AGO))
            asked_for = mailboxes.c.redrive_at.is_not(None)
            db.execute(update(mailboxes).where(asked_for).values(redrive_at=LONG_AGO))
            db.execute(update(deliveries).values(ready_at=LONG_AGO, redrive_at=LONG_AGO))
            for table in (mailboxes, channels):
                db.execute(update(table).values(resting_until=None))
            db.execute(update(mailboxes).values(sorting_due_at=None))
            left = connection_table.c.leave_due_at.is_not(None)
            db.execute(update(connection_table).where(left).values(leave_due_at=LONG_AGO))


@cache
def gmail_port() -> int:
    """Where this test process has its Gmails: what a client has built for the last one serves the next."""
    return free_port()


@pytest.fixture
def gmail_server() -> Iterator[GmailServer]:
    """A Gmail of the test's own; somewhere else when somebody has taken the place."""
    try:
        server = GmailServer(port=gmail_port())
    except OSError:
        server = GmailServer()
    with server:
        yield server


@pytest.fixture
def house(
    gmail_server: GmailServer, store: Store, queue: RedisQueue, objects: FolderStore, sent: list[Event]
) -> Iterator[House]:
    """An empty house with a CRM in it: Ann (open deal), Cid (won deal), Lea (lead)."""
    crm(store.engine)
    gmail = Gmail(endpoint=gmail_server.url, topic=TOPIC)
    context = Context(
        store,
        {NAME: gmail},
        queue,
        objects,
        owner="test",
        tally=Tally(NEW_QUOTA),
        timing=Timing(),
        outside=Notifiers(may_be_private=True),
    )
    yield House(context, store, queue, GmailControl(gmail_server.url), sent)
    gmail.close()
