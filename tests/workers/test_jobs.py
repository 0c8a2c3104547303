"""The table of jobs: nothing stands in it half, and what the release before has queued is understood."""

import json
from collections import Counter
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import get_args

import pytest
from redis import Redis

from domain import events
from domain.events import Event, MailboxChanged, MailFound
from domain.ids import MailboxId
from domain.ledger import Step
from handlers.jobs import MAIL, OUTSIDE, UPKEEP
from infra.db.store import Store
from infra.local.redis import RedisServer
from tests.forks import fork_process
from tests.journeys.world import wait_for
from tests.worlds import KEY, ONE_DATABASE, make_world
from workers.broker import make_broker, send
from workers.intake import GUARDED
from workers.jobs import BY_NAME, JOBS, woken_by

RELEASED = {
    "mailboxes.catch_up": (MAIL, {"mailbox_id", "came_by"}),
    "contacts.match": (MAIL, {"mailbox_id"}),
    "notifications.announce": (MAIL, {"mailbox_id"}),
    "labels.sort": (MAIL, {"mailbox_id"}),
    "channels.deliver": (OUTSIDE, {"channel_id"}),
    "outbox.deliver": (UPKEEP, {"mailbox_id"}),
    "mailboxes.renew_watch": (UPKEEP, {"mailbox_id"}),
    "mailboxes.compare": (UPKEEP, {"mailbox_id"}),
    "mailboxes.leave": (UPKEEP, {"connection_id"}),
}
"""Jobs of the release before with their queues and what they carry: they may lie in Redis over an upgrade."""


def kinds() -> set[type[Event]]:
    """Every event there is."""
    about = get_args(Event)
    assert isinstance(Event, UnionType)
    return {one for one in vars(events).values() if isinstance(one, type) and one.__base__ in about}


def test_every_event_wakes_a_job_and_every_job_is_woken() -> None:
    assert kinds() == {job.woken_by for job in JOBS}
    assert [kind for kind, times in Counter(job.name for job in JOBS).items() if times > 1] == []


@pytest.mark.rule("W13")
@pytest.mark.parametrize("name", BY_NAME)
def test_a_job_that_the_queue_loses_is_asked_for_again(name: str) -> None:
    job = BY_NAME[name]
    assert job.due or job.step or job.redrive


@pytest.mark.rule("W2")
def test_every_step_of_the_ledger_is_one_job_s() -> None:
    assert Counter(job.step for job in JOBS if job.step) == Counter(Step)


def test_who_goes_on_with_a_job_takes_its_queue() -> None:
    """Else a worker's thread would do the notifier's work."""
    assert {job.queue for job in JOBS if job.goes_on} == {MAIL}


def test_what_the_release_before_has_queued_is_understood() -> None:
    assert {name: BY_NAME[name].queue for name in RELEASED} == {
        n: queue for n, (queue, _) in RELEASED.items()
    }
    carried = {name: {one.name for one in fields(BY_NAME[name].woken_by)} for name in RELEASED}
    assert carried == {name: ids for name, (_, ids) in RELEASED.items()}


def test_an_event_goes_to_the_queue_of_each_job_that_it_wakes(redis: Redis) -> None:
    broker = make_broker(redis)
    for event in (MailboxChanged(MailboxId(7), "sweep"), MailFound(MailboxId(7))):
        send(broker, event)
    assert broker.get_declared_queues() == {MAIL, UPKEEP, OUTSIDE} | GUARDED
    messages = [json.loads(data) for data in redis.hvals(f"lodestone:queue:{MAIL}.msgs")]
    found = {message["actor_name"]: message["kwargs"] for message in messages}
    assert found == {
        "mailboxes.catch_up": {"mailbox_id": 7, "came_by": "sweep"},
        "contacts.match": {"mailbox_id": 7},
    }
    assert [job.name for job in woken_by(MailFound(MailboxId(8)))] == ["contacts.match"]


@ONE_DATABASE
def test_worker_and_notifier_take_the_jobs_of_the_release_before_and_each_its_own(
    tmp_path: Path, store: Store, database_url: str, redis: Redis, redis_server: RedisServer
) -> None:
    make_world(store)
    environment = {
        "LODESTONE_DATABASE_URL": database_url,
        "LODESTONE_REDIS_URL": redis_server.url,
        "LODESTONE_TOKEN_KEYS": KEY,
        "LODESTONE_LOG_LEVEL": "DEBUG",
    }
    make_broker(redis)
    for number, (name, (queue, ids)) in enumerate(RELEASED.items()):
        kwargs = {one: "push" if one == "came_by" else 77 for one in ids}
        old = f"old-{number}"
        message = {"queue_name": queue, "actor_name": name, "args": [], "kwargs": kwargs}
        more = {"options": {"redis_message_id": old}, "message_id": old, "message_timestamp": 0}
        redis.hset(f"lodestone:queue:{queue}.msgs", old, json.dumps(message | more))
        redis.rpush(f"lodestone:queue:{queue}", old)
    running = [fork_process(name, environment, tmp_path / f"{name}.log") for name in ("worker", "notifier")]
    try:
        keys = [f"lodestone:queue:{queue}.msgs" for queue in (MAIL, UPKEEP, OUTSIDE)]
        assert wait_for(lambda: redis.exists(*keys) == 0)
    finally:
        for process in running:
            process.kill()
            process.join()
    said = "".join((tmp_path / f"{name}.log").read_text() for name in ("worker", "notifier"))
    for trouble in ("job.failed", "library.warned", "thread.crashed"):
        assert trouble not in said
    assert redis.keys("*.DQ*") == redis.keys("*.XQ*") == []
