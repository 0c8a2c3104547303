"""What the CRM has merged is found by indexes, and a merge costs the same however much mail the records have (E71)."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import event, insert, text

from domain.contacts import Kind
from domain.crm import Change, ContactRecord, DealRecord, Records
from domain.labels import DealCategory
from domain.merges import Merge
from domain.organisations import SharingPolicy
from infra.db.schema import notifications
from infra.db.store import Store, Transaction
from tests.infra.db.test_plans import _plans, _read_whole
from tests.worlds import HERE, OF_HERE

THEN = datetime(2024, 1, 2, tzinfo=UTC)
MANY = 400

OURS = "(contacts|contact_addresses|deal_contacts|deals|merges)"

ASKED: dict[str, Callable[[Transaction], object]] = {
    "whose an address is": lambda tx: tx.of(HERE).contacts.candidates({"c7@example.com"}),
    "whose deals": lambda tx: tx.of(HERE).contacts.deals_of({"c7", "c0"}),
    "a record's addresses": lambda tx: tx.of(HERE).contacts.addresses_of("c0"),
    "who may open it": lambda tx: tx.of(HERE).contacts.may_open("c0", "eva"),
    "who shares it": lambda tx: tx.of(HERE).sharing.mailboxes("eva", "c0", SharingPolicy()),
    "a list of notifications": lambda tx: tx.of(HERE).notices.of_user("uwe", 0, 10),
    "a merge": lambda tx: tx.of(HERE).crm.merge(Merge("c0", ("c7",), 9)),
    "a change": lambda tx: tx.of(HERE).crm.change(Change(Records.CONTACTS, "c0", 9, None)),
}


@pytest.fixture
def full(store: Store) -> Store:
    """Many contacts, each with an address and a deal; every hundredth is merged into the first."""
    with store.begin("tests.fill") as tx:
        here = tx.of(HERE).crm
        here.put(
            [
                ContactRecord(f"c{n}", Kind.CONTACT, "", (f"c{n}@example.com",), None, THEN)
                for n in range(MANY)
            ]
        )
        here.put([DealRecord(f"d{n}", (f"c{n}",), "", DealCategory.OPEN, None) for n in range(MANY)])
        here.merge(Merge("c0", tuple(f"c{n}" for n in range(100, MANY, 100)), 5))
        if tx.db.dialect.name == "postgresql":
            tx.db.execute(text("ANALYZE"))
    return store


@pytest.mark.parametrize("ask", [pytest.param(ask, id=name) for name, ask in ASKED.items()])
def test_who_counts_for_whom_is_found_by_indexes(full: Store, ask: Callable[[Transaction], object]) -> None:
    plans = _plans(full, ask)
    assert plans
    whole = [line for plan in plans for line in _read_whole(plan) if re.search(rf"\b{OURS}\b", line)]
    assert not whole, plans
    of_location = r"\b(contacts|contact_addresses|deal_contacts|deals) USING .*\(location_id=\?\)"
    assert not [line for plan in plans for line in plan if re.search(of_location, line)], plans


@pytest.mark.rule("E71")
def test_a_merge_asks_the_same_however_much_mail_there_is(full: Store) -> None:
    def asked(merge: Merge) -> int:
        seen: list[str] = []
        with full.begin("tests.merge") as tx:

            def count(_db: object, _cursor: object, statement: str, *_: object) -> None:
                seen.append(statement)

            event.listen(full.engine, "before_cursor_execute", count)
            try:
                tx.of(HERE).crm.merge(merge)
            finally:
                event.remove(full.engine, "before_cursor_execute", count)
        assert not [one for one in seen if re.search(r"\b(decisions|notifications|messages|steps)\b", one)]
        return len(seen)

    without = asked(Merge("c1", ("c2",), 5))
    one = {"connection_id": 1, "user_id": "uwe", "created_at": THEN, "contact_id": "c4"}
    with full.begin("tests.mail") as tx:
        tx.db.execute(insert(notifications), [{**OF_HERE, **one, "gmail_id": f"m{n}"} for n in range(2_000)])
    assert asked(Merge("c3", ("c4",), 5)) == without < 15
