"""What the sweep asks every few seconds is answered by the index of its moment, never by reading a table."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, select, update

from domain.channels import Channel, ChannelKind, Target
from domain.connections.connections import Connection, ConnectionState
from domain.ids import ChannelId, ConnectionId, MailboxId
from domain.outcomes import Outcome
from infra.db.ledger.event_deliveries import EventDeliveries
from infra.db.store import Store, Transaction
from infra.db.tables.channels import channels, deliveries
from infra.db.tables.crm import crm_versions
from infra.db.tables.events import event_deliveries, events
from infra.db.tables.ledger import outbox, steps
from infra.db.tables.mail import messages, notifications
from infra.db.tables.mailboxes import mailboxes
from tests.plans import Ask, plans, read_whole
from tests.scale.rows_mail import way_of_mail
from tests.worlds import HERE, OF_HERE, ONE_DATABASE, START, World, arrive

WEBHOOK = Channel(ChannelId(1), ChannelKind.WEBHOOK, Target("https://hooks.example.com/x"))
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MANY = 300
"""Rows enough for the planner to see what an index is good for."""

DUE = {
    "catch_up": (lambda tx: tx.mailboxes.redrive_syncs(1_000, 60), "mailboxes", "sync_due_at"),
    "watches": (lambda tx: tx.mailboxes.redrive_watches(1_000, 60), "mailboxes", "watch_due_at"),
    "comparisons": (lambda tx: tx.history.redrive_comparisons(1_000, 60), "mailboxes", "compare_due_at"),
    "leaving": (lambda tx: tx.connections.redrive_disconnecting(1_000, 60), "connections", "leave_due_at"),
    "steps": (lambda tx: tx.ledger.redrive(1_000), "mailboxes", "redrive_at"),
    "deliveries": (lambda tx: tx.deliveries.redrive(1_000), "deliveries", "redrive_at"),
    "events": (lambda tx: tx.deliveries.redrive(1_000), "event_deliveries", "redrive_at"),
    "sending": (lambda tx: tx.outbox.redrive(1_000), "outbox", "redrive_at"),
}
"""What is asked, of which table, and the column whose index has to answer it."""


@pytest.mark.parametrize(
    ("ask", "table", "column"), [pytest.param(*due, id=name) for name, due in DUE.items()]
)
def test_what_is_due_is_found_by_the_index_of_its_moment(
    world: World, ask: Ask, table: str, column: str
) -> None:
    arrive(world, *(f"m{n}" for n in range(MANY)))
    _announce(world)
    plan = _plan(world.store, ask)
    assert any(re.search(rf"(Index Cond: .*\b|USING .*INDEX .*\(.*){column}\s*<", line) for line in plan), (
        plan
    )
    assert not [line for line in plan if re.search(rf"Seq Scan on {table}\b|^SCAN {table}\b", line)], plan


def _announce(world: World) -> None:
    """As many notifications on their way to a channel, and as many mailboxes, none of them due: to the planner the
    indexes of a single row are all alike."""
    later = {"ready_at": START + timedelta(days=9_999), "redrive_at": START + timedelta(days=9_999)}
    one = {"connection_id": world.connection_id, "user_id": "uwe", "created_at": START}
    way = {"channel_id": 1, "state": "waiting", **later}
    moments = dict.fromkeys(
        ("sync_due_at", "watch_due_at", "compare_due_at", "redrive_at"), later["ready_at"]
    )
    with world.store.begin("tests.announce") as tx:
        channel = {"id": 1, "kind": "webhook", "target": b"", "state": "active", "created_at": START}
        tx.db.execute(insert(channels).values(organisation_id=1), channel)
        addresses = [f"u{n}@firm.example" for n in range(MANY)]
        more = [
            {"provider": "gmail", "provider_key": one, "address": one, "labels": {}, **moments}
            for one in addresses
        ]
        tx.db.execute(insert(mailboxes), more)
        tx.db.execute(
            insert(notifications),
            [{**OF_HERE, **one, "id": n, "message_id": f"m{n}"} for n in range(1, MANY)],
        )
        tx.db.execute(
            insert(deliveries), [{**way, "notification_id": n, "user_id": "uwe"} for n in range(1, MANY)]
        )
        happened = {"conversation_id": "c1", "kind": "send.sent", "contact_id": "ann", "created_at": START}
        tx.db.execute(
            insert(events), [{**OF_HERE, **happened, "id": n, "sequence": n} for n in range(1, MANY)]
        )
        tx.db.execute(
            insert(event_deliveries),
            [{**way, "event_id": n, "conversation_id": f"c{n}"} for n in range(1, MANY)],
        )
        if tx.db.dialect.name == "postgresql":  # what it knew of the table is from another test
            tx.db.exec_driver_sql("ANALYZE")


FORGET: dict[str, Ask] = {
    "mails": lambda tx: tx.retention.mails(35, 50, ()),
    "more mails": lambda tx: tx.retention.mails(35, 50, (LONG_AGO, 1, "m10")),
    "sent": lambda tx: tx.retention.sent(35, 50, ()),
    "events": lambda tx: tx.retention.events(35, 50, ()),
    "more events": lambda tx: tx.retention.events(35, 50, (10,)),
    "what webhooks did not take": lambda tx: tx.retention.event_deliveries(7, 50, (10, 1)),
    "what goes to a webhook": lambda tx: EventDeliveries(tx.db).claim(WEBHOOK, "me", 60, 50),
    "notifications": lambda tx: tx.retention.notifications(365, 50, ()),
    "versions": lambda tx: tx.retention.versions(90, 50, ()),
    "more versions": lambda tx: tx.retention.versions(90, 50, (LONG_AGO, 1, 1, "contacts", "c1")),
    "a connection's mail": lambda tx: tx.connections.delete_mail(_off(tx), 50, (), alone=True),
    "more of its mail": lambda tx: tx.connections.delete_mail(_off(tx), 50, ("m10",), alone=True),
    "its own in a mailbox": lambda tx: tx.connections.delete_mail(_off(tx), 50, ("m10",), alone=False),
    "turn": lambda tx: tx.retention.take_turn("purge", 60),
    "kept turn": lambda tx: tx.retention.keep_turn("purge", 60),
    "asked again": lambda tx: tx.ledger.redrive(50),
    "pause": lambda tx: tx.mailboxes.pause_by_operator(None, 0, 50),
    "a connection's counts": lambda tx: tx.of(HERE).reports.counted(_off(tx)),
    "resume": lambda tx: (
        tx.mailboxes.pause_by_operator(None, 0, 50),
        tx.mailboxes.resume_by_operator(None, 0, 50),
    ),
}
"""What the purge and the end of a connection ask, where there is something to forget, the re-driver, where something
waits, and the operator."""


def _off(tx: Transaction) -> Connection:
    """The first mailbox's connection, switched off."""
    connection = tx.connections.get(ConnectionId(1))
    assert connection
    return replace(connection, state=ConnectionState.OFF)


@pytest.mark.parametrize("ask", [pytest.param(ask, id=name) for name, ask in FORGET.items()])
def test_what_is_asked_from_time_to_time_reads_no_table_from_end_to_end(world: World, ask: Ask) -> None:
    arrive(world, *(f"m{n}" for n in range(MANY)))
    _announce(world)
    _age(world)
    found = plans(world.store, ask)
    assert found
    assert not [line for plan in found for line in read_whole(plan)], found


def test_the_test_sees_a_table_that_is_read_from_end_to_end(world: World) -> None:
    arrive(world, *(f"m{n}" for n in range(MANY)))
    [plan] = plans(world.store, lambda tx: tx.db.execute(select(messages).where(messages.c.missing > 1)))
    assert read_whole(plan)


def _age(world: World) -> None:
    """All of it is old, and half is done with; as many mails were sent, and as many records deleted."""
    its = {"mailbox_id": 1, "connection_id": world.connection_id, "state": "sent"}
    old = dict.fromkeys(("ready_at", "redrive_at", "created_at"), LONG_AGO)
    gone = {"kind": "contacts", "version": 1, "deleted_at": LONG_AGO}
    with world.store.begin("tests.age") as tx:
        tx.db.execute(update(messages).values(seen_at=LONG_AGO))
        tx.db.execute(update(mailboxes).values(redrive_at=LONG_AGO))
        tx.db.execute(update(steps).where(steps.c.message_id < "m5").values(state="done"))
        tx.db.execute(update(notifications).values(created_at=LONG_AGO))
        tx.db.execute(update(events).values(created_at=LONG_AGO))
        tx.db.execute(
            update(event_deliveries).where(event_deliveries.c.event_id < 99).values(ready_at=LONG_AGO)
        )
        tx.db.execute(update(deliveries).where(deliveries.c.notification_id < 99).values(state="set_aside"))
        tx.db.execute(insert(outbox), [its | old | {"key": f"key-{n}"} for n in range(MANY)])
        tx.db.execute(insert(crm_versions), [OF_HERE | gone | {"record_id": f"c{n}"} for n in range(MANY)])
        tx.decisions.skip(
            MailboxId(1), {f"m{n}": Outcome.SKIP_NO_CONTACT for n in range(MANY)}, [world.connection_id]
        )
        if tx.db.dialect.name == "postgresql":
            tx.db.exec_driver_sql("ANALYZE")


def _plan(store: Store, ask: Ask) -> list[str]:
    """The plan of the first statement."""
    return plans(store, ask)[0]


@ONE_DATABASE
def test_a_slice_of_mail_is_found_by_its_keys_however_much_there_is(world: World) -> None:
    """SQLite looks for the first column of a list of pairs alone, and reads the table for a list of several."""
    plan: list[str] = []

    def explain(db: Any, _: object, statement: str, parameters: Any, __: object, many: bool) -> None:
        if statement.startswith(("SELECT", "WITH", "UPDATE", "DELETE")):
            found = db.connection.driver_connection.execute(
                f"EXPLAIN QUERY PLAN {statement}", parameters[0] if many else parameters
            )
            plan.extend(row[-1] for row in found)

    event.listen(world.store.engine, "before_cursor_execute", explain)
    try:
        way_of_mail(world.store, ["a", "b", "c"], "ann")
    finally:
        event.remove(world.store.engine, "before_cursor_execute", explain)
    searched = [line for line in plan if re.match(r"(SCAN|SEARCH) (steps|decisions|messages)\b", line)]
    assert len(searched) > 10
    assert not [line for line in searched if line.startswith("SCAN")]
    assert not [line for line in searched if re.search(r"autoindex_\w+ \(\w+=\?\)", line)], searched
