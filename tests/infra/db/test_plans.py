"""What the sweep asks every few seconds is answered by the index of its moment, never by reading a table."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert

from infra.db.schema import channels, deliveries, notifications
from infra.db.store import Store, Transaction
from tests.worlds import START, World, arrive

MANY = 300
"""Rows enough for the planner to see what an index is good for."""

DUE = {
    "catch_up": (lambda tx: tx.mailboxes.take_due(1_000, 60), "mailboxes", "sync_due_at"),
    "watches": (lambda tx: tx.mailboxes.take_watch_due(1_000, 60), "mailboxes", "watch_due_at"),
    "comparisons": (lambda tx: tx.history.take_compare_due(1_000, 60), "mailboxes", "compare_due_at"),
    "leaving": (lambda tx: tx.connections.take_leaving(1_000, 60), "connections", "leave_due_at"),
    "steps": (lambda tx: tx.ledger.stalled(1_000), "mailboxes", "redrive_at"),
    "deliveries": (lambda tx: tx.deliveries.stalled(1_000), "deliveries", "redrive_at"),
    "sending": (lambda tx: tx.outbox.stalled(1_000), "outbox", "redrive_at"),
}
"""What is asked, of which table, and the column whose index has to answer it."""


@pytest.mark.parametrize(
    ("ask", "table", "column"), [pytest.param(*due, id=name) for name, due in DUE.items()]
)
def test_what_is_due_is_found_by_the_index_of_its_moment(
    world: World, ask: Callable[[Transaction], object], table: str, column: str
) -> None:
    arrive(world, *(f"m{n}" for n in range(MANY)))
    _announce(world)
    plan = _plan(world.store, ask)
    assert any(re.search(rf"(Index Cond: .*\b|USING .*INDEX .*\(.*){column}\s*<", line) for line in plan), (
        plan
    )
    assert not [line for line in plan if re.search(rf"Seq Scan on {table}\b|^SCAN {table}\b", line)], plan


def _announce(world: World) -> None:
    """As many notifications on their way to a channel, none of them due."""
    later = {"ready_at": START + timedelta(days=9_999), "redrive_at": START + timedelta(days=9_999)}
    one = {"connection_id": world.connection_id, "user_id": "uwe", "created_at": START}
    way = {"channel_id": 1, "state": "waiting", **later}
    with world.store.begin("tests.announce") as tx:
        channel = {"id": 1, "kind": "webhook", "target": b"", "state": "active", "created_at": START}
        tx.db.execute(insert(channels), channel)
        tx.db.execute(insert(notifications), [{**one, "id": n, "gmail_id": f"m{n}"} for n in range(1, MANY)])
        tx.db.execute(insert(deliveries), [{**way, "notification_id": n} for n in range(1, MANY)])
        if tx.db.dialect.name == "postgresql":  # what it knew of the table is from another test
            tx.db.exec_driver_sql("ANALYZE")


def _plan(store: Store, ask: Callable[[Transaction], object]) -> list[str]:
    """The plan of the first statement that is asked. PostgreSQL would read a table of two rows as a whole."""
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        asked.append((statement, parameters))

    with store.begin("tests.plan") as tx:
        postgresql = tx.db.dialect.name == "postgresql"
        if postgresql:
            tx.db.exec_driver_sql("SET LOCAL enable_seqscan = off")
        event.listen(store.engine, "before_cursor_execute", note)
        try:
            ask(tx)
        finally:
            event.remove(store.engine, "before_cursor_execute", note)
        statement, parameters = asked[0]
        explain = "EXPLAIN" if postgresql else "EXPLAIN QUERY PLAN"
        rows = tx.db.exec_driver_sql(f"{explain} {statement}", parameters).all()
    return [str(row[-1]).strip() for row in rows]
