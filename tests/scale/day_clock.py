"""How the clock of a day is faked: in the settings, and in what the database says when the day begins."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from domain.mailboxes.comparisons import next_at
from infra.db.tables.mailboxes import mailboxes
from tests.scale.day_plan import DAY

SWEEP, SETTLE, TICK, REDRIVE, LEASE = 540.0, 120.0, 2.0, 60.0, 60.0
"""The periods of a real day, in seconds."""

SHORTEST = {"settle_after": 2.5, "sweep_tick": 0.2, "redrive_after": 15.0, "lease": 15.0}
"""What cannot be shorter: history has to settle later than the second look after a push, which comes after 1.5 s on
any day, a lease has to outlast a request on a machine that is busy, and what only waits there is not lost."""


def settings(factor: float) -> dict[str, str]:
    """Of a day that is so many times shorter."""
    wanted = {
        "sweep_due_after": SWEEP / factor,
        "settle_after": SETTLE / factor,
        "compare_every": DAY / factor,
        "sweep_tick": TICK / factor,
        "redrive_after": REDRIVE / factor,
        "lease": LEASE / factor,
    }
    return {name: str(max(value, SHORTEST.get(name, 0.0))) for name, value in wanted.items()}


def let_nothing_be_due(db: Connection) -> None:
    """Before it begins."""
    later = datetime.now(UTC) + timedelta(days=1)
    dues = dict.fromkeys(("sync_due_at", "watch_due_at", "compare_due_at"), later)
    db.execute(update(mailboxes).values(dues))


def let_the_day_begin(db: Connection, factor: float) -> None:
    """As if all had been connected for long: each has its own moment for a sweep, for its daily look and for its
    comparison, and the third day of a third of the watches ends today. Watches and daily looks go by a clock that is
    not shortened: each mailbox has one such look on this day."""
    now = datetime.now(UTC)
    day = timedelta(seconds=DAY / factor)
    ids = list(db.scalars(select(mailboxes.c.id).order_by(mailboxes.c.id)))
    rows = [
        {
            "this": mailbox_id,
            "sync": now + number / len(ids) * timedelta(seconds=SWEEP / factor),
            "look": now + (number * 61 % len(ids)) / len(ids) * day,
            "compare": next_at(mailbox_id, now, day),
            "renewed": now - timedelta(days=number % 3 + 0.9),
            "until": now + timedelta(days=7 - number % 3 - 0.9),
        }
        for number, mailbox_id in enumerate(ids)
    ]
    values: dict[str, Any] = {
        "sync_due_at": bindparam("sync"),
        "watch_due_at": bindparam("look"),
        "compare_due_at": bindparam("compare"),
        "watch_renewed_at": bindparam("renewed"),
        "watch_until": bindparam("until"),
    }
    db.execute(update(mailboxes).where(mailboxes.c.id == bindparam("this")).values(values), rows)
