"""Where we stand in a mailbox's history, and when it is next due (W8, E82, E85, E87)."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from domain.crm.categories import Category
from domain.ids import MailboxId
from domain.mailboxes.accounts import AccountKey
from domain.mailboxes.history import Cursors
from domain.mailboxes.state import MailboxState
from domain.mailboxes.watches import Recall, WalkEnd, Watch
from infra.db.store import Store, Transaction
from infra.db.tables.mailboxes import mailboxes
from tests.worlds import HERE, LABELS, START, World, connection_of, let_pass, make_world


def state(world: World) -> MailboxState:
    with world.store.begin("tests.state") as tx:
        found = tx.mailboxes.get(world.mailbox_id)
    assert found
    return found


def advance(world: World, old: str | None, new: str) -> bool:
    with world.store.begin("mailboxes.advance") as tx:
        return move(tx, world, old, new)


def move(tx: Transaction, world: World, old: str | None, new: str) -> bool:
    """A page is recorded."""
    now = tx.history.lock_at(world.mailbox_id, old)
    if now:
        tx.history.advance(world.mailbox_id, Cursors.start(new, now))
    return now is not None


def due(store: Store, limit: int = 10, again_after: float = 60) -> tuple[int, ...]:
    with store.begin("sweep.due") as tx:
        return tx.mailboxes.redrive_syncs(limit, again_after)


def watch_due(store: Store) -> tuple[int, ...]:
    with store.begin("sweep.watches") as tx:
        return tx.mailboxes.redrive_watches(10, 60)


def sync(world: World, due_after: float = 540, recall: tuple[Recall, Recall] | None = None) -> datetime:
    """A walk that has just begun reaches the end."""
    with world.store.begin("mailboxes.advance") as tx:
        began_at = tx.now()
        mailbox = tx.mailboxes.get(world.mailbox_id)
        assert mailbox
        assert mailbox.cursors
        tx.history.advance(world.mailbox_id, mailbox.cursors, ended=WalkEnd(began_at, due_after, recall))
    return began_at


@pytest.mark.rule("W8", "W1")
def test_the_cursor_moves_only_from_where_the_run_has_read_it(world: World) -> None:
    assert advance(world, "100", "200")
    assert not advance(world, "100", "300"), "another run was quicker"
    assert not advance(world, None, "300")
    assert advance(world, "200", "200"), "nothing new is no loss"
    assert state(world).cursor == "200"


@pytest.mark.rule("W8", "W1")
def test_of_several_runs_one_moves_the_cursor(world: World, second_store: Store) -> None:
    processes = (world, replace(world, store=second_store))
    with ThreadPoolExecutor(4) as pool:
        moved = list(pool.map(lambda n: advance(processes[n % 2], "100", f"20{n}"), range(4)))

    assert moved.count(True) == 1
    assert state(world).cursor == f"20{moved.index(True)}"


@pytest.mark.rule("W8")
def test_a_run_that_began_before_the_mailbox_was_forgotten_is_lost(world: World) -> None:
    with world.store.begin("connections.switch_off") as tx:
        tx.mailboxes.forget(world.mailbox_id)

    assert not advance(world, "100", "200")
    assert state(world).cursor is None


@pytest.mark.rule("W8")
def test_a_watch_sets_the_cursor_only_where_there_is_none(world: World) -> None:
    def watch(history_id: str) -> str | None:
        with world.store.begin("watch.record") as tx:
            tx.mailboxes.start_watch(world.mailbox_id, Watch(history_id, START, START), 86_400)
        return state(world).cursor

    assert watch("900") == "100"
    with world.store.begin("connections.switch_off") as tx:
        tx.mailboxes.forget(world.mailbox_id)
    assert watch("900") == "900"


def test_a_mailbox_is_made_once(store: Store) -> None:
    with store.begin("tests.add") as tx:
        first, second = (
            tx.mailboxes.add(AccountKey("gmail", "uwe@firm.example"), "uwe@firm.example"),
            tx.mailboxes.add(AccountKey("gmail", "uwe@firm.example"), "uwe@firm.example"),
        )
        other = tx.mailboxes.add(AccountKey("gmail", "eva@firm.example"), "eva@firm.example")
        elsewhere = tx.mailboxes.add(AccountKey("other", "uwe@firm.example"), "carla@firm.example")
        assert elsewhere not in (first, other), "each provider has keys of its own"
        assert first == second == tx.mailboxes.id_of(AccountKey("gmail", "uwe@firm.example"))
        assert first != other
        assert tx.mailboxes.id_of(AccountKey("gmail", "nobody@firm.example")) is None
        assert tx.mailboxes.get(MailboxId(elsewhere + 1)) is None


@pytest.mark.rule("E14", "E99")
def test_what_was_an_own_address_stays_one(world: World) -> None:
    with world.store.begin("watch.record") as tx:
        tx.mailboxes.keep_own_addresses(world.mailbox_id, ["u.w@firm.example", "uwe@firm.example"])
        tx.mailboxes.keep_own_addresses(world.mailbox_id, ["uwe@new.example"])
        found = tx.mailboxes.own_addresses(world.mailbox_id)

    assert found == {"uwe@firm.example", "u.w@firm.example", "uwe@new.example"}


@pytest.mark.rule("E54", "Z14")
def test_labels_come_back_by_category(world: World) -> None:
    assert state(world).labels == LABELS
    assert state(world).labels[Category.CTM] == "Label_1"


@pytest.mark.rule("E82", "Z33")
def test_a_mailbox_is_due_nine_minutes_after_its_last_sync_began(world: World) -> None:
    sync(world)
    let_pass(world.store, 520)
    assert due(world.store) == ()

    let_pass(world.store, 21)
    assert due(world.store) == (world.mailbox_id,)


@pytest.mark.rule("E89")
def test_a_due_mailbox_is_named_once_and_again_only_when_nothing_came_of_it(world: World) -> None:
    assert due(world.store) == (world.mailbox_id,)
    assert due(world.store) == ()
    let_pass(world.store, 61)
    assert due(world.store) == (world.mailbox_id,)

    began_at = sync(world)
    assert due(world.store) == ()
    assert state(world).synced_at == began_at


@pytest.mark.rule("E82")
def test_the_longest_due_come_first_and_no_more_than_the_limit(store: Store) -> None:
    worlds = [make_world(store, f"u{n}@firm.example", f"u{n}") for n in range(12)]
    for world in reversed(worlds):
        sync(world, due_after=0)
        let_pass(store, 10)

    taken = [set(due(store, limit=5)) for _ in range(3)]

    in_order = [world.mailbox_id for world in worlds]
    assert taken == [set(in_order[7:]), set(in_order[2:7]), set(in_order[:2])]


@pytest.mark.rule("W2")
def test_several_sweeps_at_the_same_time_name_each_mailbox_once(store: Store, second_store: Store) -> None:
    worlds = [make_world(store, f"u{n}@firm.example", f"u{n}") for n in range(12)]
    with ThreadPoolExecutor(4) as pool:
        taken = pool.map(lambda one: due(one, limit=3), 2 * (store, second_store))
        named = [mailbox_id for found in taken for mailbox_id in found]
    named += due(store, limit=12)

    assert sorted(named) == sorted(world.mailbox_id for world in worlds)


@pytest.mark.rule("E87", "I4")
def test_a_mailbox_that_rests_is_due_when_its_rest_is_over(world: World) -> None:
    with world.store.begin("mailboxes.rest") as tx:
        tx.mailboxes.rest(world.mailbox_id, "rateLimitExceeded", 120)
        now = tx.now()
    assert state(world).rests(now)
    assert not state(world).rests(now + timedelta(seconds=121))
    assert state(world).failures == 1
    assert due(world.store) == ()

    let_pass(world.store, 121)
    assert due(world.store) == (world.mailbox_id,)
    sync(world)
    assert state(world).failures == 0
    assert state(world).resting_until is None


@pytest.mark.rule("E87")
def test_failures_are_counted_until_a_sync_succeeds(world: World) -> None:
    for _ in range(3):
        with world.store.begin("mailboxes.rest") as tx:
            tx.mailboxes.rest(world.mailbox_id, "backendError", 1)

    assert state(world).failures == 3


@pytest.mark.rule("E85")
def test_a_watch_is_renewed_after_a_day_and_tried_again_when_that_failed(world: World) -> None:
    assert watch_due(world.store) == ()
    let_pass(world.store, 86_401)
    assert watch_due(world.store) == (world.mailbox_id,)

    with world.store.begin("watch.failed") as tx:
        tx.mailboxes.watch_failed(world.mailbox_id, "backendError", 600)
    let_pass(world.store, 580)
    assert watch_due(world.store) == ()
    let_pass(world.store, 21)
    assert watch_due(world.store) == (world.mailbox_id,)
    assert due(world.store) == (world.mailbox_id,), "the sweep carries on meanwhile"


@pytest.mark.rule("E86")
def test_a_mailbox_nobody_is_signed_in_to_is_never_due_until_somebody_is(world: World) -> None:
    with world.store.begin("tests.pause") as tx:
        tx.connections.need_sign_in(connection_of(tx, world))
        tx.mailboxes.stop_scheduling(world.mailbox_id)
    let_pass(world.store, 30 * 86_400)
    assert due(world.store) == watch_due(world.store) == ()
    assert state(world).cursor == "100", "it goes on from where it stood"

    with world.store.begin("tests.resume") as tx:
        tx.mailboxes.schedule(world.mailbox_id)
    assert due(world.store) == watch_due(world.store) == (world.mailbox_id,)


@pytest.mark.rule("E86", "I1")
def test_a_mailbox_that_somebody_has_signed_in_to_meanwhile_stays_due(world: World) -> None:
    with world.store.begin("tests.late") as tx:
        tx.mailboxes.stop_scheduling(world.mailbox_id)
    assert due(world.store) == (world.mailbox_id,)


@pytest.mark.rule("D3-1", "W8")
def test_a_paused_mailbox_is_never_due_and_its_cursor_stands_still(world: World) -> None:
    with world.store.begin("tests.pause") as tx:
        assert tx.mailboxes.pause_by_operator("uwe@firm.example", 0, 10) == (world.mailbox_id,)
        assert tx.mailboxes.pause_by_operator(None, 0, 10) == (), "it is paused already"
        assert not move(tx, world, "100", "101")
        tx.mailboxes.rest(world.mailbox_id, "rateLimitExceeded", 1)
        tx.mailboxes.watch_failed(world.mailbox_id, "backendError", 1)
        tx.mailboxes.start_watch(world.mailbox_id, Watch("200", START, START), 1)
        tx.mailboxes.schedule(world.mailbox_id)
    let_pass(world.store, 30 * 86_400)
    assert due(world.store) == watch_due(world.store) == ()

    with world.store.begin("tests.release") as tx:
        assert tx.mailboxes.resume_by_operator(None, 0, 10) == (world.mailbox_id,)
        assert move(tx, world, "100", "101")
    assert due(world.store) == watch_due(world.store) == (world.mailbox_id,)


@pytest.mark.rule("Z2", "D2")
def test_a_mailbox_without_a_feature_is_never_due_and_its_pushes_are_nobody_s(world: World) -> None:
    with world.store.begin("tests.push") as tx:
        assert tx.mailboxes.note_push(AccountKey("gmail", "uwe@firm.example")) == world.mailbox_id
        assert tx.mailboxes.note_push(AccountKey("gmail", "nobody@firm.example")) is None
        assert tx.mailboxes.note_push(AccountKey("other", "uwe@firm.example")) is None
    with world.store.begin("tests.forget") as tx:
        tx.mailboxes.forget(world.mailbox_id)
    let_pass(world.store, 30 * 86_400)

    assert due(world.store) == watch_due(world.store) == ()
    with world.store.begin("tests.push") as tx:
        assert tx.mailboxes.note_push(AccountKey("gmail", "uwe@firm.example")) is None
        kept = tx.db.execute(select(mailboxes)).mappings().one()
    kept_of_it = {name for name, value in kept.items() if value is not None}
    counts = {
        "failures",
        "refusals",
        "label_conflicts",
        "mails_pushed",
        "mails_missed",
        "mails_compared",
        "mails_late",
    }
    assert kept_of_it == {"id", "provider", "provider_key", "address", "labels", "label_names", *counts}
    assert {kept[name] for name in counts} == {0}


def test_a_deleted_mailbox_takes_its_aliases_with_it(world: World) -> None:
    with world.store.begin("connections.delete") as tx:
        connection = tx.connections.get(world.connection_id)
        assert connection is not None
        tx.connections.delete(connection)
        tx.mailboxes.delete(world.mailbox_id)
        assert tx.mailboxes.own_addresses(world.mailbox_id) == frozenset()
        assert tx.mailboxes.id_of(AccountKey("gmail", "uwe@firm.example")) is None
        assert tx.of(HERE).contacts.users_among(["uwe@firm.example"]) == frozenset()


@pytest.mark.rule("W14")
def test_time_is_the_database_s_and_moves_on(store: Store) -> None:
    with store.begin("tests.now") as tx:
        first, later = tx.now(), tx.now()

    assert first <= later
    assert first.utcoffset() == timedelta()
    assert abs(datetime.now(UTC) - later) < timedelta(minutes=1)


@pytest.mark.rule("E85")
def test_what_push_has_brought_counts_unless_the_watch_was_made_anew_meanwhile(world: World) -> None:
    sync(world, recall=(Recall(), Recall(2, 1)))
    assert state(world).watch.recall == Recall(2, 1)
    with world.store.begin("watch.record") as tx:
        tx.mailboxes.start_watch(world.mailbox_id, Watch("100", START, START), 1, restarted=True)
    sync(world, recall=(Recall(2, 1), Recall(3, 1)))
    assert state(world).watch.recall == Recall()
