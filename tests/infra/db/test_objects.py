"""Rows of objects, and the keys that seal and name them; what is removed and what never."""

import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select, update

from domain.errors import TryAgain, UnreadableObject
from domain.objects import Reserved, Unused
from infra.db.store import Store
from infra.db.tables.conversations import files
from infra.db.tables.objects import objects, organisation_keys
from infra.secrets import WrongKey
from tests.plans import Ask, plans, read_whole
from tests.worlds import HERE

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ONE, TWO = "0a" * 32, "0b" * 32
OURS = HERE.organisation_id
A_FILE = {
    "location_id": HERE.id,
    "mail_id": "m",
    "part": "1",
    "name": "offer.pdf",
    "claimed_type": "application/pdf",
    "size": 7,
    "state": "kept",
}


def reserve(store: Store, *names: str) -> dict[str, Reserved]:
    with store.begin("copies.reserve") as tx:
        return dict(tx.of_organisation(OURS).objects.reserve(dict.fromkeys(names, 7)))


def use(store: Store, *reserved: Reserved) -> None:
    with store.begin("contacts.record") as tx:
        tx.of_organisation(OURS).objects.mark_used(reserved)


def age(store: Store, *names: str) -> None:
    """As if these had been stored long ago."""
    with store.begin("tests.age") as tx:
        tx.db.execute(update(objects).where(objects.c.name.in_(names)).values(stored_at=LONG_AGO))


def mark(store: Store, limit: int = 10) -> Unused:
    with store.begin("sweep.purge") as tx:
        return tx.unused_objects.mark(limit, ())


def left(store: Store) -> set[str]:
    with store.begin("tests.left") as tx:
        return set(tx.db.scalars(select(objects.c.name)))


def test_a_row_is_made_once_and_found_again(store: Store) -> None:
    first = reserve(store, TWO, ONE)
    assert {name: one.used for name, one in first.items()} == {ONE: False, TWO: False}
    use(store, first[ONE])
    again = reserve(store, ONE, TWO)
    assert (again[ONE].used, again[TWO]) == (True, first[TWO])
    use(store, *again.values())
    use(store)


@pytest.mark.rule("I8")
def test_what_nothing_names_for_a_day_is_marked_and_then_neither_reserved_nor_named(store: Store) -> None:
    found = reserve(store, ONE, TWO)
    assert mark(store) == Unused((), None)
    age(store, ONE)
    held = reserve(store, ONE)[ONE]
    assert mark(store) == Unused(((OURS, ONE),), None)
    assert mark(store) == Unused((), None), "somebody is at it"
    for writer in (lambda: reserve(store, ONE), lambda: use(store, held)):
        with pytest.raises(TryAgain):
            writer()
    with store.begin("sweep.purge") as tx:
        tx.unused_objects.removed([(OURS, ONE), (OURS, TWO)])
    assert left(store) == {TWO}, "what is not marked stays"
    with pytest.raises(TryAgain):
        use(store, held)
    use(store, *reserve(store, ONE).values())
    use(store, found[TWO])


def test_a_writer_of_before_a_removal_does_not_name_what_was_stored_after_it(store: Store) -> None:
    before = reserve(store, ONE)[ONE]
    age(store, ONE)
    mark(store)
    with store.begin("sweep.purge") as tx:
        tx.unused_objects.removed([(OURS, ONE)])
    reserve(store, ONE)
    with pytest.raises(TryAgain):
        use(store, before)


def test_a_removal_that_died_is_taken_up_later(store: Store) -> None:
    reserve(store, ONE)
    age(store, ONE)
    assert mark(store).objects
    with store.begin("tests.wait") as tx:
        tx.db.execute(update(objects).values(removing_at=LONG_AGO))
    assert mark(store).objects == ((OURS, ONE),)


def test_what_is_used_is_never_marked(store: Store) -> None:
    use(store, *reserve(store, ONE).values())
    age(store, ONE)
    assert mark(store) == Unused((), None)


def test_what_is_named_no_more_goes_at_once_and_who_has_reserved_it_is_told(store: Store) -> None:
    use(store, *reserve(store, ONE, TWO).values())
    held = reserve(store, ONE, TWO)
    with store.begin("tests.release") as tx:
        tx.db.execute(insert(files).values(A_FILE | {"object": TWO}))
        tx.of_organisation(OURS).objects.released([ONE, TWO])
    with pytest.raises(TryAgain):
        use(store, held[ONE])
    assert mark(store).objects == ((OURS, ONE),), "the other one is named by somebody else"
    use(store, held[TWO])


def test_what_a_row_names_is_never_marked_whatever_is_noted_of_it(store: Store) -> None:
    reserve(store, ONE)
    age(store, ONE)
    with store.begin("tests.name") as tx:
        tx.db.execute(insert(files).values(A_FILE | {"object": ONE}))
    assert mark(store) == Unused((), None)


@pytest.mark.rule("W11")
def test_stretches_go_on_where_the_last_one_ended(store: Store) -> None:
    names = [f"{number:064x}" for number in range(5)]
    reserve(store, *names)
    age(store, *names)
    found: list[str] = []
    after: tuple[int | str | datetime, ...] | None = ()
    while after is not None:
        with store.begin("sweep.purge") as tx:
            some = tx.unused_objects.mark(2, after)
        after = some.after
        found += [name for _, name in some.objects]
    assert found == names


ASKED: dict[str, Ask] = {
    "reserve": lambda tx: tx.of_organisation(OURS).objects.reserve({many(3): 7, ONE: 7}),
    "mark used": lambda tx: tx.of_organisation(OURS).objects.mark_used([Reserved(many(3), LONG_AGO, True)]),
    "release": lambda tx: tx.of_organisation(OURS).objects.released([many(3), many(4)]),
    "mark": lambda tx: tx.unused_objects.mark(50, ()),
    "mark more": lambda tx: tx.unused_objects.mark(50, (LONG_AGO, OURS, many(3))),
    "forget": lambda tx: tx.unused_objects.removed([(OURS, many(3)), (OURS, many(200))]),
}


def many(number: int) -> str:
    return f"{number:064x}"


@pytest.mark.rule("W11")
@pytest.mark.parametrize("ask", [pytest.param(ask, id=name) for name, ask in ASKED.items()])
def test_what_is_asked_of_objects_costs_the_same_however_many_there_are(store: Store, ask: Ask) -> None:
    with store.begin("tests.many") as tx:
        rows = [{"name": many(n), "used": n % 50 > 0} for n in range(1_000)]
        its = {"organisation_id": OURS, "size": 7, "stored_at": LONG_AGO}
        tx.db.execute(insert(objects), [its | row for row in rows])
        kept = [A_FILE | {"part": f"{n}", "object": many(n)} for n in range(1_000) if n % 50]
        tx.db.execute(insert(files), kept)
        if tx.db.dialect.name == "postgresql":
            tx.db.exec_driver_sql("ANALYZE objects, files")
    found = plans(store, ask)
    assert found
    assert not [line for plan in found for line in read_whole(plan)], found
    by_its_organisation = r"(PRIMARY KEY|autoindex_objects_1) \(organisation_id=\?\)"
    assert not [line for plan in found for line in plan if re.search(by_its_organisation, line)], found


@pytest.mark.rule("I10")
def test_an_organisation_has_its_keys_once_and_no_other_reads_with_them(
    store: Store, second_store: Store
) -> None:
    with store.begin("copies.keys") as tx:
        assert tx.of_organisation(OURS).objects.keys() is None
        keys = tx.of_organisation(OURS).objects.make_keys()
    with second_store.begin("copies.make_keys") as tx:
        same = tx.of_organisation(OURS).objects.make_keys()
        tx.organisations.add("other", "main")
        [other_place] = tx.organisations.named("other", "main")
        other = tx.of(other_place.location).objects.make_keys()
    sealed = keys.seal(b"content")
    assert b"content" not in sealed
    assert same.unseal(sealed) == b"content"
    assert keys.name(b"content") == same.name(b"content") != other.name(b"content")
    for wrong, unread in ((other, sealed), (keys, sealed[:-1]), (keys, b"")):
        with pytest.raises(UnreadableObject):
            wrong.unseal(unread)
    assert "AGE-SECRET-KEY" not in f"{keys!r} {keys}"


@pytest.mark.rule("I10")
def test_keys_that_no_token_key_opens_say_so(store: Store) -> None:
    with store.begin("copies.make_keys") as tx:
        tx.of_organisation(OURS).objects.make_keys()
        tx.db.execute(update(organisation_keys).values(sealed=b"another key's"))
    with store.begin("copies.keys", reads_only=True) as tx, pytest.raises(WrongKey):
        tx.of_organisation(OURS).objects.keys()
