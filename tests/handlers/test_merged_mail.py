"""Mail of contacts that the CRM has merged is mail of the one that stays: its labels, what is told of it (E47, E71)."""

import pytest

from domain.crm.records import RecordKind
from domain.ids import MailboxId
from handlers import matching
from handlers.crm import records
from handlers.sorting.sort import sort
from infra.local.gmail.control.client import Delivered
from tests.handlers.conftest import House
from tests.handlers.test_crm_changes import tell, tell_contact, tell_deal, tell_merge
from tests.handlers.test_explain import explained
from tests.handlers.test_threads import UNREAD, cut, row, writes
from tests.journeys.world import CUSTOMERS, OPEN
from tests.worlds import HERE


def known_twice(house: House) -> Delivered:
    """Eve has two records in the CRM; a mail of hers is under Open Deals, by the deal of one of them."""
    house.connect()
    tell_contact(house, "old", 1, "eve@example.com")
    tell_contact(house, "new", 1, "e@example.com")
    tell_deal(house, "x", 1, "OPEN", "old")
    first = writes(house, "eve", 1)
    house.catch_up()
    assert house.labels(first.id) == {UNREAD, OPEN}
    return first


@pytest.mark.rule("E47", "E71")
def test_earlier_mail_of_a_merged_contact_gets_the_label_of_the_survivors_next_mail(house: House) -> None:
    first = known_twice(house)
    elsewhere = writes(house, "eve", 2)
    house.catch_up()
    tell_merge(house, "new", 2, "old")
    house.catch_up()
    assert house.labels(first.id) == {UNREAD, OPEN}, "a merge by itself changes no label"
    tell_deal(house, "x", 2, "WON", "old")
    second = writes(house, "e", 3, first)
    house.catch_up()
    assert house.labels(first.id) == house.labels(second.id) == {UNREAD, CUSTOMERS}
    assert house.labels(elsewhere.id) == {UNREAD, OPEN}, "in another thread"
    now = row(house, first.id)
    assert (now.contact_id, now.category, now.replaces) == ("old", "CUSTOMER", None)


@pytest.mark.rule("E47", "E71")
def test_the_survivors_earlier_mail_follows_one_that_was_matched_before_the_merge(house: House) -> None:
    house.connect()
    tell_contact(house, "old", 1, "eve@example.com")
    tell_contact(house, "new", 1, "e@example.com")
    tell_deal(house, "x", 1, "OPEN", "new")
    first = writes(house, "e", 1)
    house.catch_up()
    second = writes(house, "eve", 2, first)
    house.catch_up_only()
    matching.match(MailboxId(1), house.context)
    tell_merge(house, "new", 2, "old")
    tell_deal(house, "x", 2, "WON", "new")
    house.pump()
    assert row(house, second.id).contact_id == "old"
    assert house.labels(first.id) == house.labels(second.id) == {UNREAD, CUSTOMERS}


@pytest.mark.rule("E47", "E71")
def test_mail_of_a_record_that_is_made_anew_is_its_own_again(house: House) -> None:
    first = known_twice(house)
    tell_merge(house, "new", 2, "old")
    tell_contact(house, "old", 3, "eve@example.com")
    tell_deal(house, "y", 1, "WON", "new")
    second = writes(house, "e", 2, first)
    house.catch_up()
    assert house.labels(first.id) == {UNREAD, OPEN}
    assert house.labels(second.id) == {UNREAD, CUSTOMERS}


@pytest.mark.rule("E47", "E71", "W5")
def test_a_half_replaced_label_is_finished_after_a_merge(house: House) -> None:
    first = known_twice(house)
    tell_deal(house, "x", 2, "WON", "old")
    second = writes(house, "eve", 2, first)
    cut(house, "change", "after")
    assert row(house, first.id).replaces == "OPEN"
    tell_merge(house, "new", 2, "old")
    house.let_time_pass()
    house.queue.redis.flushall()
    sort(MailboxId(1), house.context)
    assert house.labels(first.id) == house.labels(second.id) == {UNREAD, CUSTOMERS}
    assert (row(house, first.id).category, row(house, first.id).replaces) == ("CUSTOMER", None)


@pytest.mark.rule("E71", "E9")
def test_explain_tells_of_the_one_that_stays(house: House) -> None:
    first = known_twice(house)
    tell_merge(house, "new", 2, "old")
    records.refuse(RecordKind.CONTACTS, "old", None, "emails is no list", house.store)
    said = explained(house, first.id)
    assert "contact new (N)" in said
    assert "deal x of contact new is open" in said
    assert "contact old, a change of which was refused" in said, "its addresses and deals count"


@pytest.mark.rule("E71", "E73")
def test_of_a_survivor_that_is_deleted_nothing_is_named_by_what_was_merged_into_it(house: House) -> None:
    known_twice(house)
    tell_merge(house, "new", 2, "old")
    with house.store.begin("tests.look") as tx:
        assert [one.name for one in tx.of(HERE).notification_list.of_user("uwe", 0)] == ["N"]
    tell(house, "crm.delete_contact", id="new", version=3)
    with house.store.begin("tests.look") as tx:
        assert [one.name for one in tx.of(HERE).notification_list.of_user("uwe", 0)] == [None]
        assert tx.of(HERE).contacts.candidates({"eve@example.com"}) == ()
