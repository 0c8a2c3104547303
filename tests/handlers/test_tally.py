"""What one process spends of Google's units, and what all of them have: held back before Google refuses (E87)."""

import pytest
from redis import Redis
from structlog.testing import capture_logs

from domain.errors import Slowed
from domain.ids import MailboxId
from domain.quota import Purpose, Quota
from handlers.units import Tally
from infra.gmail.costs import NEW_QUOTA
from infra.queue import RedisQueue

SMALL = Quota(mailbox_minute=1_000, project_minute=100_000, read=20, project_day=1_000_000)


@pytest.mark.rule("E87")
@pytest.mark.parametrize(
    ("used", "passed"),
    [
        pytest.param(
            0.5, {"push", "match", "sort", "user", "send", "sweep", "watch", "copy", "compare"}, id="half"
        ),
        pytest.param(
            0.7, {"push", "match", "sort", "user", "send", "sweep", "watch", "copy"}, id="no comparison"
        ),
        pytest.param(0.8, {"push", "match", "sort", "user", "send"}, id="no sweep"),
        pytest.param(0.9, {"push", "match", "sort"}, id="no user"),
        pytest.param(0.97, set(), id="nothing"),
    ],
)
@pytest.mark.parametrize("of", ["mailbox", "project"])
def test_the_nearer_a_minute_is_to_its_end_the_fewer_things_begin(
    queue: RedisQueue, used: float, passed: set[str], of: str
) -> None:
    """What another process has spent counts as well."""
    quota = Quota(mailbox_minute=1_000, project_minute=100_000, read=20)
    if of == "project":
        quota = Quota(mailbox_minute=100_000, project_minute=1_000, read=20)
    another, mine = Tally(quota, "another"), Tally(quota, "mine")
    another.add(MailboxId(1), Purpose.MATCH, round(1_000 * used))
    another.tell(queue)
    mine.tell(queue, {MailboxId(1)})
    found: set[str] = set()
    slowed: list[Slowed] = []
    for purpose in Purpose:
        try:
            with mine.reserved(MailboxId(1), purpose, 0, queue):
                found.add(purpose.value)
        except Slowed as error:
            slowed.append(error)
    assert found == passed
    assert {error.reason for error in slowed} <= {f"quota_of_{of}"}
    assert all(error.after and 0 < error.after.total_seconds() < 72 for error in slowed)


@pytest.mark.rule("E87")
def test_four_at_once_reserve_what_they_are_about_to_spend(queue: RedisQueue) -> None:
    tallies = [Tally(SMALL, str(number)) for number in range(4)]
    entered = [tally.reserved(MailboxId(1), Purpose.MATCH, 400, queue) for tally in tallies]
    refused = 0
    for one in entered:
        try:
            one.__enter__()
        except Slowed:
            refused += 1
    assert refused == 2, "800 of 950 are promised"
    with tallies[0].reserved(MailboxId(2), Purpose.MATCH, 400, queue):
        pass  # another mailbox has a minute of its own


@pytest.mark.rule("W13")
def test_without_redis_nothing_is_held_back(queue: RedisQueue, redis: Redis) -> None:
    tally = Tally(SMALL)
    tally.add(MailboxId(1), Purpose.MATCH, 5_000)
    away = RedisQueue(Redis(port=1), lambda event: None)
    with tally.reserved(MailboxId(1), Purpose.COMPARE, 20, away):
        assert not tally.runs_short(Purpose.SWEEP, away)
    assert away.spent(1, [MailboxId(1)]) is None


def test_a_lone_mail_and_an_idle_sweep_tell_nobody_at_once(queue: RedisQueue) -> None:
    """What is told is summed up: only what adds up to a part of the minute asks Redis."""
    tally = Tally(NEW_QUOTA)
    for purpose, units in ((Purpose.PUSH, 2), (Purpose.MATCH, 20), (Purpose.SORT, 5), (Purpose.SWEEP, 1)):
        with tally.reserved(MailboxId(1), purpose, units, RedisQueue(Redis(port=1), lambda event: None)):
            tally.add(MailboxId(1), purpose, units)
    assert queue.redis.keys("lodestone:units:*") == []
    tally.tell(queue)
    [key] = queue.redis.keys("lodestone:units:*")
    assert queue.redis.hgetall(key) == {b"0": b"28", b"1": b"28"}
    assert 0 < queue.redis.ttl(key) <= 120


@pytest.mark.rule("E87")
def test_what_is_nearly_used_up_is_said_once(queue: RedisQueue) -> None:
    quota = Quota(mailbox_minute=1_000, project_minute=2_000, read=20, project_day=10_000)
    with capture_logs() as logs:
        for owner in ("one", "two"):
            tally = Tally(quota, owner)
            for mailbox_id in (1, 2):
                tally.add(MailboxId(mailbox_id), Purpose.MATCH, 450)
                tally.tell(queue)
            tally.know_day(8_000)
            tally.tell(queue)
    said = [(one["event"], one.get("mailbox_id") or one["span"]) for one in logs]
    assert sorted(said, key=str) == [
        ("quota.mailbox_used", 1),
        ("quota.mailbox_used", 2),
        ("quota.project_used", "day"),
        ("quota.project_used", "minute"),
    ]
