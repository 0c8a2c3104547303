"""Merges, deletions and changes of the same contacts at the same moment, on a database with several writers (E71)."""

from collections.abc import Callable, Sequence
from functools import partial
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import select

from domain.crm.contacts import ContactKind
from domain.crm.merges import Merge
from domain.crm.records import Change, ContactRecord, RecordKind
from domain.ids import MailboxId
from handlers import matching
from handlers.crm.merging import merge
from handlers.crm.records import Stages, change
from infra.db.store import Store
from infra.db.tables.crm import contacts, merges
from tests.handlers.conftest import House
from tests.handlers.test_crm_changes import THEN, tell_contact, tell_merge
from tests.worlds import HERE

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

ROUNDS = 20

Told = Callable[[str], Change | Merge]
"""What the CRM tells, of records whose ids begin so."""


def merged(survivor: str, version: int, *losers: str) -> Told:
    return lambda of: Merge(of + survivor, tuple(of + one for one in losers), version)


def is_now(record_id: str, version: int) -> Told:
    return lambda of: Change(RecordKind.CONTACTS, of + record_id, version, _record(of + record_id))


def is_deleted(record_id: str, version: int) -> Told:
    return lambda of: Change(RecordKind.CONTACTS, of + record_id, version, None)


def _record(contact_id: str) -> ContactRecord:
    return ContactRecord(contact_id, ContactKind.CONTACT, "", (f"{contact_id}@example.com",), None, THEN)


@pytest.mark.rule("E71", "W11")
@pytest.mark.parametrize(
    ("before", "told"),
    [
        pytest.param([], [merged("b", 5, "a"), merged("a", 6, "b")], id="each into the other"),
        pytest.param([], [merged("b", 5, "a"), merged("a", 5, "b")], id="of one version"),
        pytest.param([], [merged("c", 5, "a"), merged("c", 6, "b")], id="two into one"),
        pytest.param([], [merged("b", 5, "a"), merged("c", 6, "b")], id="one behind the other"),
        pytest.param([], [merged("b", 5, "a"), merged("c", 6, "b"), merged("a", 7, "c")], id="in a circle"),
        pytest.param([], [merged("b", 5, "a"), is_deleted("a", 6)], id="and deleted"),
        pytest.param([], [merged("b", 5, "a"), is_deleted("a", 4)], id="and deleted before it"),
        pytest.param([], [merged("b", 5, "a"), is_now("a", 6)], id="and made anew"),
        pytest.param([], [merged("b", 5, "a"), is_now("b", 5)], id="and the survivor's own change"),
        pytest.param([], [merged("b", 5, "a"), is_deleted("b", 6)], id="and the survivor deleted"),
        pytest.param(
            [merged("c", 5, "a", "b")], [is_deleted("a", 6), is_deleted("c", 6)], id="all deleted after it"
        ),
        pytest.param([merged("c", 5, "a", "b")], [is_now("a", 7), is_now("c", 6)], id="all changed after it"),
    ],
)
def test_whatever_comes_at_the_same_moment_ends_as_in_any_order(
    store: Store, before: Sequence[Told], told: Sequence[Told]
) -> None:
    def tell(one: Told, of: str) -> None:
        is_told = one(of)
        if isinstance(is_told, Merge):
            merge(is_told, store)
        else:
            change(is_told, store, Stages())

    rounds = [f"{n} " for n in range(ROUNDS)]
    with store.begin("tests.begin") as tx:
        here = tx.of(HERE).crm
        for of in ("one ", "two ", *rounds):
            here.put([_record(of + record_id) for record_id in "abc"])
            for is_told in (one(of) for one in before):
                assert isinstance(is_told, Merge)
                here.merge(is_told)
    for of, in_order in (("one ", told), ("two ", told[::-1])):
        for one in in_order:
            tell(one, of)
    for of in rounds:
        at_once(*(partial(tell, one, of) for one in told))
    expected = end(store, "one ")
    assert {of: end(store, of) for of in ("two ", *rounds)} == dict.fromkeys(("two ", *rounds), expected)


def end(store: Store, of: str) -> list[Any]:
    """For whom these records count, and which of them are there."""
    with store.begin("tests.look", reads_only=True) as tx:
        rows = tx.db.execute(select(merges).where(merges.c.record_id.startswith(of))).all()
        known = tx.db.scalars(select(contacts.c.id).where(contacts.c.id.startswith(of))).all()
    standing = sorted(
        (r.record_id, r.survivor or "", r.version, r.counts_for or "", r.outlived) for r in rows
    )
    return [[str(value).removeprefix(of) for value in row] for row in (*standing, sorted(known))]


def at_once(*calls: Callable[[], object]) -> None:
    """Each in a thread of its own, from one moment on; what one of them raises is raised."""
    ready, errors = Barrier(len(calls)), list[BaseException]()

    def run(call: Callable[[], object]) -> None:
        ready.wait(10)
        try:
            call()
        except BaseException as error:
            errors.append(error)

    threads = [Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for error in errors:
        raise error
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.rule("E71", "I9")
def test_mail_that_is_matched_while_its_contact_is_merged_is_the_survivors(house: House) -> None:
    house.connect()
    mails: dict[str, str] = {}
    for n in range(ROUNDS):
        tell_contact(house, f"old{n}", 1, f"eve{n}@example.com")
        tell_contact(house, f"new{n}", 1, f"e{n}@example.com")
        mails[house.deliver(f"eve{n}", 1)] = f"new{n}"
        house.catch_up_only()
        at_once(
            partial(matching.match, MailboxId(1), house.context),
            partial(tell_merge, house, f"new{n}", 2, f"old{n}"),
        )
    house.pump()
    assert set(house.outcomes().values()) == {"label.none"}
    with house.store.begin("tests.look") as tx:
        told = {one.message_id: one.contact_id for one in tx.of(HERE).notification_list.of_user("uwe", 0)}
    assert told == mails
