"""Google's units in the database: added to in bulk, once, and forgotten by day."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from sqlalchemy import func, select

from domain.ids import MailboxId
from domain.quota import Purpose
from infra.db.mailboxes.units import UnitRepository
from infra.db.store import Store
from infra.db.tables.units import unit_sums, units
from infra.gmail.costs import PACIFIC
from tests.worlds import make_world

TODAY = datetime.now(PACIFIC).date()


def add(
    store: Store, batch: str, rows: Mapping[int, Mapping[Purpose, int]], day: date = TODAY, owner: str = "one"
) -> None:
    with store.begin("units.write") as tx:
        tx.units.add(batch, owner, day, {MailboxId(one): its for one, its in rows.items()})


def day(store: Store, of: date = TODAY) -> Mapping[Purpose, int]:
    with store.begin("tests.day") as tx:
        return {one: n for one, n in tx.units.of_day(of).by_purpose.items() if n}


def test_units_of_several_processes_add_up_by_mailbox_and_purpose(store: Store) -> None:
    make_world(store)
    add(store, "a", {1: {Purpose.SWEEP: 1}, 2: {Purpose.MATCH: 40, Purpose.SORT: 5}})
    add(store, "b", {1: {Purpose.SWEEP: 1, Purpose.USER: 9}})
    add(store, "c", {2: {Purpose.MATCH: 20}}, owner="another")
    assert day(store) == {Purpose.SWEEP: 2, Purpose.USER: 9, Purpose.MATCH: 60, Purpose.SORT: 5}
    with store.begin("tests.costliest") as tx:
        found = tx.units.costliest(TODAY, 10)
        assert [(i, name, one.day) for i, (name, one) in found.items()] == [
            (2, None, 65),
            (1, "uwe@firm.example", 11),
        ]
        assert list(tx.units.costliest(TODAY, 1)) == [2]
        assert tx.units.of_mailboxes(TODAY, [MailboxId(1)])[MailboxId(1)][1].by_purpose[Purpose.USER] == 9
        assert tx.units.of_mailboxes(TODAY - timedelta(days=1), [MailboxId(1)]) == {}


def test_a_batch_that_is_tried_again_counts_once_and_one_that_was_undone_counts_then(store: Store) -> None:
    rows = {MailboxId(1): {Purpose.SWEEP: 1}}
    with store.engine.connect() as db:
        UnitRepository(db).add("a", "one", TODAY, rows)
        db.rollback()
    assert day(store) == {}
    for _ in range(3):
        add(store, "a", {1: {Purpose.SWEEP: 1}})
    assert day(store) == {Purpose.SWEEP: 1}
    with store.engine.connect() as db:
        assert db.scalar(select(func.sum(units.c.sweep))) == 1


def test_a_thousand_mailboxes_are_one_transaction_of_few_statements(
    store: Store, statements: list[str]
) -> None:
    add(store, "a", {i: {Purpose.SWEEP: 1} for i in range(1, 1_001)})
    assert len([one for one in statements if one.startswith("INSERT")]) == 2


def test_what_is_older_than_its_days_is_forgotten_a_stretch_at_a_time(store: Store) -> None:
    old, kept = TODAY - timedelta(days=36), TODAY - timedelta(days=35)
    for moment in (old - timedelta(days=1), old, kept, TODAY):
        add(store, moment.isoformat(), {i: {Purpose.SWEEP: 1} for i in range(1, 8)}, day=moment)
    forgotten = []
    with store.begin("tests.forget") as tx:
        while (found := tx.units.forget(kept, 5)).after is not None:
            forgotten.append(found.rows)
    assert max(forgotten) <= 5
    assert sum(forgotten) == 2 * (7 + 1)
    with store.engine.connect() as db:
        assert set(db.scalars(select(units.c.day))) == {kept, TODAY}
        assert set(db.scalars(select(unit_sums.c.day))) == {kept, TODAY}
