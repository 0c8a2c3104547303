"""Google's units by mailbox, purpose and day, added in bulk once a minute by each process (FACTS §4)."""

from collections.abc import Collection, Mapping
from datetime import date
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select

from domain.ids import MailboxId
from domain.quota import Purpose, Spending
from domain.retention import Forgotten
from infra.db.sql import add_to, in_key_order
from infra.db.tables.mailboxes import mailboxes
from infra.db.tables.units import unit_sums, units

_NOTHING: Mapping[str, int] = dict.fromkeys(map(str, Purpose), 0)


class UnitRepository:
    """Units within one transaction."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def add(self, batch: str, owner: str, day: date, rows: Mapping[MailboxId, Mapping[Purpose, int]]) -> None:
        mine = (unit_sums.c.day == day, unit_sums.c.owner == owner)
        if self._db.scalar(select(unit_sums.c.batch).where(*mine).with_for_update()) == batch:
            return
        sums = {one.value: sum(row.get(one, 0) for row in rows.values()) for one in Purpose}
        add_to(self._db, unit_sums, [{"day": day, "owner": owner, "batch": batch, **sums}], adds=_NOTHING)
        new = [
            {"day": day, "mailbox_id": mailbox_id, **_NOTHING, **{one.value: n for one, n in row.items()}}
            for mailbox_id, row in rows.items()
        ]
        add_to(self._db, units, new, adds=_NOTHING)

    def of_day(self, day: date) -> Spending:
        sums = [func.coalesce(func.sum(unit_sums.c[name]), 0).label(name) for name in _NOTHING]
        return _spending(self._db.execute(select(*sums).where(unit_sums.c.day == day)).one())

    def costliest(self, day: date, limit: int) -> Mapping[MailboxId, tuple[str | None, Spending]]:
        total = reduce(add, (units.c[name] for name in _NOTHING))
        order = (
            select(units).where(units.c.day == day).order_by(total.desc(), units.c.mailbox_id).limit(limit)
        )
        return self._of(order)

    def of_mailboxes(
        self, day: date, mailbox_ids: Collection[MailboxId]
    ) -> Mapping[MailboxId, tuple[str | None, Spending]]:
        return self._of(select(units).where(units.c.day == day, units.c.mailbox_id.in_(mailbox_ids)))

    def _of(self, which: Any) -> Mapping[MailboxId, tuple[str | None, Spending]]:
        rows = self._db.execute(which).all()
        ids = [row.mailbox_id for row in rows]
        named = select(mailboxes.c.id, mailboxes.c.address).where(mailboxes.c.id.in_(ids))
        addresses = {row.id: row.address for row in self._db.execute(named)}
        return {row.mailbox_id: (addresses.get(row.mailbox_id), _spending(row)) for row in rows}

    def forget(self, before: date, limit: int) -> Forgotten:
        oldest = self._db.scalar(select(func.min(unit_sums.c.day)))
        if oldest is None or oldest >= before:
            return Forgotten(0, None)
        rows = self._forget(units, oldest, limit)
        if rows < limit:
            rows += self._forget(unit_sums, oldest, limit)
        return Forgotten(rows, (oldest.isoformat(),))

    def _forget(self, table: Table, day: date, limit: int) -> int:
        second = list(table.primary_key.columns)[1]
        old = select(second).where(table.c.day == day).order_by(second).limit(limit).subquery()
        these = in_key_order(self._db, table, table.c.day == day, second.in_(select(old)))
        return self._db.execute(delete(table).where(table.c.day == day, these)).rowcount


def _spending(row: Any) -> Spending:
    return Spending({one: int(row._mapping[one.value]) for one in Purpose})
