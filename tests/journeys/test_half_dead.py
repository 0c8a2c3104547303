"""Processes that have lost something: their log, and they work on; or what they live on, and they end."""

import json
import os
import signal
from pathlib import Path

import pytest
from redis import Redis

from tests.forks import CLOSED_PIPE, STOPPED_PIPE
from tests.journeys.conftest import ON_SQLITE, PUSH_INTERVAL, Scene
from tests.journeys.world import PATIENT, wait_for
from workers import vital
from workers.demo.stage import PROCESSES

TO_NOBODY = json.dumps(
    {"queue_name": "nobodys", "actor_name": "channels.deliver", "args": [], "kwargs": {}, "options": {}}
    | {"message_id": "stray", "message_timestamp": 0}
)
MUCH_LATER = json.dumps(
    {"queue_name": "mail.DQ", "actor_name": "contacts.match", "args": [], "kwargs": {"mailbox_id": 0}}
    | {
        "message_id": "later",
        "message_timestamp": 0,
        "options": {"eta": 1 << 45, "redis_message_id": "later"},
    }
)

ALONE = PATIENT | {"LODESTONE_LEASE": "10", "LODESTONE_CHANNEL_TIMEOUT": "5"}
"""For processes without a sweep: what is late there nobody asks for again."""


@ON_SQLITE
@pytest.mark.rule("I1", "I2")
@pytest.mark.parametrize(
    "sink", [CLOSED_PIPE, STOPPED_PIPE, Path("/dev/full")], ids=["closed pipe", "stopped pipe", "full disk"]
)
def test_without_its_log_every_process_works_on(scene: Scene, sink: Path) -> None:
    running = {name: scene.fleet.start(name, log=sink, **ALONE) for name in PROCESSES}
    sent = scene.mail()
    scene.check(sent)
    assert [name for name, process in running.items() if not process.is_alive()] == []
    scene.stage.gmail.push(interval=0)  # of a push that Gmail drops only the sweep makes up for
    for silent in ("sweep", "dispatcher"):  # what the other alone brings
        scene.fleet.kill(silent)
        sent |= scene.mail()
        scene.check(sent)
        scene.fleet.start(silent, log=sink, **ALONE)
    scene.stage.gmail.push(interval=PUSH_INTERVAL)


@ON_SQLITE
@pytest.mark.rule("I1", "W16")
def test_a_process_without_what_it_lives_on_ends_in_time_with_a_code(scene: Scene) -> None:
    doomed = {"dispatcher": "Thread-ConsumeBidirectionalStream", "sweep": "scheduler"}
    starts = {name: scene.log(name).count("process.started") for name in PROCESSES}
    running = {name: scene.fleet.start(name, doomed=doomed.get(name, "")) for name in PROCESSES}
    assert wait_for(lambda: all(scene.log(n).count("process.started") > starts[n] for n in PROCESSES))
    sent = scene.mail()
    scene.check(sent)
    for name in doomed:
        os.kill(running[name].pid or 0, signal.SIGUSR1)
    with Redis.from_url(scene.stage.redis.url, decode_responses=True) as redis:
        _put(redis, "outside", "stray", TO_NOBODY)
        _put(redis, "mail.DQ", "later", MUCH_LATER)
        assert wait_for(lambda: not redis.exists("lodestone:queue:mail.DQ", "lodestone:queue:outside"))
        redis.config_set("maxmemory", 1)  # it answers every script with an error: one that is no outage
        for process in running.values():
            process.join(60)
        redis.config_set("maxmemory", 0)
        redis.flushall()
    assert vital.LOOK_EVERY + vital.TIDY_WITHIN < 10, "what a supervisor is promised"
    assert {name: process.exitcode for name, process in running.items()} == dict.fromkeys(PROCESSES, 1)
    lost = {"dispatcher": "pubsub", "worker": "worker", "sweep": "scheduler", "notifier": "notifier"}
    assert [name for name, part in lost.items() if f'"part": "{part}"' not in scene.log(name)] == []
    for name in PROCESSES:
        scene.fleet.start(name)
    sent |= scene.mail()
    scene.check(sent)


def _put(redis: Redis, queue: str, message_id: str, message: str) -> None:
    redis.hset(f"lodestone:queue:{queue}.msgs", message_id, message)
    redis.rpush(f"lodestone:queue:{queue}", message_id)
