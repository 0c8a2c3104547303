"""What is forgotten when, and what never is (D2, W11)."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Table, event, func, insert, select, update

from domain.crm.contacts import ContactKind
from domain.crm.records import Change, ContactRecord, RecordKind
from domain.ledger import State
from domain.outcomes import Outcome
from domain.retention import After, Forgotten
from infra.db.store import Store, Transaction
from infra.db.tables.channels import channels, deliveries
from infra.db.tables.connections import connections, sign_ins
from infra.db.tables.crm import crm_versions
from infra.db.tables.ledger import duties, steps
from infra.db.tables.mail import messages, notifications
from tests.worlds import HERE, OF_HERE, START, World, make_world

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SOON = datetime(9999, 1, 1, tzinfo=UTC)


def old_mails(world: World, *message_ids: str, state: State = State.DONE, at: datetime = LONG_AGO) -> None:
    """All seen in one moment."""
    its = {"mailbox_id": world.mailbox_id}
    with world.store.begin("tests.old") as tx:
        tx.db.execute(
            insert(messages), [its | {"message_id": i, "came_by": "push", "seen_at": at} for i in message_ids]
        )
        match = its | {
            "step": "match",
            "connection_id": 0,
            "state": state.value,
            "ready_at": at,
            "redrive_at": at,
        }
        tx.db.execute(insert(steps), [match | {"message_id": i} for i in message_ids])


def stretches(world: World, limit: int) -> Iterator[Forgotten]:
    """As the purge goes through the mails."""
    after: After | None = ()
    while after is not None:
        with world.store.begin("sweep.purge") as tx:
            found = tx.retention.mails(35, limit, after)
        yield found
        after = found.after


def count(store: Store, table: Table) -> int:
    with store.begin("tests.count") as tx:
        return tx.db.scalar(select(func.count()).select_from(table)) or 0


@pytest.mark.rule("D2", "W11")
def test_many_mails_of_one_moment_are_forgotten_stretch_by_stretch(world: World) -> None:
    old_mails(world, *(f"m{n}" for n in range(7)))
    assert [found.rows for found in stretches(world, 3)] == [3, 3, 1]
    assert (count(world.store, messages), count(world.store, steps)) == (0, 0)


@pytest.mark.rule("D2", "I1")
def test_old_mail_that_waits_is_passed_by_and_holds_up_nothing(world: World) -> None:
    """All of one moment: where it goes on is told by more than the time."""
    old_mails(world, *(f"a{n}" for n in range(4)), state=State.WAITING)
    old_mails(world, *(f"b{n}" for n in range(2)))
    old_mails(world, "c", state=State.BLOCKED)
    old_mails(world, "d", state=State.SET_ASIDE)
    assert sum(found.rows for found in stretches(world, 2)) == 3
    with world.store.begin("tests.left") as tx:
        left = set(tx.db.scalars(select(messages.c.message_id)))
    assert left == {"a0", "a1", "a2", "a3", "c"}
    assert count(world.store, steps) == 5


@pytest.mark.rule("W11")
def test_how_much_a_stretch_asks_does_not_grow_with_mailboxes(store: Store) -> None:
    """A mail in each of twenty takes as many statements as twenty mails in one."""
    asked: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        asked.append(statement)

    def statements(worlds: Iterable[World]) -> int:
        for number, world in enumerate(worlds):
            old_mails(world, f"m{number}")
        asked.clear()
        with store.begin("sweep.purge") as tx:
            assert tx.retention.mails(35, 100, ()).rows == 20
        return len(asked)

    many = [make_world(store, f"u{n}@firm.example", f"u{n}") for n in range(20)]
    event.listen(store.engine, "before_cursor_execute", note)
    try:
        assert statements([many[0]] * 20) == statements(many)
    finally:
        event.remove(store.engine, "before_cursor_execute", note)


@pytest.mark.rule("E58")
def test_labelled_mail_is_forgotten_with_the_rest_where_sorting_is_off(world: World) -> None:
    old_mails(world, "a")
    with world.store.begin("tests.off") as tx:
        tx.decisions.skip(world.mailbox_id, {"a": Outcome.LABEL_OPEN}, [world.connection_id])
        tx.db.execute(update(connections).values(sorting_since=None))
    assert [found.rows for found in stretches(world, 3)] == [1]
    with world.store.begin("tests.left") as tx:
        assert not tx.history.known(world.mailbox_id, ["a"])


# --- Notifications


def put_on_the_list(world: World, *moments: datetime) -> None:
    with world.store.begin("tests.list") as tx:
        its = {"connection_id": world.connection_id, "user_id": "uwe"}
        rows = [its | {"message_id": f"m{n}", "created_at": moment} for n, moment in enumerate(moments)]
        tx.db.execute(insert(notifications).values(OF_HERE), rows)


def forget_notifications(store: Store, limit: int = 10, after: After = ()) -> Forgotten:
    with store.begin("sweep.purge") as tx:
        return tx.retention.notifications(365, limit, after)


def test_notifications_are_forgotten_after_a_year_and_ids_go_on(world: World) -> None:
    put_on_the_list(world, LONG_AGO, LONG_AGO, SOON)
    assert forget_notifications(world.store) == Forgotten(2, None)
    with world.store.begin("tests.read") as tx:
        assert [notice.id for notice in tx.of(HERE).notification_list.of_user("uwe", 0)] == [3]
        tx.db.execute(notifications.delete())
    with world.store.begin("tests.more") as tx:
        tx.db.execute(
            insert(notifications).values(
                organisation_id=1,
                location_id=1,
                connection_id=1,
                user_id="uwe",
                message_id="m9",
                created_at=SOON,
            )
        )
        assert [notice.id for notice in tx.of(HERE).notification_list.of_user("uwe", 2)] == [4]


@pytest.mark.rule("I1", "E91")
def test_what_a_channel_has_not_taken_yet_stays(world: World) -> None:
    put_on_the_list(world, *[LONG_AGO] * 3)
    with world.store.begin("tests.channels") as tx:
        channel = {"id": 1, "kind": "webhook", "target": b"", "state": "active", "created_at": START}
        tx.db.execute(insert(channels).values(organisation_id=1), channel)
        way = {"channel_id": 1, "user_id": "uwe", "ready_at": SOON, "redrive_at": SOON}
        tx.db.execute(
            insert(deliveries),
            [
                way | {"notification_id": 1, "state": "waiting"},
                way | {"notification_id": 2, "state": "set_aside"},
            ],
        )
    first = forget_notifications(world.store, limit=2)
    assert first == Forgotten(1, (2,)), "the one that waits is passed by"
    assert forget_notifications(world.store, limit=2, after=first.after or ()) == Forgotten(1, None)
    with world.store.begin("tests.left") as tx:
        assert tx.db.scalars(select(notifications.c.id)).all() == [1]
        assert tx.db.scalars(select(deliveries.c.notification_id)).all() == [1]


@pytest.mark.rule("E91")
def test_what_no_receiver_takes_is_given_up_after_a_week_and_stays_on_the_list(world: World) -> None:
    put_on_the_list(world, *[LONG_AGO] * 4, SOON)
    way = {"user_id": "uwe", "ready_at": LONG_AGO, "redrive_at": LONG_AGO, "owner": None}
    with world.store.begin("tests.channels") as tx:
        for number in (1, 2):
            channel = {"id": number, "kind": "webhook", "target": b"", "state": "active", "created_at": START}
            tx.db.execute(insert(channels).values(organisation_id=1), channel)
        tx.db.execute(
            insert(deliveries),
            [
                way | {"channel_id": 1, "notification_id": 1, "state": "waiting"},
                way | {"channel_id": 2, "notification_id": 1, "state": "waiting"},
                way | {"channel_id": 1, "notification_id": 2, "state": "set_aside"},
                way
                | {"channel_id": 1, "notification_id": 3, "state": "waiting"}
                | {"owner": "notifier", "ready_at": SOON},
                way | {"channel_id": 2, "notification_id": 4, "state": "waiting"},
                way | {"channel_id": 1, "notification_id": 5, "state": "waiting"},
            ],
        )

    def forget(after: After) -> Forgotten:
        with world.store.begin("sweep.purge") as tx:
            return tx.retention.deliveries(7, 2, after)

    assert forget(()) == Forgotten(2, (1, 2), {1: 1, 2: 1})
    assert forget((1, 2)) == Forgotten(1, (3, 1), {1: 1}), "the one that is being sent is passed by"
    assert forget((3, 1)) == Forgotten(1, None, {2: 1})
    with world.store.begin("tests.left") as tx:
        assert tx.db.scalars(select(notifications.c.id).order_by(notifications.c.id)).all() == [1, 2, 3, 4, 5]
        assert sorted(tx.db.scalars(select(deliveries.c.notification_id))) == [3, 5]


# --- The CRM's versions

ANN = ContactRecord("ann", ContactKind.CONTACT, "Ann", ("ann@example.com",), None, START)


def change(tx: Transaction, version: int, record: ContactRecord | None) -> bool:
    return tx.of(HERE).crm.change(Change(RecordKind.CONTACTS, "ann", version, record))


def pass_years(tx: Transaction) -> None:
    gone = crm_versions.c.deleted_at.is_not(None)
    tx.db.execute(update(crm_versions).where(gone).values(deleted_at=LONG_AGO))


@pytest.mark.rule("I2")
def test_the_version_of_a_deleted_record_voids_late_changes_for_as_long_as_one_may_come(store: Store) -> None:
    with store.begin("tests.change") as tx:
        change(tx, 5, ANN)
        change(tx, 7, None)
        assert tx.retention.versions(90, 10, ()) == Forgotten(0, None)
        assert not change(tx, 6, ANN)
        pass_years(tx)
        assert tx.retention.versions(90, 10, ()) == Forgotten(1, None)
        assert change(tx, 1, ANN), "made anew, and its CRM counts from the beginning"


@pytest.mark.parametrize("back", ["change", "file"])
def test_the_version_of_a_living_record_stays(store: Store, back: str) -> None:
    with store.begin("tests.change") as tx:
        change(tx, 5, ANN)
        change(tx, 7, None)
        pass_years(tx)
        if back == "change":
            change(tx, 8, ANN)
        else:
            tx.of(HERE).crm.put([ANN])
        assert tx.retention.versions(90, 10, ()) == Forgotten(0, None)
        assert not change(tx, 7, None)


def test_a_record_that_a_file_deletes_is_deleted(store: Store) -> None:
    with store.begin("tests.change") as tx:
        change(tx, 5, ANN)
        tx.of(HERE).crm.delete(RecordKind.CONTACTS, ["ann"])
        pass_years(tx)
        assert tx.retention.versions(90, 10, ()) == Forgotten(1, None)


def test_versions_are_forgotten_stretch_by_stretch(store: Store) -> None:
    with store.begin("tests.versions") as tx:
        gone = {"kind": "contacts", "version": 1, "deleted_at": LONG_AGO}
        tx.db.execute(insert(crm_versions), [OF_HERE | gone | {"record_id": f"c{n}"} for n in range(5)])
        assert [bool(tx.retention.versions(90, 2, ()).after) for _ in range(3)] == [True, True, False]
    assert count(store, crm_versions) == 0


# --- Whose turn it is


@pytest.mark.rule("I2")
def test_of_several_who_ask_one_has_the_turn_until_it_is_due_again(store: Store, second_store: Store) -> None:
    def ask(where: Store) -> bool:
        with where.begin("sweep.purge_due") as tx:
            return tx.retention.take_turn("purge", 60)

    assert [ask(store), ask(second_store), ask(store)] == [True, False, False]
    with store.begin("tests.pass") as tx:
        tx.db.execute(update(duties).values(due_at=LONG_AGO))
    assert [ask(second_store), ask(store)] == [True, False]
    with store.begin("sweep.purged") as tx:
        tx.retention.keep_turn("purge", 0)
    assert ask(store)


def test_sign_ins_that_nobody_came_back_for_are_forgotten(store: Store) -> None:
    with store.begin("tests.sign_ins") as tx:
        one = {"user_id": "uwe", "sealed": b""}
        rows = [one | {"state": "a", "expires_at": LONG_AGO}, one | {"state": "b", "expires_at": SOON}]
        tx.db.execute(insert(sign_ins).values(OF_HERE), rows)
        tx.retention.sign_ins()
        assert tx.db.scalars(select(sign_ins.c.state)).all() == ["b"]
