"""Dirty marks and turns on a real Redis (W1), and what is left when it loses everything (W13)."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from dramatiq.brokers.redis import RedisBroker
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from redis import Redis

from domain.events import Event, MailboxChanged, MailFound
from domain.ids import ChannelId, MailboxId
from domain.locks import LockKind, MailboxLock
from infra.local.ports import wait_until
from infra.queue import RedisQueue
from workers.broker import make_broker, send

HERE, THERE = MailboxId(7), MailboxId(8)


def enter(queue: RedisQueue, mailbox_id: MailboxId = HERE, seconds: float = 60) -> MailboxLock:
    turn = queue.acquire(LockKind.SYNC, mailbox_id, seconds)
    assert turn
    return turn


@pytest.mark.rule("W1")
def test_only_the_first_of_many_marks_wakes_somebody(queue: RedisQueue) -> None:
    assert [queue.mark_dirty(LockKind.SYNC, HERE) for _ in range(3)] == [True, False, False]
    assert queue.mark_dirty(LockKind.SYNC, THERE)
    assert queue.mark_dirty(LockKind.SORT, HERE), "kinds of work have marks of their own"


def test_a_lock_that_the_previous_release_holds_is_taken(redis: Redis, queue: RedisQueue) -> None:
    kinds = {"sync", "sort", "send", "watch", "compare", "deliver", "anew"}
    for kind in kinds:
        redis.set(f"lodestone:turn:{kind}:{HERE}", "its token")
    assert [kind for kind in LockKind if queue.acquire(kind, HERE, 60)] == []
    assert set(LockKind) == kinds


@pytest.mark.rule("W1")
def test_a_run_that_saw_every_mark_leaves_the_mailbox_clean(queue: RedisQueue) -> None:
    queue.mark_dirty(LockKind.SYNC, HERE)
    queue.mark_dirty(LockKind.SYNC, HERE)

    assert not queue.release(enter(queue), done=True)
    assert queue.mark_dirty(LockKind.SYNC, HERE), "clean: the next mark wakes somebody again"


@pytest.mark.rule("W1")
def test_a_mark_that_comes_during_a_run_asks_for_exactly_one_more(queue: RedisQueue) -> None:
    queue.mark_dirty(LockKind.SYNC, HERE)
    turn = enter(queue)
    assert [queue.mark_dirty(LockKind.SYNC, HERE) for _ in range(5)] == [False] * 5
    assert queue.release(turn, done=True)

    assert not queue.release(enter(queue), done=True)


@pytest.mark.rule("W1")
def test_a_run_that_did_not_finish_leaves_the_mailbox_dirty(queue: RedisQueue) -> None:
    queue.mark_dirty(LockKind.SYNC, HERE)
    assert queue.release(enter(queue), done=False)

    assert not queue.mark_dirty(LockKind.SYNC, HERE), "dirty: the re-driver asks, not the next push"
    assert queue.stalled(LockKind.SYNC, 0, 10) == [HERE]


@pytest.mark.rule("W1")
def test_a_run_nobody_has_marked_notices_a_first_mark(queue: RedisQueue) -> None:
    turn = enter(queue)
    assert queue.mark_dirty(LockKind.SYNC, HERE)
    assert queue.release(turn, done=True)


@pytest.mark.rule("W1", "E89")
def test_one_run_at_a_time_and_kind(queue: RedisQueue) -> None:
    turn = enter(queue)
    assert queue.acquire(LockKind.SYNC, HERE, 60) is None
    assert queue.acquire(LockKind.SYNC, THERE, 60)
    assert queue.acquire(LockKind.SORT, HERE, 60)

    queue.release(turn, done=True)
    assert queue.acquire(LockKind.SYNC, HERE, 60)


@pytest.mark.rule("W1")
def test_of_workers_at_the_same_time_one_gets_the_turn(queue: RedisQueue) -> None:
    with ThreadPoolExecutor(8) as pool:
        turns = list(pool.map(lambda _: queue.acquire(LockKind.SYNC, HERE, 60), range(8)))

    assert Counter(turn is None for turn in turns) == {True: 7, False: 1}


@pytest.mark.rule("W1", "E83")
def test_the_turn_of_a_worker_that_died_ends_by_itself(queue: RedisQueue) -> None:
    queue.mark_dirty(LockKind.SYNC, HERE)
    enter(queue, seconds=0.05)

    assert wait_until(lambda: queue.acquire(LockKind.SYNC, HERE, 60) is not None, seconds=30)


@pytest.mark.rule("W1")
def test_who_comes_back_too_late_does_not_end_another_s_turn(queue: RedisQueue) -> None:
    late = enter(queue, seconds=0.01)
    assert wait_until(lambda: queue.acquire(LockKind.SYNC, HERE, 60) is not None, seconds=30)

    queue.release(late, done=True)

    assert queue.acquire(LockKind.SYNC, HERE, 60) is None


@pytest.mark.rule("W1", "W2")
def test_the_re_driver_names_dirty_mailboxes_nobody_is_at_work_on(queue: RedisQueue) -> None:
    for mailbox_id in (HERE, THERE):
        queue.mark_dirty(LockKind.SYNC, mailbox_id)
    turn = enter(queue, THERE)

    assert queue.stalled(LockKind.SYNC, 60, 10) == [], "asked for a moment ago"
    assert queue.stalled(LockKind.SYNC, 0, 10) == [HERE]
    assert queue.stalled(LockKind.SORT, 0, 10) == []

    queue.release(turn, done=True)
    assert queue.stalled(LockKind.SYNC, 0, 10) == [HERE], "what is clean is named no more"


@pytest.mark.rule("W2")
def test_a_mailbox_that_was_asked_for_waits_for_its_time_again(redis: Redis, queue: RedisQueue) -> None:
    queue.mark_dirty(LockKind.SYNC, HERE)
    redis.zadd("lodestone:asked:sync", {str(HERE): time.time() - 100})

    assert queue.stalled(LockKind.SYNC, 60, 10) == [HERE]
    assert queue.stalled(LockKind.SYNC, 60, 10) == []


def test_no_more_are_named_than_asked_for_the_longest_waiting_first(redis: Redis, queue: RedisQueue) -> None:
    for mailbox_id in range(1, 6):
        queue.mark_dirty(LockKind.SYNC, ChannelId(mailbox_id))
        redis.zadd("lodestone:asked:sync", {str(mailbox_id): time.time() - 100 - mailbox_id})

    assert [queue.stalled(LockKind.SYNC, 60, 2) for _ in range(4)] == [[5, 4], [3, 2], [1], []]


@pytest.mark.rule("W13")
@pytest.mark.parametrize("done", [True, False])
def test_when_redis_is_emptied_during_a_run_the_next_mark_wakes_somebody(
    redis: Redis, queue: RedisQueue, done: bool
) -> None:
    queue.mark_dirty(LockKind.SYNC, HERE)
    turn = enter(queue)
    redis.flushall()

    assert not queue.release(turn, done=done)
    assert queue.stalled(LockKind.SYNC, 0, 10) == []
    assert queue.mark_dirty(LockKind.SYNC, HERE)
    assert not queue.release(enter(queue), done=True)


@pytest.mark.rule("W13")
def test_scripts_are_loaded_again_by_a_redis_that_has_forgotten_them(redis: Redis, queue: RedisQueue) -> None:
    queue.mark_dirty(LockKind.SYNC, HERE)
    redis.script_flush()

    assert not queue.release(enter(queue), done=True)


def test_one_process_keeps_the_clock_until_it_is_silent(redis: Redis, queue: RedisQueue) -> None:
    assert queue.leads("one", 60)
    assert not queue.leads("two", 60)
    assert queue.leads("one", 0.05)
    assert wait_until(lambda: queue.leads("two", 60), seconds=30)
    assert not queue.leads("one", 60)

    redis.flushall()
    assert queue.leads("one", 60)


@pytest.mark.rule("D2", "I3")
def test_nothing_but_ids_stands_in_redis(redis: Redis, queue: RedisQueue, sent: list[Event]) -> None:
    queue.mark_dirty(LockKind.SYNC, HERE)
    enter(queue)
    queue.emit(MailFound(HERE), copies=2)
    queue.emit(MailboxChanged(HERE))

    assert sent == [MailFound(HERE), MailFound(HERE), MailboxChanged(HERE)]
    assert {bytes(key) for key in redis.scan_iter()} == {
        b"lodestone:dirty:sync",
        b"lodestone:asked:sync",
        b"lodestone:turn:sync:7",
    }
    assert redis.hgetall("lodestone:dirty:sync") == {b"7": b"1"}


class Coalescing(RuleBasedStateMachine):
    """Pushes, runs and their ends in any order: a push that no run has dealt with stays marked (W1)."""

    queue: RedisQueue

    def __init__(self) -> None:
        super().__init__()
        self.queue.redis.flushall()
        self.turn: MailboxLock | None = None
        self.jobs = 0
        self.open = 0
        self.seen = 0

    @rule(times=st.integers(1, 3))
    def push(self, times: int) -> None:
        for _ in range(times):
            self.open += 1
            self.jobs += self.queue.mark_dirty(LockKind.SYNC, HERE)

    @precondition(lambda self: self.jobs)
    @rule()
    def job_starts(self) -> None:
        self.jobs -= 1
        turn = self.queue.acquire(LockKind.SYNC, HERE, 60)
        assert (turn is None) == (self.turn is not None), "one at a time"
        if turn:
            self.turn, self.seen = turn, self.open

    @precondition(lambda self: self.turn)
    @rule(done=st.booleans())
    def job_ends(self, done: bool) -> None:
        assert self.turn
        self.open -= self.seen if done else 0
        dirty = self.queue.release(self.turn, done=done)
        assert dirty == (self.open > 0)
        self.turn = None
        self.jobs += done and dirty

    @rule()
    def redrive(self) -> None:
        asked = self.queue.stalled(LockKind.SYNC, 0, 10)
        assert asked == ([HERE] if self.open and not self.turn else [])
        self.jobs += len(asked)


@pytest.mark.rule("W1", "E81")
def test_no_order_of_pushes_and_runs_loses_a_push(queue: RedisQueue) -> None:
    machine = type("Machine", (Coalescing,), {"queue": queue})

    run_state_machine_as_test(machine, settings=settings(max_examples=50, stateful_step_count=25))


@pytest.mark.rule("W2", "W13")
def test_a_crowded_queue_is_not_asked_for_more(redis: Redis) -> None:
    """Jobs are hints: asking again for what is queued anyway would only fill Redis."""
    broker = make_broker(redis)
    queue = RedisQueue(redis, partial(send, broker))
    for mailbox_id in range(7):
        queue.emit(MailboxChanged(MailboxId(mailbox_id)))
    assert queue.backlog("mail") == 7


def blocked(redis: Redis) -> int:
    """How many clients Redis lets wait."""
    return int(redis.info("clients")["blocked_clients"])


def looks(redis: Redis) -> Counter[str]:
    """How often Redis was asked for a job, by command."""
    stats = redis.info("commandstats")
    return Counter(
        {name: stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("blmove", "evalsha")}
    )


def taken(broker: RedisBroker) -> int:
    """Wait for a job as Dramatiq does, and return its mailbox."""
    consumer = broker.consume("mail", 64)
    message = next(job for job in consumer if job is not None)
    consumer.ack(message)
    return int(message.kwargs["mailbox_id"])


def test_who_waits_for_a_job_asks_redis_once_and_has_it_at_once(redis: Redis) -> None:
    broker = make_broker(redis)
    consumer = broker.consume("mail", 64)
    assert next(consumer) is None  # the first look asks more
    before = looks(redis)
    assert next(consumer) is None, "nothing has come"
    assert looks(redis) - before == {"blmove": 1, "evalsha": 1}


def test_a_job_that_others_wait_for_too_is_done_once(redis: Redis) -> None:
    brokers = [make_broker(redis) for _ in range(3)]
    queue = RedisQueue(redis, partial(send, brokers[0]))
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(taken, broker) for broker in brokers]
        assert wait_until(lambda: blocked(redis) == 3, seconds=60)
        for mailbox_id in (1, 2, 3):
            queue.emit(MailboxChanged(MailboxId(mailbox_id)))
            assert wait_until(lambda: sum(job.done() for job in jobs) == mailbox_id, seconds=60)  # noqa: B023
    assert sorted(job.result() for job in jobs) == [1, 2, 3]
    assert not redis.exists("lodestone:queue:mail", "lodestone:queue:mail.msgs")
