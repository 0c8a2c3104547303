"""Which conversations a user is shown, in which order, and by which index they are found (D1, H52)."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import insert

from domain.connections.connections import Features
from domain.conversations.lists import Bookmark, Choice, ListedConversation
from domain.crm.locations import Location
from infra.db.store import Store
from infra.db.tables.conversations import conversations, mail_sources, mails
from infra.db.tables.crm import contact_viewers, contacts, merges
from tests.conversations import contact, conversation, conversation_row, mail, mail_row, source_row
from tests.plans import Ask, plans, read_whole
from tests.worlds import HERE, START, World

NORTH = Location(2, 1)
MANY = 300


def _listed(
    store: Store,
    viewer: str = "uwe",
    choice: Choice = Choice.ALL,
    contact_id: str | None = None,
    before: Bookmark | None = None,
    limit: int = 50,
    location: Location = HERE,
) -> tuple[ListedConversation, ...]:
    with store.begin("tests.list", reads_only=True) as tx:
        return tx.of(location).conversation_reading.page(viewer, choice, contact_id, before, limit)


def _ids(found: tuple[ListedConversation, ...]) -> list[str]:
    return [one.id for one in found]


@pytest.mark.rule("D1")
def test_who_may_open_the_owner_sees_the_conversation(store: Store) -> None:
    contact(store, "open")
    contact(store, "evas", viewers=["eva"])
    contact(store, "assigned", assigned_to="uwe", viewers=["eva"])
    for n, one in enumerate(("open", "evas", "assigned", "nobody")):
        conversation(store, f"of-{one}", one, at=START + timedelta(minutes=n))

    assert _ids(_listed(store, "uwe")) == ["of-assigned", "of-open"]
    assert _ids(_listed(store, "eva")) == ["of-assigned", "of-evas", "of-open"]
    assert _ids(_listed(store, "uwe", contact_id="evas")) == []
    with store.begin("tests.get", reads_only=True) as tx:
        reading = tx.of(HERE).conversation_reading
        assert reading.get("of-evas", "uwe") is reading.get("of-none", "uwe") is None
        assert reading.get("of-nobody", "uwe") is None, "its owner is not there"
        found = reading.get("of-evas", "eva")
    assert found
    assert (found.contact_id, found.contact_name) == ("evas", "Evas")


@pytest.mark.rule("D6-7", "E71")
def test_a_merged_owners_conversations_are_the_survivors(store: Store) -> None:
    contact(store, "old", viewers=["eva"])
    contact(store, "new")
    contact(store, "gone")
    conversation(store, "first", "old")
    conversation(store, "second", "new", at=START + timedelta(minutes=1))
    conversation(store, "third", "gone", at=START + timedelta(minutes=2))
    with store.begin("tests.merge") as tx:
        settled = insert(merges).values(location_id=1, version=1, settled_at=START, survivor="new")
        tx.db.execute(settled.values(record_id="old", counts_for="new"))
        tx.db.execute(settled.values(record_id="gone", outlived=True))

    of_new = _listed(store, "uwe", contact_id="new")
    assert [(one.id, one.contact_id) for one in of_new] == [("second", "new"), ("first", "new")]
    assert _ids(_listed(store, "uwe")) == ["second", "first"]


def test_pages_follow_each_other_and_show_each_conversation_once(store: Store) -> None:
    contact(store, "ann")
    expected: list[str] = []
    for n in range(25):
        conversation(store, f"c{n:02}", "ann", at=START + timedelta(minutes=n // 3))
        expected.insert(0, f"c{n:02}")
    for contact_id in ("ann", None):
        shown: list[str] = []
        before = None
        while page := _listed(store, contact_id=contact_id, before=before, limit=4):
            shown += _ids(page)
            before = page[-1].bookmark
        assert shown == expected


@pytest.mark.rule("H52")
def test_new_is_what_came_in_and_concerns_the_reader_until_he_has_opened_it(
    world: World, store: Store
) -> None:
    """To Uwe's mailbox, and of Eva's contact."""
    contact(store, "ann", assigned_to="eva")
    contact(store, "ben")
    for name, owner in (("one", "ann"), ("two", "ben"), ("three", "ben"), ("four", "ben")):
        conversation(store, name, owner)
    mail(store, "one", "m1", minute=1, mailbox_id=world.mailbox_id)
    mail(store, "one", "m2", minute=2, mailbox_id=world.mailbox_id, read_by=["uwe"])
    mail(store, "one", "m3", minute=3, mailbox_id=world.mailbox_id, direction="outbound")
    mail(store, "two", "m4", minute=4, mailbox_id=world.mailbox_id, read_by=["uwe"])
    mail(store, "three", "m5", minute=5, mailbox_id=world.mailbox_id)
    mail(store, "four", "m6", minute=6, mailbox_id=99)

    def counts(viewer: str, choice: Choice) -> dict[str, int]:
        return {one.id: one.new_mails for one in _listed(store, viewer, choice)}

    assert counts("uwe", Choice.ALL) == {"one": 1, "two": 0, "three": 1, "four": 0}
    assert counts("uwe", Choice.NEW) == {"one": 1, "three": 1}
    assert counts("uwe", Choice.MINE) == {"one": 1, "two": 0, "three": 1}
    assert counts("eva", Choice.NEW) == counts("eva", Choice.MINE) == {"one": 2}
    assert counts("otto", Choice.NEW) == counts("otto", Choice.MINE) == {}


@pytest.mark.rule("H52")
def test_opening_twice_and_by_others_does_no_harm(world: World, store: Store) -> None:
    contact(store, "ann", assigned_to="eva")
    conversation(store, "one", "ann")
    mail(store, "one", "m1", mailbox_id=world.mailbox_id)
    for _ in range(2):
        with store.begin("tests.read") as tx:
            tx.of(HERE).conversation_reading.keep_read(["m1"], "uwe")
    assert _ids(_listed(store, "uwe", Choice.NEW)) == []
    assert _ids(_listed(store, "eva", Choice.NEW)) == ["one"]


@pytest.mark.rule("H52")
def test_a_mailbox_that_is_switched_off_is_nobodys_reason(world: World, store: Store) -> None:
    contact(store, "ann")
    conversation(store, "one", "ann")
    mail(store, "one", "m1", mailbox_id=world.mailbox_id)
    with store.begin("tests.off") as tx:
        tx.connections.switch_off(world.connection_id)
    assert _ids(_listed(store, "uwe", Choice.NEW)) == _ids(_listed(store, "uwe", Choice.MINE)) == []
    assert _ids(_listed(store, "uwe")) == ["one"]


def test_a_conversation_is_dormant_when_no_connection_that_brought_it_is_on(
    world: World, store: Store
) -> None:
    contact(store, "ann")
    for name in ("kept", "unsent"):
        conversation(store, name, "ann")
    mail(store, "kept", "m1", mailbox_id=world.mailbox_id)
    mail(store, "unsent", "m2", direction="outbound", state="sending", outbox_id=1)
    with store.begin("tests.sync") as tx:
        tx.connections.change(world.connection_id, Features(sync_since=START), dry_run=False)
    assert {one.id: one.state for one in _listed(store)} == {"kept": "active", "unsent": "active"}
    with store.begin("tests.off") as tx:
        tx.connections.switch_off(world.connection_id)
    assert {one.id: one.state for one in _listed(store)} == {"kept": "dormant", "unsent": "active"}
    with store.begin("tests.get", reads_only=True) as tx:
        found = tx.of(HERE).conversation_reading.get("kept", "uwe")
    assert found
    assert found.state == "dormant"


@pytest.mark.rule("H40", "H41")
def test_failed_and_undelivered_mail_is_found_and_counted(store: Store) -> None:
    contact(store, "ann")
    states = ("sending", "sent", "failed", "not_delivered", None)
    for n, state in enumerate(states):
        conversation(store, f"c{n}", "ann", at=START + timedelta(minutes=n))
        mail(store, f"c{n}", f"m{n}", minute=n, state=state, direction="outbound", outbox_id=n)
    assert {one.id: one.failed_mails for one in _listed(store, choice=Choice.FAILED)} == {"c3": 1, "c2": 1}


def test_a_list_shows_the_newest_mail_of_each(store: Store) -> None:
    contact(store, "ann")
    conversation(store, "one", "ann")
    mail(store, "one", "m1", minute=1)
    mail(store, "one", "m2", minute=2, author_name="", direction="outbound")
    [found] = _listed(store)
    assert (found.author, found.direction, found.preview) == ("ann@example.com", "outbound", "preview of m2")
    assert (found.mails, found.last_mail_at) == (2, START + timedelta(minutes=2))


@pytest.mark.rule("T2")
def test_a_location_shows_nothing_of_another(world: World, store: Store) -> None:
    with store.begin("tests.location") as tx:
        assert tx.organisations.add("main", "north")
    for place in (HERE, NORTH):
        contact(store, "ann", assigned_to="uwe", location_id=place.id)
        conversation(store, f"in-{place.id}", "ann", location_id=place.id)
        mail(store, f"in-{place.id}", "m1", mailbox_id=world.mailbox_id, location_id=place.id, state="failed")
    for choice in Choice:
        assert _ids(_listed(store, choice=choice)) == ["in-1"]
        assert _ids(_listed(store, choice=choice, location=NORTH)) == ["in-2"]


def _page(choice: Choice, contact_id: str | None = None) -> Ask:
    place = Bookmark(START + timedelta(minutes=200), "c200")
    return lambda tx: tx.of(HERE).conversation_reading.page("uwe", choice, contact_id, place, 50)


ASKED: dict[str, Ask] = {
    "a contact's": _page(Choice.ALL, "ann1"),
    "all": _page(Choice.ALL),
    "mine": _page(Choice.MINE),
    "new": _page(Choice.NEW),
    "failed": _page(Choice.FAILED),
    "one": lambda tx: tx.of(HERE).conversation_reading.get("c7", "uwe"),
    "its mails": lambda tx: tx.of(HERE).conversation_reading.mails("c7", "uwe", None, 50),
}


@pytest.mark.parametrize("ask", [pytest.param(ask, id=name) for name, ask in ASKED.items()])
def test_what_readers_ask_is_found_by_indexes(world: World, store: Store, ask: Ask) -> None:
    many_conversations(world, store)
    found = plans(store, ask)
    assert found
    assert not [line for plan in found for line in read_whole(plan)], found
    of_location = (
        r"\b(conversations|mails|mail_sources|contacts) USING (?!INDEX mails_failed).*\(location_id=\?\)"
    )
    assert not [line for plan in found for line in plan if re.search(of_location, line)], found


def many_conversations(world: World, store: Store) -> None:
    """Three hundred contacts with a conversation of a mail each, as the planner needs them to see what an index is good
    for."""
    here = {"location_id": 1}
    at = [START + timedelta(minutes=n) for n in range(MANY)]
    with store.begin("tests.many") as tx:
        tx.db.execute(
            insert(contacts),
            [
                here
                | {
                    "id": f"ann{n}",
                    "kind": "contact",
                    "name": "Ann",
                    "assigned_to": f"u{n}",
                    "created_at": START,
                }
                for n in range(MANY)
            ],
        )
        tx.db.execute(
            insert(contact_viewers), [here | {"contact_id": f"ann{n}", "user_id": "uwe"} for n in range(MANY)]
        )
        tx.db.execute(
            insert(merges),
            [
                here | {"record_id": f"old{n}", "counts_for": f"ann{n}", "version": 1, "settled_at": START}
                for n in range(MANY)
            ],
        )
        for n in range(MANY):
            tx.db.execute(insert(conversations), conversation_row(f"c{n}", f"ann{n}", at[n]))
            tx.db.execute(insert(mails), mail_row(f"c{n}", f"m{n}", at[n]))
            tx.db.execute(insert(mail_sources), source_row(f"c{n}", f"m{n}", world.mailbox_id + n % 2, at[n]))
        if tx.db.dialect.name == "postgresql":
            tx.db.exec_driver_sql("ANALYZE")
