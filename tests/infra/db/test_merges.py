"""What the CRM has merged is found by indexes, and a merge costs the same however much mail the records have (E71)."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import delete, event, insert, select, text, update

from domain.crm.categories import Category, ContactCategory
from domain.crm.contacts import ContactKind
from domain.crm.deals import DealCategory
from domain.crm.merges import Merge
from domain.crm.organisations import SharingPolicy
from domain.crm.records import Change, ContactRecord, DealRecord, Record, RecordKind
from domain.ids import ConnectionId
from domain.ledger import Claim
from domain.outbox import NewItem
from domain.retention import After
from domain.sorting.plans import ConnectionContact, EarlierLabel
from infra.db.store import Store, Transaction
from infra.db.tables.crm import contacts, crm_versions, merges
from infra.db.tables.mail import decisions, messages, notifications
from tests.plans import plans, read_whole
from tests.worlds import HERE, OF_HERE, World

THEN = datetime(2024, 1, 2, tzinfo=UTC)
MANY = 400
LAST = Claim("m0", ConnectionId(1), 1)
"""A mail of the survivor's that waits to be labelled; each of the others has a label."""

OURS = "(contacts|contact_addresses|deal_contacts|deals|merges)"

ASKED: dict[str, Callable[[Transaction], object]] = {
    "whose an address is": lambda tx: tx.of(HERE).contacts.candidates({"c7@example.com"}),
    "whose deals": lambda tx: tx.of(HERE).contacts.deals_of({"c7", "c0"}),
    "a record's addresses": lambda tx: tx.of(HERE).contacts.addresses_of("c0"),
    "who may open it": lambda tx: tx.of(HERE).contacts.may_open("c0", "eva"),
    "who shares it": lambda tx: tx.of(HERE).sharing.mailboxes("eva", "c0", SharingPolicy()),
    "a list of notifications": lambda tx: tx.of(HERE).notification_list.of_user("uwe", 0, 10),
    "a merge": lambda tx: tx.of(HERE).crm.merge(Merge("c0", ("c7",), 9)),
    "a change": lambda tx: tx.of(HERE).crm.change(Change(RecordKind.CONTACTS, "c0", 9, None)),
    "what is forgotten": lambda tx: tx.retention.merges(365, 50),
}
SORTING: dict[str, Callable[[Transaction], object]] = {
    "what may be sorted": lambda tx: tx.of(HERE).sorting.sortable([LAST]),
    "what has a label": lambda tx: tx.of(HERE).sorting.labelled_before([LAST]),
    "another label": lambda tx: tx.of(HERE).sorting.replace(
        ConnectionContact(ConnectionId(1), "c0"),
        Category.OPEN,
        ContactCategory(Category.CUSTOMER, None),
        ["m1", "m100"],
    ),
}


@pytest.fixture
def full(store: Store) -> Store:
    """Many contacts, each with an address and a deal; every hundredth is merged into the first. As many others are
    merged, so that nobody reads all merges because they are few."""
    with store.begin("tests.fill") as tx:
        here = tx.of(HERE).crm
        here.put(
            [
                ContactRecord(f"c{n}", ContactKind.CONTACT, "", (f"c{n}@example.com",), None, THEN)
                for n in range(MANY)
            ]
        )
        here.put([DealRecord(f"d{n}", (f"c{n}",), "", DealCategory.OPEN, None) for n in range(MANY)])
        here.merge(Merge("c0", tuple(f"c{n}" for n in range(100, MANY, 100)), 5))
        tx.db.execute(insert(decisions), [_decision(f"m{n}", f"c{n}") for n in range(MANY)])
        tx.db.execute(insert(messages), [_message(f"m{n}") for n in range(MANY)])
        others = [{"record_id": f"x{n}", "survivor": f"y{n}", "counts_for": f"y{n}"} for n in range(MANY)]
        tx.db.execute(
            insert(merges), [{"location_id": 1, "version": 1, "settled_at": THEN} | one for one in others]
        )
        meant = {"category": "CUSTOMER", "changed": None}
        tx.db.execute(update(decisions).where(decisions.c.message_id == "m0").values(meant))
        if tx.db.dialect.name == "postgresql":
            tx.db.execute(text("ANALYZE"))
    return store


def _decision(message_id: str, contact_id: str) -> dict[str, Any]:
    its = {"connection_id": 1, "mailbox_id": 1, "message_id": message_id, "contact_id": contact_id}
    address = f"{contact_id}@example.com"
    how = {"author": address, "contact_address": address, "matched_by": "exact", "received_at": THEN}
    return {**its, **how, "category": "OPEN", "changed": {"added": [], "removed": []}, "decided_at": THEN}


def _message(message_id: str) -> dict[str, Any]:
    return {"mailbox_id": 1, "message_id": message_id, "came_by": "push", "seen_at": THEN}


@pytest.mark.parametrize("ask", [pytest.param(ask, id=name) for name, ask in ASKED.items()])
def test_who_counts_for_whom_is_found_by_indexes(full: Store, ask: Callable[[Transaction], object]) -> None:
    found = plans(full, ask)
    assert found
    whole = [line for plan in found for line in read_whole(plan) if re.search(rf"\b{OURS}\b", line)]
    assert not whole, found
    of_location = r"\b(contacts|contact_addresses|deal_contacts|deals) USING .*\(location_id=\?\)"
    assert not [line for plan in found for line in plan if re.search(of_location, line)], found


@pytest.mark.parametrize("ask", [pytest.param(ask, id=name) for name, ask in SORTING.items()])
def test_however_much_mail_a_merged_contact_has_it_is_found_by_its_key_or_its_label(
    full: Store, ask: Callable[[Transaction], object]
) -> None:
    found = plans(full, ask)
    assert len(found) == 1, "no statement more than for a contact that was never merged"
    assert not [line for line in read_whole(found[0]) if re.search(rf"\b({OURS}|decisions)\b", line)], found
    part = r"\b(merges|decisions) USING .*\((location_id|connection_id)=\?( AND contact_id=\?)?\)"
    replacing = "decisions_replacing"  # of those there are few
    assert not [line for line in found[0] if re.search(part, line) and replacing not in line], found


@pytest.mark.rule("E47", "E71")
def test_mail_of_all_merged_records_is_that_of_the_survivor(full: Store) -> None:
    contact = ConnectionContact(ConnectionId(1), "c0")
    with full.begin("tests.look") as tx:
        earlier, halves = tx.of(HERE).sorting.labelled_before([LAST])
        assert halves == ()
        found = frozenset(EarlierLabel(Category.OPEN, f"c{n}@example.com") for n in range(100, MANY, 100))
        assert earlier == {contact: found}
        wanted = ContactCategory(Category.CUSTOMER, None)
        replaced = tx.of(HERE).sorting.replace(contact, Category.OPEN, wanted, ["m1", "m100", "m200"])
        assert {(one.message_id, one.contact) for one in replaced} == {("m100", contact), ("m200", contact)}
        _, halves = tx.of(HERE).sorting.labelled_before([LAST])
        assert set(halves) == set(replaced)


def asked(store: Store, ask: Callable[[Transaction], object]) -> list[Sequence[Any]]:
    """The parameters of each statement, those of many rows at once counted as one; none is about mail."""
    seen: list[Sequence[Any]] = []
    with store.begin("tests.ask") as tx:

        def note(_db: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
            assert not re.search(r"\b(decisions|notifications|messages|steps)\b", statement)
            seen.append(parameters)

        event.listen(store.engine, "before_cursor_execute", note)
        try:
            ask(tx)
        finally:
            event.remove(store.engine, "before_cursor_execute", note)
    return seen


@pytest.mark.rule("E71")
def test_a_merge_asks_the_same_however_much_mail_and_however_many_records_there_are(full: Store) -> None:
    def merge(survivor: str, *losers: str) -> int:
        return len(asked(full, lambda tx: tx.of(HERE).crm.merge(Merge(survivor, losers, 5))))

    without = merge("c1", "c2")
    one = {"connection_id": 1, "user_id": "uwe", "created_at": THEN, "contact_id": "c4"}
    with full.begin("tests.mail") as tx:
        tx.db.execute(
            insert(notifications), [{**OF_HERE, **one, "message_id": f"m{n}"} for n in range(2_000)]
        )
    assert merge("c3", "c4") == without < 15
    assert merge("c5", *(f"x{n}" for n in range(1_000))) == without


@pytest.mark.rule("E71")
def test_a_change_of_one_of_a_thousand_merged_records_looks_at_its_own_way_alone(full: Store) -> None:
    def change(record_id: str) -> list[Sequence[Any]]:
        record = ContactRecord(record_id, ContactKind.CONTACT, "N", (), None, THEN)
        its = Change(RecordKind.CONTACTS, record_id, 4, record)
        return asked(full, lambda tx: tx.of(HERE).crm.change(its))

    with full.begin("tests.merge") as tx:
        tx.of(HERE).crm.merge(Merge("c5", tuple(f"x{n}" for n in range(1_000)), 5))
    of_a_loser, of_the_survivor = change("x7"), change("c5")
    assert max(map(len, of_a_loser)) < 20
    assert max(map(len, of_the_survivor)) > 1_000
    assert len(of_the_survivor) < 20


@pytest.mark.rule("E71")
def test_one_more_merge_at_the_end_of_a_thousand_asks_no_more_than_the_first(full: Store) -> None:
    """Each has gone into the next."""
    chain = [f"{n:04}" for n in range(1_001)]
    with full.begin("tests.chain") as tx:
        known = {"location_id": 1, "version": 5, "counts_for": chain[-1], "settled_at": THEN}
        rows = [known | {"record_id": one, "survivor": into} for one, into in pairwise(chain)]
        tx.db.execute(
            insert(merges), [*rows, known | {"record_id": chain[-1], "survivor": None, "counts_for": None}]
        )
        tx.of(HERE).crm.put([ContactRecord(chain[-1], ContactKind.CONTACT, "", (), None, THEN)])
    assert len(asked(full, lambda tx: tx.of(HERE).crm.merge(Merge("c1", (chain[-1],), 6)))) < 15
    with full.begin("tests.look") as tx:
        assert tx.db.scalars(select(merges.c.record_id).where(merges.c.counts_for == "c1")).all() == chain


@pytest.mark.rule("E71")
def test_a_mail_that_was_sent_to_a_merged_contact_is_the_survivors(world: World) -> None:
    with world.store.begin("tests.send") as tx:
        tx.of(HERE).crm.put([_contact("new"), _contact("old")])
        tx.outbox.add(NewItem(world.mailbox_id, world.connection_id, "old", "key"), "me", 60)
        tx.of(HERE).crm.merge(Merge("new", ("old",), 5))
        [report] = tx.of(HERE).reports.sendings(None, None, None, 10)
    assert report.item.contact_id == "new"


# --- What is forgotten of them


def _contact(record_id: str) -> Record:
    return ContactRecord(record_id, ContactKind.CONTACT, "", (f"{record_id}@example.com",), None, THEN)


def forget(store: Store, limit: int = 50) -> int:
    """As the purge does, long after; returns how many rows."""
    rows = 0
    with store.begin("tests.age") as tx:
        tx.db.execute(update(merges).values(settled_at=THEN))
    while True:
        with store.begin("sweep.purge") as tx:
            found = tx.retention.merges(365, limit)
        rows += found.rows
        if found.after is None:
            return rows


def known(store: Store) -> dict[str, str | None]:
    with store.begin("tests.look") as tx:
        return {row.record_id: row.counts_for for row in tx.db.execute(select(merges))}


@pytest.mark.rule("E71", "D2")
def test_what_a_survivors_own_change_has_told_anew_is_forgotten_of_the_merged_ones(store: Store) -> None:
    with store.begin("tests.fill") as tx:
        here = tx.of(HERE).crm
        for one in ("new", "old"):
            here.change(Change(RecordKind.CONTACTS, one, 1, _contact(one)))
        here.merge(Merge("new", ("old",), 5))
    assert forget(store) == 0, "its address counts"
    with store.begin("tests.change") as tx:
        tx.of(HERE).crm.change(Change(RecordKind.CONTACTS, "new", 6, _contact("new")))
    assert forget(store) == 1
    with store.begin("tests.look") as tx:
        assert tx.db.scalars(select(contacts.c.id)).all() == ["new"]
        assert tx.of(HERE).contacts.addresses_of("new") == ("new@example.com",)
    assert known(store) == {"new": None, "old": "new"}, "an older change of it may come late"
    with store.begin("tests.versions") as tx:
        tx.db.execute(delete(crm_versions).where(crm_versions.c.deleted_at.is_not(None)))
    assert forget(store) == 1
    assert known(store) == {"new": None}


@pytest.mark.rule("E71", "E73", "D2")
def test_who_was_merged_into_a_deleted_contact_is_forgotten_with_it(store: Store) -> None:
    with store.begin("tests.fill") as tx:
        here = tx.of(HERE).crm
        here.put([_contact("new"), _contact("old")])
        here.merge(Merge("new", ("old",), 5))
        here.change(Change(RecordKind.CONTACTS, "new", 6, None))
    forget(store)
    with store.begin("tests.look") as tx:
        assert tx.db.scalars(select(contacts.c.id)).all() == []
        tx.db.execute(delete(crm_versions))
    forget(store)
    assert known(store) == {}


@pytest.mark.rule("E71")
@pytest.mark.parametrize("limit", [1, 3, 50])
def test_a_merge_is_kept_while_somebody_asks_for_it(store: Store, limit: int) -> None:
    with store.begin("tests.fill") as tx:
        here = tx.of(HERE).crm
        here.put([_contact("end"), _contact("there")])
        here.put([DealRecord("d", ("a",), "", DealCategory.OPEN, None)])
        here.merge(Merge("b", ("a",), 5))
        here.merge(Merge("end", ("b", "nobody", "there"), 6))
    assert forget(store, limit) == 1
    assert known(store) == {"a": "end", "b": "end", "there": "end", "end": None}
    with store.begin("tests.look") as tx:
        assert [one.id for one in tx.of(HERE).contacts.deals_of(["end"])["end"]] == ["d"]
        tx.of(HERE).crm.change(Change(RecordKind.DEALS, "d", 1, None))
    for _ in range(3):
        forget(store, limit)
    assert known(store) == {"there": "end", "end": None}


@pytest.mark.rule("E71")
def test_what_was_merged_lately_is_not_looked_at(store: Store) -> None:
    with store.begin("tests.fill") as tx:
        tx.of(HERE).crm.merge(Merge("b", ("a",), 5))
        assert tx.retention.merges(365, 50).rows == 0
    assert known(store) == {"a": None, "b": None}


def forget_versions(store: Store) -> None:
    """As the purge does, long after."""
    with store.begin("tests.age") as tx:
        gone = crm_versions.c.deleted_at.is_not(None)
        tx.db.execute(update(crm_versions).where(gone).values(deleted_at=THEN))
    after: After | None = ()
    while after is not None:
        with store.begin("sweep.purge") as tx:
            after = tx.retention.versions(90, 1, after).after


def outlived(store: Store) -> set[str]:
    with store.begin("tests.look") as tx:
        return set(tx.db.scalars(select(merges.c.record_id).where(merges.c.outlived)))


@pytest.mark.rule("E71", "E73", "D2")
def test_nobody_comes_back_while_what_was_merged_into_a_deleted_contact_is_forgotten_in_parts(
    store: Store,
) -> None:
    with store.begin("tests.fill") as tx:
        here = tx.of(HERE).crm
        here.put([_contact("first")])
        for one in ("next", "last"):
            here.change(Change(RecordKind.CONTACTS, one, 1, _contact(one)))
        here.merge(Merge("next", ("first",), 5))
        here.merge(Merge("last", ("next",), 10))
        here.change(Change(RecordKind.CONTACTS, "last", 11, None))
    forget_versions(store)
    with store.begin("tests.part") as tx:
        tx.db.execute(update(merges).where(merges.c.record_id == "next").values(settled_at=THEN))
        assert tx.retention.merges(365, 1).rows == 1
        assert tx.db.scalars(select(contacts.c.id)).all() == ["first"]
        assert not tx.of(HERE).contacts.candidates({"first@example.com"})
    forget_versions(store)
    assert outlived(store) == {"first", "next"}
    for _ in range(3):
        forget(store, 1)
        forget_versions(store)
    assert known(store) == {}
    with store.begin("tests.look") as tx:
        assert not tx.db.scalars(select(contacts.c.id)).all()
        assert not tx.db.scalars(select(crm_versions.c.record_id)).all()


@pytest.mark.rule("E71", "D2")
def test_versions_that_merges_wait_for_and_merges_that_versions_wait_for_go_even_in_a_circle(
    store: Store,
) -> None:
    with store.begin("tests.fill") as tx:
        here = tx.of(HERE).crm
        for one in ("a", "b"):
            here.change(Change(RecordKind.CONTACTS, one, 1, _contact(one)))
        for one, into in (("a", "b"), ("b", "a")):
            known_of = {"location_id": 1, "version": 1, "settled_at": THEN}
            tx.db.execute(insert(merges), [known_of | {"record_id": one, "survivor": into}])
        here.delete(RecordKind.CONTACTS, ["a", "b"])
    for _ in range(2):
        forget_versions(store)
        forget(store, 1)
        forget(store)
    forget_versions(store)
    assert known(store) == {}
    with store.begin("tests.look") as tx:
        assert not tx.db.scalars(select(crm_versions.c.record_id)).all()


@pytest.mark.rule("E71", "E73", "D2")
@pytest.mark.parametrize("survives", [True, False])
def test_who_was_merged_stays_so_for_as_long_as_files_list_him(store: Store, survives: bool) -> None:
    new = _contact("new")
    with store.begin("tests.fill") as tx:
        here = tx.of(HERE).crm
        here.put([new, _contact("old")])
        here.merge(Merge("new", ("old",), 10))
        here.change(Change(RecordKind.CONTACTS, "new", 11, new if survives else None))
    for _ in range(3):
        forget_versions(store)
        assert forget(store) == 1, "the record"
        with store.begin("tests.file") as tx:
            tx.of(HERE).crm.put([_contact("old")])
            assert not tx.of(HERE).contacts.candidates({"old@example.com"})
        assert outlived(store) == {"old"}
    forget(store)
    forget(store)
    assert known(store) == ({"new": None} if survives else {})
