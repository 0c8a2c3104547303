"""The CRM's changes as they come in: in any order, as often as one likes, and what they mean for the next mail."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from domain.crm.contacts import ContactKind
from domain.crm.deals import DealCategory
from domain.crm.merges import Merge
from domain.crm.organisations import SharingPolicy
from domain.crm.records import Change, ContactRecord, DealRecord, Record, RecordKind, UserRecord
from handlers.crm import locations
from handlers.crm.merging import merge
from handlers.crm.records import Stages, change, take_in
from infra.crm.json import read_change, read_message
from infra.db.store import Store
from infra.db.tables.connections import shared_contacts
from infra.db.tables.crm import (
    contact_addresses,
    contacts,
    crm_versions,
    deal_contacts,
    deals,
    merges,
    user_addresses,
    users,
)
from infra.db.tables.mail import decisions
from tests.handlers.conftest import House
from tests.worlds import HERE

TABLES = (merges, contact_addresses, deal_contacts, user_addresses, contacts, deals, users, crm_versions)
WRITTEN_AT = "2024-01-02T03:04:05Z"
THEN = datetime.fromisoformat(WRITTEN_AT)
VERSIONS = st.integers(0, 12) | st.integers(0, 2**63 - 1)


def tell(house: House, actor: str, **fields: Any) -> None:
    """What a worker makes of a message."""
    change(read_change(actor, fields), house.store, Stages())


def tell_merge(house: House, survivor: str, version: int, *losers: str) -> None:
    found = read_message("crm.merge_contacts", {"id": survivor, "version": version, "merged_ids": [*losers]})
    assert isinstance(found, Merge)
    merge(found, house.store)


def tell_contact(house: House, contact_id: str, version: int, *emails: str, **other: Any) -> None:
    fields = {"kind": "contact", "name": "N", "assigned_to": None, "created_at": WRITTEN_AT} | other
    tell(house, "crm.upsert_contact", id=contact_id, version=version, emails=list(emails), **fields)


def tell_deal(house: House, deal_id: str, version: int, category: str | None, *contact_ids: str) -> None:
    fields = {"contact_ids": list(contact_ids), "stage": "s", "category": category, "closing_date": None}
    tell(house, "crm.upsert_deal", id=deal_id, version=version, **fields)


def outcome(house: House, sender: str, number: int = 0) -> str | None:
    """What becomes of a mail that comes now."""
    message_id = house.deliver(sender, number)
    house.catch_up()
    return house.outcomes()[message_id]


def owner(house: House, sender: str, number: int = 0) -> str | None:
    """Whose mail it is."""
    message_id = house.deliver(sender, number)
    house.catch_up()
    with house.store.engine.connect() as db:
        return db.scalar(select(decisions.c.contact_id).where(decisions.c.message_id == message_id))


def states(kind: RecordKind, record_id: str) -> st.SearchStrategy[Record | None]:
    """What a record may be at one time; None is deleted. No user is ever deleted."""
    several = st.lists(st.sampled_from(("a@example.com", "b@example.com", "c@example.com")), unique=True)
    name = st.sampled_from(("Ann", "Bob", ""))
    if kind is RecordKind.USERS:
        return st.builds(UserRecord, st.just(record_id), name, several.map(tuple))
    days = st.none() | st.just(date(2026, 3, 31))
    record: st.SearchStrategy[Record] = (
        st.builds(
            ContactRecord,
            st.just(record_id),
            st.sampled_from(ContactKind),
            name,
            several.map(tuple),
            st.none() | st.just("uwe"),
            st.just(datetime(2024, 1, 2, tzinfo=UTC)),
            merged_from=st.just(()) | st.just(tuple({"1", "2", "3"} - {record_id})[:1]),
        )
        if kind is RecordKind.CONTACTS
        else st.builds(
            DealRecord,
            st.just(record_id),
            several.map(tuple),
            name,
            st.none() | st.sampled_from(DealCategory),
            days,
        )
    )
    return st.none() | record


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Change | Merge], list[Change | Merge]]:
    """Changes of some records in their order, and the same as a queue may deliver them."""
    kept = (*((RecordKind.CONTACTS, one) for one in "123"), (RecordKind.DEALS, "1"), (RecordKind.USERS, "1"))
    in_order: list[Change | Merge] = []
    for kind, record_id in kept:
        found = draw(st.lists(states(kind, record_id), max_size=4))
        versions = sorted(draw(st.sets(VERSIONS, min_size=len(found), max_size=len(found))))
        in_order += [Change(kind, record_id, *pair) for pair in zip(versions, found, strict=True)]
    merging = draw(st.lists(st.tuples(st.permutations("123"), VERSIONS), max_size=4))
    in_order += [Merge(who[0], tuple(who[1 : 2 + version % 2]), version) for who, version in merging]
    in_order.sort(key=lambda one: one.version)
    repeats = draw(st.lists(st.sampled_from(in_order), max_size=6)) if in_order else []
    return in_order, draw(st.permutations(in_order + repeats))


def end_of(changes: Sequence[Change | Merge], store: Store) -> list[list[Any]]:
    """All that an empty CRM is after these, but for the moments of deletions and merges."""
    with store.begin("tests.empty") as tx:
        for table in TABLES:
            tx.db.execute(table.delete())
    for one in changes:
        if isinstance(one, Merge):
            merge(one, store)
        else:
            change(one, store, Stages())
    with store.begin("tests.look") as tx:
        tx.db.execute(
            update(crm_versions).where(crm_versions.c.deleted_at.is_not(None)).values(deleted_at=THEN)
        )
        tx.db.execute(update(merges).values(settled_at=THEN))
        return [sorted(map(repr, tx.db.execute(select(table)))) for table in TABLES]


@pytest.mark.rule("I2")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories())
def test_any_order_with_any_repeats_ends_like_the_right_one(
    store: Store, history: tuple[list[Change | Merge], list[Change | Merge]]
) -> None:
    in_order, delivered = history
    assert end_of(delivered, store) == end_of(in_order, store)


@pytest.mark.rule("E9")
def test_a_stage_without_category_counts_as_open_and_is_logged_once(house: House) -> None:
    house.connect()
    stages = Stages()
    with structlog.testing.capture_logs() as logs:
        for number in range(3):
            deal = DealRecord(f"x{number}", ("ann", "bob"), "Dream", None, None)
            change(Change(RecordKind.DEALS, deal.id, 1, deal), house.store, stages)
    assert [line["stage"] for line in logs if line["event"] == "stage.uncategorised"] == ["Dream"]
    assert outcome(house, "bob") == "label.open"


@pytest.mark.rule("E9", "T2")
def test_the_same_stage_of_another_organisation_is_told_of_too(store: Store) -> None:
    acme = locations.add("acme/berlin", store).location
    stages = Stages()
    deal = DealRecord("d1", (), "Dream", None, None)
    with structlog.testing.capture_logs() as logs:
        for version in (1, 2):
            for where in (HERE, acme):
                change(Change(RecordKind.DEALS, deal.id, version, deal), store, stages, where)
    told = [line for line in logs if line["event"] == "stage.uncategorised"]
    assert [line["organisation_id"] for line in told] == [HERE.organisation_id, acme.organisation_id]


def test_the_log_says_what_became_of_a_change(store: Store) -> None:
    deal = DealRecord("d1", (), "Offer", DealCategory.WON, None)
    with structlog.testing.capture_logs() as logs:
        for record, version in ((deal, 2), (None, 1), (None, 3)):
            change(Change(RecordKind.DEALS, "d1", version, record), store, Stages())
    assert [(line["event"], line["record_id"], line["version"], line.get("deleted")) for line in logs] == [
        ("crm.changed", "d1", 2, False),
        ("crm.ignored", "d1", 1, None),
        ("crm.changed", "d1", 3, True),
    ]


@pytest.mark.rule("E22")
@pytest.mark.parametrize("first", ["from", "to"])
def test_an_address_that_has_moved_takes_future_mail_with_it(house: House, first: str) -> None:
    house.connect()
    tell_contact(house, "old", 1, "eve@example.com")
    assert owner(house, "eve", 1) == "old"
    moves = {"from": ("old", ()), "to": ("new", ("eve@example.com",))}
    for side in sorted(moves, key=lambda side: side != first):
        contact_id, emails = moves[side]
        tell_contact(house, contact_id, 2, *emails)
    tell_contact(house, "old", 1, "eve@example.com")
    assert owner(house, "eve", 2) == "new"


@pytest.mark.rule("E12", "E20")
def test_each_address_of_a_contact_is_its_own_and_it_may_have_none(house: House) -> None:
    house.connect()
    tell_contact(house, "eve", 1)
    assert outcome(house, "eve", 1) == "skip.no_contact"
    tell_contact(house, "eve", 2, "eve@example.com", "e@example.com")
    assert owner(house, "eve", 2) == owner(house, "e", 3) == "eve"


@pytest.mark.rule("E11", "E15")
def test_of_several_records_with_one_address_the_contact_and_of_those_the_oldest(house: House) -> None:
    house.connect()
    tell_contact(house, "lead", 1, "eve@example.com", kind="lead", created_at="2020-01-01")
    tell_contact(house, "young", 1, "eve@example.com", created_at="2025-01-01")
    tell_contact(house, "old", 1, "eve@example.com", created_at="2021-01-01")
    assert owner(house, "eve", 1) == "old"
    tell(house, "crm.delete_contact", id="old", version=2)
    assert owner(house, "eve", 2) == "young"


@pytest.mark.rule("E21")
def test_a_contact_that_is_made_later_changes_nothing_about_earlier_mail(house: House) -> None:
    house.connect()
    message_id = house.deliver("eve", 1)
    house.catch_up()
    tell_contact(house, "eve", 1, "eve@example.com")
    house.catch_up()
    assert house.outcomes() == {message_id: "skip.no_contact"}
    assert house.notified() == []


@pytest.mark.rule("E4", "E5", "E6", "E8")
def test_the_next_mail_is_sorted_by_the_deals_as_they_are_by_then(house: House) -> None:
    house.connect()
    tell_contact(house, "eve", 1, "eve@example.com")
    tell_deal(house, "x", 1, "OPEN", "ann")
    assert outcome(house, "eve", 1) == "label.none", "another contact's deal"
    tell_deal(house, "x", 2, "OPEN", "ann", "eve")
    assert outcome(house, "eve", 2) == "label.open", "a role in the deal"
    tell_deal(house, "y", 1, "WON", "eve")
    assert outcome(house, "eve", 3) == "label.open", "the highest row, not the newest deal"
    tell_deal(house, "x", 4, "LOST", "ann", "eve")
    tell_deal(house, "x", 3, "OPEN", "ann", "eve")
    assert outcome(house, "eve", 4) == "label.customer"
    tell(house, "crm.delete_deal", id="y", version=2)
    assert outcome(house, "eve", 5) == "label.none"


@pytest.mark.rule("E8")
def test_a_deal_may_come_before_its_contact(house: House) -> None:
    house.connect()
    tell_deal(house, "x", 1, "OPEN", "eve")
    tell_contact(house, "eve", 1, "eve@example.com")
    assert outcome(house, "eve") == "label.open"


@pytest.mark.rule("D3-9", "D4-5")
def test_the_addresses_of_a_user_are_insiders_from_the_next_match_on(house: House) -> None:
    house.connect()
    assert outcome(house, "ann", 1) == "label.open"
    tell(house, "crm.upsert_user", id="ann", version=1, name="Ann", emails=["ann@example.com"])
    assert outcome(house, "ann", 2) == "skip.internal"
    tell(house, "crm.upsert_user", id="ann", version=2, name="Ann", emails=[])
    assert outcome(house, "ann", 3) == "label.open"


@pytest.mark.rule("T1")
def test_a_contact_whose_user_is_no_member_of_the_location_goes_in_and_that_is_said(house: House) -> None:
    house.connect()
    tell(house, "crm.upsert_user", id="kim", version=1, name="", emails=[], locations=["north"])
    with structlog.testing.capture_logs() as logs:
        for number, user in enumerate(("uwe", "kim", None), 1):
            tell_contact(house, "eve", number, "eve@example.com", assigned_to=user)
    said = [(line["record_id"], line["user_id"]) for line in logs if line["event"] == "crm.misassigned"]
    assert said == [("eve", "kim")]
    assert owner(house, "eve") == "eve"
    ann = ContactRecord("ann", ContactKind.CONTACT, "", (), "kim", THEN)
    assert take_in([ann, replace(ann, id="a2", assigned_to="uwe")], house.store).misassigned == 1


@pytest.mark.rule("E71")
def test_what_was_a_merged_contacts_is_the_survivors(house: House) -> None:
    connection_id = house.connect()
    tell_contact(house, "old", 1, "eve@example.com")
    tell_contact(house, "new", 1, "e@example.com")
    tell_deal(house, "x", 1, "OPEN", "old")
    house.deliver("eve", 1)
    house.catch_up()
    with house.store.begin("tests.tick") as tx:
        connection = tx.connections.get(connection_id)
        assert connection is not None
        tx.connections.share_contact(connection, "old", shared=True)
    tell_merge(house, "new", 2, "old")
    assert owner(house, "eve", 2) == owner(house, "e", 3) == "new"
    assert outcome(house, "e", 4) == "label.open", "by the deal that names the other one"
    with house.store.begin("tests.look") as tx:
        here = tx.of(HERE)
        assert here.contacts.addresses_of("new") == ("e@example.com", "eve@example.com")
        assert here.contacts.addresses_of("old") is None
        assert not here.contacts.may_open("old", "uwe")
        assert {one.contact_id for one in here.notification_list.of_user("uwe", 0)} == {"new"}
        assert [one.share.ticked for one in here.sharing.mailboxes("eva", "new", SharingPolicy())] == [True]
        tx.connections.share_contact(connection, "new", shared=False)
        assert tx.db.scalars(select(shared_contacts.c.contact_id)).all() == []


@pytest.mark.rule("E71")
def test_a_merge_may_come_before_the_survivor_and_before_what_was_merged(house: House) -> None:
    house.connect()
    tell_merge(house, "new", 5, "ours")
    tell_contact(house, "ours", 1, "eve@example.com")
    assert owner(house, "eve", 1) == "ours", "the merge waits"
    tell_contact(house, "new", 4, "e@example.com")
    assert owner(house, "eve", 2) == "new"
    tell_contact(house, "new", 6, "e@example.com")
    assert outcome(house, "eve", 3) == "skip.no_contact", "its own change since tells all its addresses"
    tell_contact(house, "ours", 2, "eve@example.com")
    assert outcome(house, "eve", 4) == "skip.no_contact", "a late change of what is no more"
    tell_contact(house, "ours", 7, "eve@example.com")
    assert owner(house, "eve", 5) == "ours", "made anew"


@pytest.mark.rule("E72")
def test_the_survivors_assignment_and_viewers_count(house: House) -> None:
    tell_contact(house, "old", 1, "eve@example.com", assigned_to="uwe", visible_to=["uwe"])
    tell_contact(house, "new", 1, "e@example.com", assigned_to="eva", visible_to=["eva"])
    tell_merge(house, "new", 2, "old")
    with house.store.begin("tests.look") as tx:
        assert [tx.of(HERE).contacts.may_open("new", user) for user in ("uwe", "eva")] == [False, True]


@pytest.mark.rule("E71", "I2")
def test_what_a_file_says_of_a_merge_stands_when_the_message_before_it_comes_again(house: House) -> None:
    house.connect()
    for one in ("a", "b", "old"):
        tell_contact(house, one, 1, f"{one}@example.com")
    tell_merge(house, "b", 10, "old")
    tell_merge(house, "a", 10, "old")
    assert owner(house, "old", 1) == "b", "of two of one version, whatever their order"
    found = ContactRecord("a", ContactKind.CONTACT, "", ("a@example.com",), None, THEN, merged_from=("old",))
    take_in([found], house.store)
    for survivor in ("a", "b", "a"):
        tell_merge(house, survivor, 10, "old")
    assert owner(house, "old", 2) == "a"
    tell_merge(house, "b", 11, "old")
    assert owner(house, "old", 3) == "b"


@pytest.mark.parametrize("way", ["kind", "merged_from", "file"])
def test_a_lead_that_has_become_a_contact_is_sorted_from_the_next_mail_on(house: House, way: str) -> None:
    house.connect()
    tell_contact(house, "lead", 1, "eve@example.com", kind="lead")
    tell_deal(house, "x", 1, "OPEN", "lead" if way == "kind" else "c17")
    assert outcome(house, "eve", 1) == "label.none"
    if way == "kind":
        tell_contact(house, "lead", 2, "eve@example.com")
    elif way == "merged_from":
        tell_contact(house, "c17", 1, "eve@example.com", merged_from=["lead"])
    else:
        found = ContactRecord(
            "c17", ContactKind.CONTACT, "", ("e@example.com",), None, THEN, merged_from=("lead",)
        )
        take_in([found], house.store)
    assert outcome(house, "eve", 2) == "label.open"
    assert owner(house, "eve", 3) == ("lead" if way == "kind" else "c17")


@pytest.mark.rule("E73")
def test_a_deleted_contact_that_comes_back_is_what_it_was(house: House) -> None:
    house.connect()
    tell_contact(house, "eve", 1, "eve@example.com")
    tell_deal(house, "x", 1, "OPEN", "eve")
    assert outcome(house, "eve", 1) == "label.open"
    tell(house, "crm.delete_contact", id="eve", version=2)
    assert outcome(house, "eve", 2) == "skip.no_contact"
    tell_contact(house, "eve", 3, "eve@example.com")
    assert outcome(house, "eve", 3) == "label.open", "its deals name it still"
    with house.store.begin("tests.look") as tx:
        named = [(one.contact_id, one.name) for one in tx.of(HERE).notification_list.of_user("uwe", 0)]
    assert named == [("eve", "N"), ("eve", "N")], "mail that came meanwhile is not added"
