"""What tests begin with: a user, his mailbox, his connection, and mail in the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from domain.connections.connections import Connection, Features, Mode, Sharing
from domain.crm.categories import Category
from domain.crm.contacts import MatchedBy
from domain.crm.locations import Location
from domain.ids import ConnectionId, MailboxId
from domain.ledger import Link, Planned, State, Step
from domain.mail.messages import Exclusions, Insiders, Message, direction, gate, left_alone
from domain.mailboxes.accounts import AccountKey
from domain.mailboxes.history import Found
from domain.mailboxes.watches import Watch
from domain.outcomes import Outcome
from domain.retention import Admission, Data, kept
from domain.sorting.label_names import LABEL_NAMES
from infra.db.store import Store, Transaction
from infra.gmail.grants import GoogleGrant

KEY = "bG9kZXN0b25lIHRlc3RzIGtleSBvZiAzMiBieXRlcyE="
"""A Fernet key that opens nothing but test databases."""

ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For a test in which nothing depends on the database: `database_url` is SQLite alone."""

HERE = Location(1, 1)
"""The only location, where nothing says otherwise."""

OF_HERE = {"organisation_id": 1, "location_id": 1}
"""What stands in front of a row of it."""

START = datetime(2026, 3, 15, 9, 0, tzinfo=UTC)
"""When the features of `make_world` were switched on; mail received from here on is handled."""

KEPT: frozenset[Data] = kept(Mode.LIVE, Admission.NOT_THIS_MODE, magnet=True)
"""What may be kept of mail with MailMagnet on."""

LABELS = {Category.CTM: "Label_1", Category.OPEN: "Label_2", Category.CUSTOMER: "Label_3"}

GRANT = GoogleGrant(
    client_id="client.apps.example.com",
    client_secret="client-secret-1",
    refresh_token="refresh-token-1",
    token_uri="https://oauth.example.com/token",
    access_token="access-token-1",
    expires_at=START + timedelta(hours=1),
).written()


@dataclass(frozen=True, slots=True)
class World:
    """A store with a connected mailbox in it."""

    store: Store
    mailbox_id: MailboxId
    connection_id: ConnectionId


def make_world(
    store: Store, address: str = "uwe@firm.example", user_id: str = "uwe", *, sorting: bool = True
) -> World:
    """One user's mailbox, connected and watched, with MailMagnet on and its cursor at "100"."""
    with store.begin("tests.world") as tx:
        mailbox_id = tx.mailboxes.add(AccountKey("gmail", address), address)
        tx.mailboxes.keep_own_addresses(mailbox_id, [address])
        tx.mailboxes.keep_labels(mailbox_id, LABELS, LABEL_NAMES)
        tx.mailboxes.start_watch(mailbox_id, Watch("100", START + timedelta(days=7), START), 86_400)
        connection_id = connect(tx, mailbox_id, user_id, sorting=sorting)
    return World(store, mailbox_id, connection_id)


def connect(
    tx: Transaction, mailbox_id: MailboxId, user_id: str, *, sorting: bool = True, location: Location = HERE
) -> ConnectionId:
    """One more connection to the mailbox, with MailMagnet on."""
    connection_id = tx.of(location).connections.add(user_id, mailbox_id, GRANT, Sharing.PRIVATE)
    tx.connections.change(
        connection_id, Features(magnet_since=START, sorting_since=START if sorting else None), dry_run=False
    )
    return connection_id


def connection_of(tx: Transaction, world: World) -> Connection:
    """The world's connection as it stands now."""
    connection = tx.connections.get(world.connection_id)
    if connection is None:
        raise LookupError("the world has no connection")
    return connection


def found(*message_ids: str) -> Found:
    """History that names new mail and nothing else."""
    return Found(message_ids, (), (), (), ())


def arrive(world: World, *message_ids: str) -> tuple[str, ...]:
    """New mail enters the ledger; returns what waits to be matched."""
    with world.store.begin("tests.arrive") as tx:
        tx.ledger.redrive_within(world.mailbox_id, 60)
        return tx.messages.record(
            world.mailbox_id, found(*message_ids), "push", [world.connection_id], LABELS
        )


def link(author: str = "ann@example.com", minute: int = 0, contact_id: str = "ann") -> Link:
    """A mail of a contact, received so many minutes after START."""
    return Link(contact_id, author, MatchedBy.EXACT, author, START + timedelta(minutes=minute))


def match(world: World, *message_ids: str, steps: Sequence[Planned] | None = None) -> None:
    """The mails are matched to Ann, a minute apart, and wait to be announced, then sorted (unless `steps`)."""
    due = steps or (Planned(Step.ANNOUNCE, State.WAITING), Planned(Step.SORT, State.BLOCKED))
    connection_id = world.connection_id
    with world.store.begin("tests.match") as tx:
        claims = tx.ledger.claim(world.mailbox_id, Step.MATCH, len(message_ids), "matcher", 60)
        tx.ledger.finish(world.mailbox_id, Step.MATCH, dict.fromkeys(claims), "matcher", {})
        linked = [(i, connection_id, link(minute=n), None) for n, i in enumerate(message_ids)]
        tx.decisions.link(world.mailbox_id, linked, KEPT)
        tx.ledger.plan(world.mailbox_id, [(i, connection_id, step) for i in message_ids for step in due])


def stopped(
    message: Message, insiders: Insiders, exclusions: Exclusions, since: datetime = START
) -> Outcome | None:
    """Where a mail ends before anybody looks for its contact: at the gate, or because only incoming mail goes on."""
    way = direction(message, insiders)
    return gate(message, way, insiders, exclusions, since) or left_alone(message, way)


def let_pass(store: Store, seconds: float) -> None:
    """As if so many seconds had passed: every moment that the database keeps is moved back."""
    moments = {
        "messages": ("seen_at", "missing_since"),
        "steps": ("ready_at",),
        "decisions": ("decided_at",),
        "notifications": ("created_at",),
        "mailboxes": (
            *("synced_at", "pushed_at", "swept_at", "sync_due_at", "watch_due_at", "resting_until"),
            "redrive_at",
        ),
    }
    back = round(seconds * 1000)
    with store.begin("tests.let_pass") as tx:
        for table, columns in moments.items():
            for column in columns:
                tx.db.execute(text(f"UPDATE {table} SET {column} = {column} - :back"), {"back": back})  # noqa: S608
