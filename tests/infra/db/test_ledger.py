"""The ledger on both databases: nothing lost, nothing twice, nobody in another's way (I1–I4, W1–W9)."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import func, select, text

from domain.crm.categories import Category, ContactCategory
from domain.ids import NO_CONNECTION
from domain.ledger import BATCH_SIZE, TRIES, Claim, Cost, Planned, State, Step
from domain.mailboxes.history import Cursors, Found, Touch
from domain.outcomes import Outcome
from infra.db.store import Store
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions, messages, notifications
from tests.worlds import (
    KEPT,
    LABELS,
    START,
    World,
    arrive,
    connection_of,
    found,
    let_pass,
    link,
    make_world,
    match,
)

THIRTY = tuple(f"m{number:02}" for number in range(30))


def claim(
    world: World, owner: str = "me", *, step: Step = Step.MATCH, limit: int = BATCH_SIZE, lease: float = 60
) -> tuple[Claim, ...]:
    with world.store.begin("tests.claim") as tx:
        return tx.ledger.claim(
            world.mailbox_id, step, limit, owner, lease, (NO_CONNECTION, world.connection_id)
        )


def held(world: World, claims: tuple[Claim, ...], owner: str = "me", *, step: Step = Step.MATCH) -> set[str]:
    with world.store.begin("tests.held") as tx:
        return {message_id for message_id, _ in tx.ledger.held(world.mailbox_id, step, claims, owner)}


def release(
    world: World,
    claims: tuple[Claim, ...],
    owner: str = "me",
    *,
    after: float = 0,
    counted: bool = True,
    step: Step = Step.MATCH,
) -> None:
    with world.store.begin("tests.release") as tx:
        tx.ledger.release(world.mailbox_id, step, claims, owner, after, counted=counted)


def finish(
    world: World, claims: tuple[Claim, ...], outcome: Outcome | None = None, *, step: Step = Step.MATCH
) -> None:
    with world.store.begin("tests.finish") as tx:
        tx.ledger.finish(world.mailbox_id, step, dict.fromkeys(claims, outcome), "me", {})


def set_aside(world: World, claims: tuple[Claim, ...], step: Step) -> None:
    with world.store.begin("tests.set_aside") as tx:
        tx.ledger.set_aside(world.mailbox_id, step, claims, "me", [world.connection_id])


def record(world: World, what: Found) -> tuple[str, ...]:
    with world.store.begin("tests.record") as tx:
        return tx.messages.record(world.mailbox_id, what, "push", [world.connection_id], LABELS)


def missing(world: World, *message_ids: str) -> frozenset[str]:
    with world.store.begin("tests.missing") as tx:
        return tx.messages.count_missing(world.mailbox_id, message_ids)


def redriven(store: Store) -> set[tuple[int, Step]]:
    with store.begin("tests.redrive") as tx:
        return {(mailbox_id, step) for mailbox_id, its in tx.ledger.redrive(500).items() for step in its}


def touched(world: World, *message_ids: str) -> frozenset[str]:
    with world.store.begin("tests.touched") as tx:
        return tx.messages.touched(world.mailbox_id, message_ids)


def outcomes(world: World) -> dict[str, str | None]:
    """The outcome of each mail that has one decision row."""
    with world.store.begin("tests.outcomes") as tx:
        rows = tx.db.execute(select(decisions.c.message_id, decisions.c.outcome))
        return {row.message_id: row.outcome for row in rows}


def rows_of(store: Store, table: str) -> int:
    with store.begin("tests.count") as tx:
        return int(tx.db.scalar(text(f"SELECT count(*) FROM {table}")) or 0)  # noqa: S608 - our own names


def ids(claims: tuple[Claim, ...]) -> set[str]:
    return {one.message_id for one in claims}


def at_the_same_time(times: int, do: Callable[[int], object]) -> None:
    """Run in so many threads that start together; the first error is raised."""
    barrier = threading.Barrier(times)

    def run(number: int) -> None:
        barrier.wait()
        do(number)

    with ThreadPoolExecutor(times) as pool:
        list(pool.map(run, range(times)))


# --- Nothing lost (I1), nothing twice (I2)


@pytest.mark.rule("I1")
def test_the_cursor_and_the_mail_up_to_it_are_kept_together_or_not_at_all(world: World) -> None:
    def walk(*, crash: bool) -> None:
        with world.store.begin("mailboxes.advance") as tx:
            now = tx.history.lock_at(world.mailbox_id, "100")
            assert now
            tx.history.advance(world.mailbox_id, Cursors.start("200", now))
            tx.messages.record(world.mailbox_id, found("a", "b"), "push", [world.connection_id], LABELS)
            if crash:
                raise ConnectionError

    with pytest.raises(ConnectionError):
        walk(crash=True)
    assert _cursor(world) == "100"
    assert rows_of(world.store, "messages") == rows_of(world.store, "steps") == 0

    walk(crash=False)
    assert _cursor(world) == "200"
    assert ids(claim(world)) == {"a", "b"}


def _cursor(world: World) -> str | None:
    with world.store.begin("tests.cursor") as tx:
        mailbox = tx.mailboxes.get(world.mailbox_id)
    return mailbox.cursor if mailbox else None


@pytest.mark.rule("I2", "E80", "E84")
def test_mail_that_is_named_again_does_not_wait_again(world: World) -> None:
    assert arrive(world, "a", "b") == ("a", "b")
    assert arrive(world, "b", "c") == ("c",)
    finish(world, claim(world))

    assert arrive(world, "a", "b", "c") == ()
    assert claim(world) == ()


@pytest.mark.rule("I2", "E80")
def test_two_runs_that_find_the_same_mail_record_it_once(world: World, second_store: Store) -> None:
    processes = (world, replace(world, store=second_store))
    waiting: list[str] = []

    at_the_same_time(4, lambda number: waiting.extend(arrive(processes[number % 2], *THIRTY)))

    assert sorted(waiting) == sorted(THIRTY)
    assert rows_of(world.store, "messages") == rows_of(world.store, "steps") == 30


@pytest.mark.rule("I2", "E83")
def test_a_step_that_is_planned_again_stays_as_it_is(world: World) -> None:
    arrive(world, "a")
    match(world, "a")
    match_again = [("a", world.connection_id, Planned(Step.ANNOUNCE, State.WAITING))]
    first = claim(world, step=Step.ANNOUNCE)
    finish(world, first, Outcome.MAGNET_NOTIFIED, step=Step.ANNOUNCE)

    with world.store.begin("tests.plan") as tx:
        tx.ledger.plan(world.mailbox_id, match_again)

    assert claim(world, step=Step.ANNOUNCE) == ()


@pytest.mark.rule("D3-3", "D3-4", "D3-5", "I9")
def test_what_history_shows_to_be_spam_ends_unpaid(world: World) -> None:
    dropped = (("a", Outcome.SKIP_SPAM), ("b", Outcome.SKIP_TRASH), ("c", Outcome.SKIP_DRAFT))

    assert record(world, Found(("d",), dropped, (), (), ())) == ("d",)

    assert outcomes(world) == {"a": "skip.spam", "b": "skip.trash", "c": "skip.draft"}
    assert ids(claim(world)) == {"d"}


# --- Claims (W2)


@pytest.mark.rule("W2")
def test_a_claim_takes_no_more_than_its_limit_the_oldest_first(world: World) -> None:
    arrive(world, *THIRTY)
    first, second, third = claim(world), claim(world, "other"), claim(world, "third")

    assert ids(first) == set(THIRTY[:BATCH_SIZE])
    assert ids(second) == set(THIRTY[BATCH_SIZE:])
    assert third == ()
    assert {one.attempts for one in first} == {1}


@pytest.mark.rule("W2")
def test_the_limit_holds_whatever_the_database_knows_of_its_tables(world: World) -> None:
    """PostgreSQL may plan a claim in another way once it has counted the rows."""
    arrive(world, *(f"n{number:04}" for number in range(3_000)))
    with world.store.begin("tests.analyze") as tx:
        tx.db.execute(text("ANALYZE"))
    taken = [len(claim(world, f"owner {number}")) for number in range(4)]
    assert taken == [BATCH_SIZE] * 4


@pytest.mark.rule("W10")
def test_the_oldest_mail_is_sorted_first_whatever_its_id(world: World) -> None:
    """`match` receives its mails a minute apart, in the order given."""
    arrive(world, "a", "b", "c")
    match(world, "c", "b", "a", steps=[Planned(Step.SORT, State.WAITING)])

    taken = [ids(claim(world, step=Step.SORT, limit=1)) for _ in range(3)]

    assert taken == [{"c"}, {"b"}, {"a"}]


@pytest.mark.rule("W2")
def test_what_another_has_claimed_is_not_held_any_more(world: World) -> None:
    arrive(world, "a")
    mine = claim(world, "me", lease=60)
    let_pass(world.store, 61)
    assert held(world, mine, "me") == {"a"}
    theirs = claim(world, "other")
    assert held(world, mine, "me") == set()
    assert held(world, theirs, "other") == {"a"}


def test_what_is_finished_is_not_held_any_more(world: World) -> None:
    arrive(world, "a", "b")
    mine = claim(world)
    finish(world, tuple(one for one in mine if one.message_id == "a"))

    assert held(world, mine) == {"b"}


def test_steps_of_other_mailboxes_and_kinds_are_left_alone(store: Store) -> None:
    here, there = make_world(store), make_world(store, "eva@firm.example", "eva")
    arrive(here, "a")
    arrive(there, "a")

    assert claim(here, step=Step.SORT) == ()
    assert len(claim(here)) == 1
    assert len(claim(there)) == 1


def test_what_a_step_cost_adds_up_over_its_tries(world: World) -> None:
    arrive(world, "a")
    match(world, "a", steps=[Planned(Step.SORT, State.WAITING)])
    for _ in range(2):
        mine = claim(world, step=Step.SORT)
        with world.store.begin("tests.finish") as tx:
            spent = {"a": Cost(units=5.0, seconds=0.5, shared_by=1)}
            tx.ledger.finish(world.mailbox_id, Step.SORT, dict.fromkeys(mine), "me", spent)
            tx.db.execute(text("UPDATE steps SET state = 'waiting' WHERE step = 'sort'"))
        let_pass(world.store, 61)

    with world.store.begin("tests.cost") as tx:
        query = select(steps.c.units, steps.c.seconds).where(steps.c.step == "sort")
        assert tx.db.execute(query).one() == (10.0, 1.0)


# --- Trying again (W3, W4, E88)


@pytest.mark.rule("W3")
def test_what_failed_twice_in_company_runs_alone_after_the_rest(world: World) -> None:
    arrive(world, "a", "b", "c")
    for _ in range(2):
        release(world, claim(world))
    arrive(world, "d", "e")

    assert [ids(claim(world)) for _ in range(5)] == [{"d", "e"}, {"a"}, {"b"}, {"c"}, set()]


@pytest.mark.rule("W3", "E88", "I4")
def test_a_poisonous_mail_does_not_use_up_its_neighbours_tries(world: World) -> None:
    arrive(world, *THIRTY[:10])
    tried: Counter[str] = Counter()
    while mine := claim(world):
        tried.update(ids(mine))
        if "m00" not in ids(mine):
            finish(world, mine)
        elif mine[0].attempts > TRIES:
            set_aside(world, mine, Step.MATCH)
        else:
            release(world, mine)

    assert tried.pop("m00") == TRIES + 1
    assert set(tried.values()) == {3}
    assert outcomes(world) == {"m00": "match.failed"}


@pytest.mark.rule("E88", "I9")
@pytest.mark.parametrize(("step", "word"), [(Step.MATCH, "match.failed"), (Step.SORT, "label.failed")])
def test_what_is_set_aside_ends_with_an_outcome_and_is_asked_for_no_more(
    world: World, step: Step, word: str
) -> None:
    arrive(world, "a", "b")
    if step is Step.SORT:
        match(world, "a", "b", steps=[Planned(Step.SORT, State.WAITING)])
    poisoned = claim(world, step=step, limit=1)
    set_aside(world, poisoned, step)
    let_pass(world.store, 3_600)

    assert ids(claim(world, step=step)) == {"b"}
    let_pass(world.store, 3_600)
    finish(world, claim(world, step=step), step=step)
    assert redriven(world.store) == set()
    assert outcomes(world)["a"] == word


# --- Asking again (W2, I4, E86)


@pytest.mark.rule("W2", "W13")
def test_the_re_driver_names_only_what_nobody_has_worked_on_for_long(world: World) -> None:
    arrive(world, "a")
    assert redriven(world.store) == set()
    let_pass(world.store, 61)
    assert redriven(world.store) == {(world.mailbox_id, Step.MATCH)}
    assert redriven(world.store) == set(), "asked for a moment ago"

    claim(world, lease=60)
    let_pass(world.store, 40)
    assert redriven(world.store) == set(), "somebody is at work on it"
    let_pass(world.store, 21)
    assert redriven(world.store) == {(world.mailbox_id, Step.MATCH)}

    finish(world, claim(world))
    let_pass(world.store, 3_600)
    assert redriven(world.store) == set()


@pytest.mark.rule("I4", "E87")
def test_a_mailbox_that_rests_does_not_hold_up_others(store: Store) -> None:
    resting, other = make_world(store), make_world(store, "eva@firm.example", "eva")
    for world in (resting, other):
        arrive(world, "a", "b")
    let_pass(store, 61)
    with store.begin("mailboxes.rest") as tx:
        tx.mailboxes.rest(resting.mailbox_id, "rateLimitExceeded", 300)

    assert redriven(store) == {(other.mailbox_id, Step.MATCH)}
    let_pass(store, 240)
    assert redriven(store) == {(other.mailbox_id, Step.MATCH)}
    let_pass(store, 61)
    assert redriven(store) == {(resting.mailbox_id, Step.MATCH), (other.mailbox_id, Step.MATCH)}


@pytest.mark.rule("I4")
def test_a_mailbox_with_a_great_backlog_is_named_once_beside_others(store: Store) -> None:
    full, other = make_world(store), make_world(store, "eva@firm.example", "eva")
    arrive(full, *(f"n{number:04}" for number in range(1_200)))
    arrive(other, "a")
    let_pass(store, 61)

    assert redriven(store) == {(full.mailbox_id, Step.MATCH), (other.mailbox_id, Step.MATCH)}
    assert redriven(store) == set()


@pytest.mark.rule("E86")
def test_mail_of_a_mailbox_nobody_is_signed_in_to_waits_without_being_asked_for(world: World) -> None:
    arrive(world, "a")
    with world.store.begin("tests.expire") as tx:
        assert tx.connections.need_sign_in(connection_of(tx, world))
    let_pass(world.store, 61)
    assert redriven(world.store) == set()

    with world.store.begin("tests.sign_in") as tx:
        connection = tx.connections.get(world.connection_id)
        assert connection
        assert connection.grant
        tx.connections.sign_in_again(world.connection_id, connection.grant)
    let_pass(world.store, 61)
    assert redriven(world.store) == {(world.mailbox_id, Step.MATCH)}


# --- Announce before archive (I5)


@pytest.mark.rule("I5")
def test_sorting_waits_until_it_is_unblocked_and_then_only_that_mail(world: World) -> None:
    arrive(world, "a", "b")
    match(world, "a", "b")
    assert claim(world, step=Step.SORT) == ()
    announced = claim(world, step=Step.ANNOUNCE, limit=1)
    with world.store.begin("notifications.record") as tx:
        tx.ledger.finish(world.mailbox_id, Step.ANNOUNCE, dict.fromkeys(announced), "me", {})
        tx.ledger.unblock_sorting(world.mailbox_id, announced)

    assert ids(claim(world, step=Step.SORT)) == ids(announced) == {"a"}


def test_sorting_that_ended_at_the_match_is_not_opened_again(world: World) -> None:
    arrive(world, "a")
    done = Planned(Step.SORT, State.DONE, Outcome.LABEL_OFF)
    match(world, "a", steps=[Planned(Step.ANNOUNCE, State.WAITING), done])
    with world.store.begin("notifications.record") as tx:
        tx.ledger.unblock_sorting(world.mailbox_id, [Claim("a", world.connection_id, 1)])

    assert claim(world, step=Step.SORT) == ()


def test_more_to_come_means_work_that_has_not_failed(world: World) -> None:
    def comes() -> bool:
        with world.store.begin("tests.ahead") as tx:
            return Step.MATCH in tx.ledger.ahead(world.mailbox_id).coming

    assert not comes()
    arrive(world, "a")
    assert comes()
    mine = claim(world)
    assert comes(), "somebody is at work on it"
    release(world, mine)
    assert not comes(), "what has failed holds up nobody"
    finish(world, claim(world))
    assert not comes()


# --- Gone (W7), reopened (W9), touched (W5, I6)


@pytest.mark.rule("W7", "E38", "D3-2")
def test_a_mail_is_gone_after_three_looks_in_a_minute_and_not_before(world: World) -> None:
    arrive(world, "a", "b")
    assert missing(world, "a") == frozenset()
    let_pass(world.store, 61)
    assert missing(world, "a") == frozenset(), "twice, however long"
    assert missing(world, "a", "b") == {"a"}

    assert missing(world, "b") == missing(world, "b") == frozenset(), "three times, but at once"
    let_pass(world.store, 61)
    assert missing(world, "b") == {"b"}


@pytest.mark.rule("W7", "E38", "D3-2")
def test_a_deletion_that_history_tells_of_ends_what_was_not_matched_yet(world: World) -> None:
    arrive(world, "a", "b", "c")
    mine = claim(world, limit=2)
    finish(world, mine[:1])

    record(world, Found((), (), (), ("a", "b", "c", "never seen"), ()))

    assert outcomes(world) == dict.fromkeys({"a", "b", "c"} - ids(mine[:1]), "skip.gone")
    assert held(world, mine) == set()
    assert claim(world) == ()


@pytest.mark.rule("W9", "E36", "E37")
@pytest.mark.parametrize(
    ("ended", "reopens"),
    [
        (Outcome.SKIP_SPAM, True),
        (Outcome.SKIP_TRASH, True),
        (Outcome.SKIP_DRAFT, True),
        (Outcome.SKIP_CHAT, False),
        (Outcome.SKIP_TOO_OLD, False),
        (Outcome.SKIP_NO_CONTACT, False),
        (Outcome.SKIP_GONE, False),
        (Outcome.LABEL_CTM, False),
        (Outcome.MATCH_FAILED, False),
        (Outcome.LABEL_FAILED, False),
    ],
)
def test_mail_is_reopened_only_when_it_ended_for_where_it_lay(
    world: World, ended: Outcome, reopens: bool
) -> None:
    assert record(world, Found((), (("a", ended),), (), (), ())) == ()

    waiting = record(world, Found((), (), ("a",), (), ()))

    assert waiting == (("a",) if reopens else ())
    assert outcomes(world) == ({} if reopens else {"a": ended.value})
    assert ids(claim(world)) == ({"a"} if reopens else set())


@pytest.mark.rule("W9", "E36")
def test_mail_that_was_matched_while_in_spam_is_reopened_as_if_it_had_just_arrived(world: World) -> None:
    arrive(world, "a")
    release(world, claim(world))
    finish(world, claim(world))
    with world.store.begin("contacts.record") as tx:
        tx.decisions.skip(world.mailbox_id, {"a": Outcome.SKIP_SPAM}, [world.connection_id])

    record(world, Found((), (), ("a",), (), ()))
    assert record(world, Found((), (), ("a",), (), ())) == (), "once"

    assert [one.attempts for one in claim(world)] == [1]


@pytest.mark.rule("W9", "E37")
def test_mail_that_leaves_spam_while_it_is_matched_is_taken_back_and_matched_anew(world: World) -> None:
    """What was fetched may still have been in Spam."""
    arrive(world, "a")
    mine = claim(world)

    assert record(world, Found((), (), ("a",), (), ())) == ("a",)
    assert held(world, mine) == frozenset()
    assert record(world, Found((), (), ("a",), (), ())) == (), "it waits already"


@pytest.mark.rule("W5", "I6", "E59", "E60")
@pytest.mark.parametrize(
    ("label_id", "added", "by_user"),
    [
        pytest.param("Label_2", True, False, id="the label we meant to put"),
        pytest.param("Label_1", False, False, id="a label we take away for it"),
        pytest.param("Label_1", True, True, id="another CRM label"),
        pytest.param("Label_2", False, True, id="our label taken off"),
    ],
)
def test_a_label_change_that_equals_our_intent_is_ours(
    world: World, label_id: str, added: bool, by_user: bool
) -> None:
    arrive(world, "a", "b")
    match(world, "a", "b", steps=[Planned(Step.SORT, State.WAITING)])
    with world.store.begin("labels.intend") as tx:
        tx.decisions.intend({Claim("a", world.connection_id, 1): ContactCategory(Category.OPEN, "deal 1")})

    record(world, Found((), (), (), (), (Touch("a", label_id, added),)))

    assert touched(world, "a", "b") == ({"a"} if by_user else set())


@pytest.mark.rule("I6", "E60", "D10-6")
@pytest.mark.parametrize("added", [True, False])
def test_without_an_intent_of_ours_every_change_is_the_user_s(world: World, added: bool) -> None:
    record(world, Found(("a", "b"), (), (), (), (Touch("a", "Label_1", added),)))

    assert touched(world, "a", "b", "c") == {"a"}


# --- Forgetting (D2)


@pytest.mark.rule("I3", "D2")
def test_final_rows_are_forgotten_after_35_days_and_unfinished_ones_never(world: World) -> None:
    arrive(world, "done", "waiting", "blocked")
    match(world, "done", steps=[Planned(Step.SORT, State.DONE, Outcome.LABEL_NONE)])
    finish(world, claim(world, limit=1), None)
    _link_with_blocked_sort(world, "blocked")

    def purge() -> int:
        with world.store.begin("sweep.purge") as tx:
            return tx.retention.mails(35, 1_000, ()).rows

    let_pass(world.store, 34.9 * 86_400)
    assert purge() == 0
    let_pass(world.store, 0.2 * 86_400)
    assert purge() == 1
    assert purge() == 0
    assert _known(world) == {"waiting", "blocked"}


def _link_with_blocked_sort(world: World, message_id: str) -> None:
    with world.store.begin("tests.block") as tx:
        tx.db.execute(
            text("UPDATE steps SET state = 'done' WHERE step = 'match' AND message_id = :i"),
            {"i": message_id},
        )
        tx.ledger.plan(
            world.mailbox_id, [(message_id, world.connection_id, Planned(Step.SORT, State.BLOCKED))]
        )


def _known(world: World) -> set[str]:
    with world.store.begin("tests.known") as tx:
        return set(tx.db.scalars(select(messages.c.message_id)))


@pytest.mark.rule("D2", "E58")
def test_labelled_mail_keeps_its_id_and_category_and_nothing_of_its_author(world: World) -> None:
    _label(world, "a")
    let_pass(world.store, 36 * 86_400)

    with world.store.begin("sweep.purge") as tx:
        assert tx.retention.mails(35, 1_000, ()).rows == 1

    with world.store.begin("tests.kept") as tx:
        kept = tx.db.execute(select(decisions)).mappings().one()
    private = ("contact_id", "contact_address", "matched_by", "author", "received_at", "deal_id")
    assert {kept[column] for column in private} == {None}
    assert (kept["message_id"], kept["category"]) == ("a", "OPEN")
    assert rows_of(world.store, "messages") == rows_of(world.store, "steps") == 0


@pytest.mark.rule("I2", "E58", "Z39")
def test_labelled_mail_is_never_handled_again_not_even_after_it_is_forgotten(world: World) -> None:
    """The user puts it into the Trash and takes it out again, months later."""
    _label(world, "a")
    let_pass(world.store, 36 * 86_400)
    with world.store.begin("sweep.purge") as tx:
        tx.retention.mails(35, 1_000, ())

    assert record(world, Found((), (), ("a",), (), ())) == ()


def _label(world: World, message_id: str) -> None:
    """The mail goes the whole way to its label."""
    arrive(world, message_id)
    match(world, message_id, steps=[Planned(Step.SORT, State.WAITING)])
    mine = claim(world, step=Step.SORT)
    with world.store.begin("labels.record") as tx:
        tx.decisions.intend({one: ContactCategory(Category.OPEN, "deal 1") for one in mine})
        tx.decisions.conclude(dict.fromkeys(mine, Outcome.LABEL_OPEN), {})
        tx.ledger.finish(world.mailbox_id, Step.SORT, dict.fromkeys(mine, Outcome.LABEL_OPEN), "me", {})


@pytest.mark.rule("W11")
def test_a_purge_takes_no_more_than_its_limit_the_oldest_first(world: World) -> None:
    for message_id in ("c", "b", "a"):
        record(world, Found((), ((message_id, Outcome.SKIP_SPAM),), (), (), ()))
        let_pass(world.store, 86_400)
    let_pass(world.store, 36 * 86_400)

    with world.store.begin("sweep.purge") as tx:
        assert tx.retention.mails(35, 2, ()).rows == 2

    assert _known(world) == {"a"}
    assert set(outcomes(world)) == {"a"}


def test_the_purge_of_one_mailbox_leaves_the_same_id_elsewhere(store: Store) -> None:
    """Gmail's ids are unique in a mailbox only."""
    old, young = make_world(store), make_world(store, "eva@firm.example", "eva")
    record(old, Found((), (("a", Outcome.SKIP_SPAM),), (), (), ()))
    let_pass(store, 36 * 86_400)
    record(young, Found((), (("a", Outcome.SKIP_SPAM),), (), (), ()))

    with store.begin("sweep.purge") as tx:
        assert tx.retention.mails(35, 1_000, ()).rows == 1
        assert tx.db.scalar(select(func.count()).select_from(decisions)) == 1
        assert tx.db.scalars(select(messages.c.mailbox_id)).all() == [young.mailbox_id]


def test_notifications_outlive_the_ledger(world: World) -> None:
    arrive(world, "a")
    match(world, "a", steps=[Planned(Step.ANNOUNCE, State.WAITING)])
    mine = claim(world, step=Step.ANNOUNCE)
    with world.store.begin("notifications.record") as tx:
        tx.notifications.notify(connection_of(tx, world), mine, tx.decisions.links(mine), KEPT)
        tx.ledger.finish(world.mailbox_id, Step.ANNOUNCE, dict.fromkeys(mine), "me", {})
    let_pass(world.store, 36 * 86_400)

    with world.store.begin("sweep.purge") as tx:
        assert tx.retention.mails(35, 1_000, ()).rows == 1
        told = tx.db.execute(select(notifications)).mappings().one()

    assert (told["message_id"], told["author"], told["received_at"]) == ("a", link().author, START)
