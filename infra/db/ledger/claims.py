"""Claims: one owner at a time works on a waiting row; the same for steps, both kinds of deliveries and outbox (W2, W3).

What each verb promises stands at the port (handlers/ports/claims.py). This is how a table keeps it:

- `owner`, `attempts` and `ready_at` of the four tables are written in this module alone, and so is `redrive_at` where
  a row has one. All other columns, and the indexes, belong to the table.
- Times are the database's, as several machines need one clock (W14). `ready_at` is the end of a lease or of a wait.
- A claim is one UPDATE, so that owner, lease and try are committed together.
- A row with an owner is a waiting row. Ending or releasing it removes the owner, so `owner` alone says whose it is.
- Rows are locked in key order. Where any few rows will do, locked ones are skipped (Store's docstring).

Verbs return statements, so that the frequent ones are built once. Their parameters: "me", "lease", "after".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Delete,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    delete,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)

from domain.ledger import State
from infra.db.sql import key_order, lock
from infra.db.tables.channels import deliveries
from infra.db.tables.events import event_deliveries
from infra.db.tables.ledger import IS_WAITING, outbox, steps
from infra.db.types import NOW, db_now, seconds

_ME: BindParameter[str] = bindparam("me")
_LEASE, _AFTER = db_now(seconds("lease")), db_now(seconds("after"))


@dataclass(frozen=True, slots=True, eq=False)
class Claims:
    """The verbs on one table.

    `waits`: the condition of a row that is neither finished nor set aside. `finished`: the values of a finished row;
    None where it is deleted. `moments`: the columns that a lease or a wait sets.
    """

    table: Table
    waits: ColumnElement[bool]
    finished: Mapping[str, Any] | None
    moments: tuple[str, ...] = ("ready_at", "redrive_at")

    @property
    def ready(self) -> ColumnElement[bool]:
        """The row may be claimed."""
        return and_(self.waits, self.table.c.ready_at <= NOW)

    @property
    def idle(self) -> ColumnElement[bool]:
        """No owner works on the row: it has none, or his lease is over."""
        return or_(self.table.c.owner.is_(None), self.table.c.ready_at <= NOW)

    @property
    def mine(self) -> ColumnElement[bool]:
        """The row belongs to the owner "me"."""
        return self.table.c.owner == _ME

    def in_order(self, dialect: str, *its: ColumnElement[bool]) -> ColumnElement[bool]:
        """The waiting rows among `its` that belong to the owner, locked in key order; for rows that are not locked
        yet."""
        return key_order(dialect, self.table, *its, self.waits, self.mine)

    def at(self, moment: Any) -> dict[str, Any]:
        """Values: the row may not be claimed, and is not redriven, before this moment."""
        return dict.fromkeys(self.moments, moment)

    def claim(self, *these: ColumnElement[bool], **more: Any) -> Update:
        values = {"owner": _ME, "attempts": self.table.c.attempts + 1, **self.at(_LEASE)}
        return update(self.table).where(*these).values(values | more)

    def extend(self, db: Connection, owner: str, lease: float, *its: ColumnElement[bool]) -> None:
        mine = (*its, self.waits, self.table.c.owner == owner)
        lock(db, self.table, *mine)
        db.execute(update(self.table).where(*mine).values(self.at(db_now(lease))))

    def release(self, *these: ColumnElement[bool], counted: bool, **more: Any) -> Update:
        values: dict[str, Any] = {"owner": None, **self.at(_AFTER)}
        if not counted:
            values["attempts"] = self.table.c.attempts - 1
        return update(self.table).where(*these, self.mine).values(values | more)

    def finish(self, *these: ColumnElement[bool], **more: Any) -> Update | Delete:
        if self.finished is None:
            return delete(self.table).where(*these, self.mine)
        return self._freed(*these, **self.finished, **more).where(self.mine)

    def set_aside(self, *these: ColumnElement[bool], **more: Any) -> Update:
        return self._freed(*these, state=State.SET_ASIDE.value, **more).where(self.mine)

    def take_back(self, *these: ColumnElement[bool]) -> Update:
        """Undo the claim, whoever the owner is. What he has done with the row is not recorded."""
        values = {"owner": None, "attempts": self.table.c.attempts - 1, **self.at(NOW)}
        return update(self.table).where(*these, self.table.c.owner.is_not(None)).values(values)

    def call_off(self, *these: ColumnElement[bool]) -> Update:
        """Finish the row, whoever the owner is."""
        return self._freed(*these, **self.finished or {})

    def put_off(self, until: Any, *these: ColumnElement[bool], **more: Any) -> Update:
        """The row waits until `until`. An owner whose lease is over loses it."""
        return self._freed(*these, **self.at(until), **more)

    def hasten(self, *these: ColumnElement[bool]) -> Update:
        """The row is ready now; one that an owner works on stays his."""
        return update(self.table).where(*these, self.waits, self.idle).values(self.at(NOW))

    def retry(self, *these: ColumnElement[bool], **more: Any) -> Update:
        """The row waits again as if never tried."""
        return self._freed(*these, state=State.WAITING.value, attempts=0, **self.at(NOW), **more)

    def _freed(self, *these: ColumnElement[bool], **values: Any) -> Update:
        return update(self.table).where(*these).values(owner=None, **values)


STEPS = Claims(steps, IS_WAITING, {"state": State.DONE.value}, moments=("ready_at",))
"""A step has no `redrive_at`: its mailbox has (infra/db/ledger/redrives.py)."""

DELIVERIES = Claims(deliveries, deliveries.c.state == literal_column("'waiting'"), finished=None)

EVENT_DELIVERIES = Claims(
    event_deliveries, event_deliveries.c.state == literal_column("'waiting'"), finished=None
)

OUTBOX = Claims(outbox, outbox.c.ended_at.is_(None), {"ended_at": NOW})


def unlocked(few: Select[Any], table: Table, *key: Column[Any]) -> ColumnElement[bool]:
    """Condition: one of these few rows, without those that are locked. A CTE: in a subquery PostgreSQL may look for
    them once a row, past the limit."""
    free = few.with_for_update(skip_locked=True, of=table).cte("free")
    return (key[0] if len(key) == 1 else tuple_(*key)).in_(select(free))


def redrive(
    db: Connection,
    moment: Column[Any],
    limit: int,
    again_after: float,
    *where: ColumnElement[bool],
    name: Column[Any] | None = None,
    **more: Any,
) -> tuple[Any, ...]:
    """Up to `limit` rows whose `moment` is over, the longest first; each is due again in `again_after` seconds.

    Returns their ids, or the values of the column `name`, sorted and each once.
    """
    table = moment.table
    [key] = table.primary_key
    due = select(key).where(*where, moment <= NOW).order_by(moment).limit(limit)
    named = update(table).where(unlocked(due, table, key)).values({moment.name: db_now(again_after), **more})
    return tuple(sorted(set(db.scalars(named.returning(key if name is None else name)))))
