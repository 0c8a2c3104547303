"""Claims: what waits in a table is worked on by one owner at a time; the same on steps, deliveries and outbox (W2, W3).

What each verb promises stands at the port (handlers/ports/claims.py). So a table keeps it:

- `owner`, `attempts` and `ready_at` of the three tables are written here and nowhere else, and `redrive_at` where each
  row has its own. All other columns, and every index, are the table's.
- Moments are the database's, for several machines need one clock (W14). `ready_at` ends a lease or a wait.
- A claim is one UPDATE: owner, lease and try are committed together.
- What has an owner waits. Who ends or releases it takes the owner off, so that `owner` alone says whose it is.
- Rows are locked in the order of their key; where any few will do, what is locked is skipped (Store's docstring).

Verbs return statements, so that those of every mail are built once. Their parameters: "me", "lease", "after".
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
from infra.db.tables.mail import IS_WAITING, deliveries, outbox, steps
from infra.db.types import NOW, db_now, seconds

_ME: BindParameter[str] = bindparam("me")
_LEASE, _AFTER = db_now(seconds("lease")), db_now(seconds("after"))


@dataclass(frozen=True, slots=True, eq=False)
class Claims:
    """The verbs on one table. `waits`: neither finished nor set aside. `finished`: what says that it is done; None
    where nothing is kept of it. `moments`: what a lease and a wait move."""

    table: Table
    waits: ColumnElement[bool]
    finished: Mapping[str, Any] | None
    moments: tuple[str, ...] = ("ready_at", "redrive_at")

    @property
    def ready(self) -> ColumnElement[bool]:
        """It may be claimed."""
        return and_(self.waits, self.table.c.ready_at <= NOW)

    @property
    def idle(self) -> ColumnElement[bool]:
        """Nobody works on it."""
        return or_(self.table.c.owner.is_(None), self.table.c.ready_at <= NOW)

    @property
    def mine(self) -> ColumnElement[bool]:
        """It is the owner's still."""
        return self.table.c.owner == _ME

    def in_order(self, dialect: str, *its: ColumnElement[bool]) -> ColumnElement[bool]:
        """Those of them that are the owner's, locked in the order of their key; for what nothing has locked yet."""
        return key_order(dialect, self.table, *its, self.waits, self.mine)

    def at(self, moment: Any) -> dict[str, Any]:
        """Nobody may have it before, or asks for it before."""
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
        """Whosever it is: as if nobody had claimed it. What he has done with it comes to nothing."""
        values = {"owner": None, "attempts": self.table.c.attempts - 1, **self.at(NOW)}
        return update(self.table).where(*these, self.table.c.owner.is_not(None)).values(values)

    def call_off(self, *these: ColumnElement[bool]) -> Update:
        """Whosever it is: there is nothing left to do."""
        return self._freed(*these, **self.finished or {})

    def put_off(self, until: Any, *these: ColumnElement[bool], **more: Any) -> Update:
        """Its moment was too early. Whoever had it and has not come back has it no more."""
        return self._freed(*these, **self.at(until), **more)

    def hasten(self, *these: ColumnElement[bool]) -> Update:
        """It need not wait any longer; what somebody works on stays his."""
        return update(self.table).where(*these, self.waits, self.idle).values(self.at(NOW))

    def retry(self, *these: ColumnElement[bool], **more: Any) -> Update:
        """It waits again, as if never tried."""
        return self._freed(*these, state=State.WAITING.value, attempts=0, **self.at(NOW), **more)

    def _freed(self, *these: ColumnElement[bool], **values: Any) -> Update:
        return update(self.table).where(*these).values(owner=None, **values)


STEPS = Claims(steps, IS_WAITING, {"state": State.DONE.value}, moments=("ready_at",))
"""When a step is asked for again its mailbox says (infra/db/ledger/redrives.py)."""

DELIVERIES = Claims(deliveries, deliveries.c.state == literal_column("'waiting'"), finished=None)

OUTBOX = Claims(outbox, outbox.c.ended_at.is_(None), {"ended_at": NOW})


def unlocked(few: Select[Any], table: Table, *key: Column[Any]) -> ColumnElement[bool]:
    """These few, but for those that somebody has locked. Found once: in a subquery PostgreSQL may look per row, past
    the limit."""
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
) -> tuple[int, ...]:
    """What is due by this moment of its table, the longest due first; each is named again after so many seconds."""
    table = moment.table
    [key] = table.primary_key
    due = select(key).where(*where, moment <= NOW).order_by(moment).limit(limit)
    named = update(table).where(unlocked(due, table, key)).values({moment.name: db_now(again_after), **more})
    return tuple(sorted(set(db.scalars(named.returning(key if name is None else name)))))
