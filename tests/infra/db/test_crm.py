"""The CRM's records in the database: each as the last file had it."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import event, select

from domain.crm.contacts import ContactKind
from domain.crm.deals import Deal, DealCategory
from domain.crm.records import Change, ContactRecord, DealRecord, Record, RecordKind, UserRecord
from infra.db.store import Store
from infra.db.tables.crm import (
    contact_addresses,
    contacts,
    crm_versions,
    deal_contacts,
    deals,
    outdated,
    user_addresses,
    users,
)
from tests.worlds import HERE

THEN = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


def person(
    contact_id: str, *addresses: str, name: str = "Ann", kind: ContactKind = ContactKind.CONTACT
) -> ContactRecord:
    return ContactRecord(contact_id, kind, name, addresses, "uwe", THEN)


def put(store: Store, *records: Record) -> None:
    with store.begin("tests.put") as tx:
        tx.of(HERE).crm.put(records)


def addresses(store: Store) -> set[tuple[str, str, str]]:
    with store.begin("tests.look") as tx:
        return {(row.contact_id, row.address, row.loose) for row in tx.db.execute(select(contact_addresses))}


@pytest.mark.rule("E12", "E13", "E15", "D5")
def test_a_contact_is_found_by_each_of_its_addresses(store: Store) -> None:
    put(
        store,
        person("c1", "ann@example.com", "a.nn+x@gmail.com"),
        person("c2", "bob@example.com", kind=ContactKind.LEAD),
    )
    with store.begin("tests.look") as tx:
        found = tx.of(HERE).contacts.candidates({"ann@example.com", "ann@googlemail.com", "bob@example.com"})
    assert {(one.contact.id, one.contact.kind, one.address) for one in found} == {
        ("c1", ContactKind.CONTACT, "ann@example.com"),
        ("c1", ContactKind.CONTACT, "a.nn+x@gmail.com"),
        ("c2", ContactKind.LEAD, "bob@example.com"),
    }
    assert {one.contact.created_at for one in found} == {THEN}


@pytest.mark.rule("E12", "E20", "E22")
def test_the_addresses_of_a_contact_are_replaced_as_a_set(store: Store) -> None:
    put(store, person("c1", "ann@example.com", "ann@home.example"), person("c2", "bob@example.com"))
    put(store, person("c1", "ann@home.example", "ann@new.example"), person("c2"))
    assert addresses(store) == {
        ("c1", "ann@home.example", "ann@home.example"),
        ("c1", "ann@new.example", "ann@new.example"),
    }


def test_a_known_record_becomes_what_the_file_says(store: Store) -> None:
    put(
        store,
        person("c1", kind=ContactKind.LEAD),
        UserRecord("uwe", "Uwe", ("uwe@firm.example", "old@firm.example")),
    )
    put(
        store,
        ContactRecord("c1", ContactKind.CONTACT, "Anna", (), None, THEN),
        UserRecord("uwe", "U", ("uwe@firm.example",)),
    )
    with store.begin("tests.look") as tx:
        assert tx.db.execute(select(contacts)).all() == [(1, "c1", "contact", "Anna", None, THEN)]
        assert tx.db.execute(select(users.c.id, users.c.name)).all() == [("uwe", "U")]
        assert tx.db.execute(select(user_addresses)).all() == [
            (1, "uwe", "uwe@firm.example", "uwe@firm.example")
        ]


@pytest.mark.rule("E4", "E8", "E9")
def test_a_deal_counts_for_all_its_contacts_even_those_who_come_later(store: Store) -> None:
    put(
        store,
        DealRecord("d1", ("c1", "c2"), "Idea", None, None),
        DealRecord("d2", ("c1",), "Offer", DealCategory.WON, date(2026, 3, 5)),
    )
    put(store, DealRecord("d1", ("c2", "c3"), "Idea", None, date(2026, 4, 1)))
    with store.begin("tests.look") as tx:
        found = tx.of(HERE).contacts.deals_of({"c1", "c2", "c3"})
    moved = Deal("d1", DealCategory.OPEN, date(2026, 4, 1))
    assert found == {"c1": (Deal("d2", DealCategory.WON, date(2026, 3, 5)),), "c2": (moved,), "c3": (moved,)}


def test_of_two_records_with_one_id_the_later_counts(store: Store) -> None:
    put(store, person("c1", "old@example.com", name="Old"), person("c1", "new@example.com", name="New"))
    assert addresses(store) == {("c1", "new@example.com", "new@example.com")}
    with store.begin("tests.look") as tx:
        assert tx.db.scalars(select(contacts.c.name)).all() == ["New"]


def test_what_is_so_already_is_not_written_again(store: Store) -> None:
    records = (person("c1", "ann@example.com"), DealRecord("d1", ("c1",), "Idea", None, None))
    put(store, *records)
    written: list[str] = []

    def note(_c: object, cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith("SELECT"):
            written.append(f"{getattr(cursor, 'rowcount', '?')} {statement.split()[0]}")

    event.listen(store.engine, "after_cursor_execute", note)
    put(store, *records)
    event.remove(store.engine, "after_cursor_execute", note)
    assert [line for line in written if not line.startswith(("0 ", "-1 BEGIN", "-1 PRAGMA"))] == []


def test_hundreds_of_records_go_in_at_once_and_out_again(store: Store) -> None:
    people = [person(f"c{n}", f"c{n}@example.com", f"c{n}@home.example") for n in range(700)]
    put(store, *people, *(DealRecord(f"d{n}", (f"c{n}", "c0"), "Idea", None, None) for n in range(700)))
    with store.begin("tests.look") as tx:
        first = tx.of(HERE).crm.ids_after(RecordKind.CONTACTS, "", 400)
        rest = tx.of(HERE).crm.ids_after(RecordKind.CONTACTS, first[-1], 400)
        assert set(first + rest) == {one.id for one in people}
        assert tx.of(HERE).crm.ids_after(RecordKind.CONTACTS, rest[-1], 400) == ()
        assert tx.of(HERE).crm.delete(RecordKind.CONTACTS, first) == 400
        assert tx.of(HERE).crm.delete(RecordKind.DEALS, [f"d{n}" for n in range(700)]) == 700
    assert {row[0] for row in addresses(store)} == set(rest)
    with store.begin("tests.look") as tx:
        assert tx.db.execute(select(deals)).all() == []
        assert tx.db.execute(select(deal_contacts)).all() == []


def test_only_a_newer_version_changes_a_record(store: Store) -> None:
    def change(version: int, record: Record | None) -> bool:
        with store.begin("tests.change") as tx:
            return tx.of(HERE).crm.change(Change(RecordKind.CONTACTS, "c1", version, record))

    steps = [
        (0, person("c1", "ann@example.com"), True),
        (0, person("c1", "bob@example.com"), False),
        (5, None, True),
        (4, person("c1", "cid@example.com"), False),
        (5, person("c1", "cid@example.com"), False),
        (2**63 - 1, person("c1", "dan@example.com"), True),
        (6, None, False),
    ]
    assert [change(version, record) for version, record, _ in steps] == [new for *_, new in steps]
    assert addresses(store) == {("c1", "dan@example.com", "dan@example.com")}


def test_records_of_two_kinds_with_one_id_have_versions_of_their_own(store: Store) -> None:
    with store.begin("tests.change") as tx:
        assert tx.of(HERE).crm.change(Change(RecordKind.CONTACTS, "1", 5, person("1")))
        assert tx.of(HERE).crm.change(
            Change(RecordKind.DEALS, "1", 4, DealRecord("1", (), "Idea", None, None))
        )
        assert tx.of(HERE).crm.change(Change(RecordKind.USERS, "1", 3, UserRecord("1", "Uwe", ())))


def test_a_file_neither_asks_for_versions_nor_changes_them(store: Store) -> None:
    with store.begin("tests.change") as tx:
        tx.of(HERE).crm.change(Change(RecordKind.CONTACTS, "c1", 5, None))
    put(store, person("c1", "ann@example.com"))
    with store.begin("tests.change") as tx:
        assert not tx.of(HERE).crm.change(Change(RecordKind.CONTACTS, "c1", 5, None))
        assert tx.db.execute(select(crm_versions)).all() == [(1, 1, "contacts", "c1", 5, None)]
    assert addresses(store) == {("c1", "ann@example.com", "ann@example.com")}


def test_workers_that_change_one_record_at_once_end_with_the_newest(
    store: Store, second_store: Store
) -> None:
    def change(where: Store, versions: Iterable[int]) -> None:
        for version in versions:
            record = person("c1", f"v{version}@example.com") if version % 3 else None
            with where.begin("tests.change") as tx:
                tx.of(HERE).crm.change(Change(RecordKind.CONTACTS, "c1", version, record))

    newest = 100
    with ThreadPoolExecutor() as pool:
        jobs = [
            pool.submit(change, where, versions)
            for where in (store, second_store)
            for versions in (range(0, newest + 1, 2), range(newest - 1, 0, -2))
        ]
    for job in jobs:
        job.result()
    assert addresses(store) == {("c1", "v100@example.com", "v100@example.com")}


def out_of_date(store: Store) -> list[tuple[str, str, str]]:
    with store.begin("tests.look") as tx:
        found = tx.db.execute(select(outdated).order_by(outdated.c.record_id))
        return [(row.kind, row.record_id, row.reason) for row in found]


def refuse(store: Store, *ids: str, version: int | None = None, reason: str = "odd") -> None:
    with store.begin("tests.refuse") as tx:
        tx.of(HERE).crm.mark_outdated(RecordKind.CONTACTS, dict.fromkeys(ids, reason), version)


@pytest.mark.rule("E9")
def test_a_refused_change_marks_a_known_record_until_a_good_one_or_its_end(store: Store) -> None:
    put(store, person("c1"), person("c2"), person("c3"), DealRecord("c9", (), "Idea", None, None))
    refuse(store, "c1", "c2", "c3", "c9")
    refuse(store, "c2", reason="odder")
    assert out_of_date(store) == [
        ("contacts", "c1", "odd"),
        ("contacts", "c2", "odder"),
        ("contacts", "c3", "odd"),
    ]
    with store.begin("tests.look") as tx:
        assert tx.reports.count_outdated() == {RecordKind.CONTACTS: 3}
    put(store, person("c1"), DealRecord("c2", (), "Idea", None, None))
    with store.begin("tests.delete") as tx:
        tx.of(HERE).crm.delete(RecordKind.CONTACTS, ["c3"])
    assert out_of_date(store) == [("contacts", "c2", "odder")]


@pytest.mark.rule("E9")
@pytest.mark.parametrize(
    ("refused", "good", "stays"),
    [
        pytest.param(7, 8, False, id="the next version mends it"),
        pytest.param(7, 7, False, id="so does the same one"),
        pytest.param(7, 6, True, id="an older one that comes late does not"),
        pytest.param(None, 6, False, id="without a version any good one does"),
    ],
)
def test_versions_decide_what_mends_a_record(
    store: Store, refused: int | None, good: int, *, stays: bool
) -> None:
    with store.begin("tests.change") as tx:
        tx.of(HERE).crm.change(Change(RecordKind.CONTACTS, "c1", 5, person("c1")))
    refuse(store, "c1", version=refused)
    refuse(store, "c1", version=6, reason="an older one")
    with store.begin("tests.change") as tx:
        assert tx.of(HERE).crm.change(Change(RecordKind.CONTACTS, "c1", good, person("c1")))
    assert [reason for *_, reason in out_of_date(store)] == (["odd"] if stays else [])


@pytest.mark.rule("E9")
def test_a_refused_change_that_is_older_than_what_is_known_marks_nothing(store: Store) -> None:
    with store.begin("tests.change") as tx:
        tx.of(HERE).crm.change(Change(RecordKind.CONTACTS, "c1", 5, person("c1")))
    refuse(store, "c1", version=5)
    assert out_of_date(store) == []


@pytest.mark.rule("E107")
def test_ids_and_roles_with_a_separator_are_found_a_page_at_a_time(store: Store) -> None:
    odd = ("a;b", "c,d", "e\nf", "g ::: h", "i\rj")
    put(store, *map(person, (*odd, "plain", "p_q", "r%s")), UserRecord("u", "U", (), role="Sales, EMEA"))
    with store.begin("tests.look") as tx:
        first = tx.of(HERE).crm.ids_with_separator(RecordKind.CONTACTS, "", 2)
        rest = tx.of(HERE).crm.ids_with_separator(RecordKind.CONTACTS, first[-1], 10)
        assert set(first + rest) == set(odd)
        assert tx.of(HERE).crm.roles_with_separator() == {"Sales, EMEA"}
        assert tx.of(HERE).crm.known(RecordKind.CONTACTS, ["a;b", "nobody"]) == {"a;b"}


@pytest.mark.rule("E9")
def test_stages_without_a_category_are_told_with_their_deals(store: Store) -> None:
    put(
        store,
        *(DealRecord(f"d{n}", (), "Dream", None, None) for n in range(3)),
        DealRecord("x", (), "Idea", None, None),
        DealRecord("y", (), "Offer", DealCategory.OPEN, None),
    )
    with store.begin("tests.look") as tx:
        assert tx.reports.uncategorised_stages(1) == ({"Dream": 3}, 2)
    put(store, DealRecord("x", (), "Idea", DealCategory.OPEN, None))
    with store.begin("tests.look") as tx:
        assert tx.reports.uncategorised_stages(9) == ({"Dream": 3}, 1)
