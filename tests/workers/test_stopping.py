"""Every process obeys SIGTERM also while what it needs is away or hangs, the dispatcher in the middle of work too."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from google.cloud.pubsub_v1 import PublisherClient
from redis import Redis
from sqlalchemy import make_url

from infra.db.store import Store
from infra.gmail.pubsub import ensure_subscription
from infra.local.ports import wait_until
from infra.local.pubsub import PubSubServer
from infra.local.redis import RedisServer
from infra.secrets import Cipher
from tests.journeys.world import whole_lines
from tests.nowhere import dead_port
from tests.worlds import KEY, make_world
from workers.process import STOP_WITHIN

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0
SOON = 15.0
"""Seconds, with what a machine that has other work takes for it; what hangs is waited for for longer."""


@contextmanager
def process_of(
    folder: Path, settings: Mapping[str, str], name: str = "dispatcher"
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The process and its log; it is killed when it does not end."""
    foreign = ("LODESTONE_", "DATABASE_URL", "REDIS_URL", "PUBSUB_EMULATOR_HOST", "GOOGLE_APPLICATION")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers", name],
            cwd=folder,
            env=inherited | {"LODESTONE_TOKEN_KEYS": KEY, "PYTHONPATH": str(ROOT), **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process, log
    finally:
        process.kill()
        process.wait()


def says(log: Path, event: str, **fields: str) -> bool:
    lines = [json.loads(line) for line in whole_lines(log) if line.startswith("{")]
    return any({"event": event, **fields}.items() <= line.items() for line in lines)


@pytest.mark.rule("W13", "W16")
@pytest.mark.parametrize(
    ("name", "part"),
    [("dispatcher", "redis"), ("dispatcher", "database"), ("worker", "database"), ("run", "redis")],
)
def test_sigterm_ends_it_before_what_it_waits_for_is_there(
    tmp_path: Path, sqlite_url: str, name: str, part: str
) -> None:
    nowhere = f"127.0.0.1:{dead_port()}"
    database = f"postgresql+psycopg://me:secret@{nowhere}/crm" if part == "database" else sqlite_url
    settings = {"LODESTONE_REDIS_URL": f"redis://{nowhere}/0", "LODESTONE_DATABASE_URL": database}
    with process_of(tmp_path, settings, name) as (process, log):
        assert wait_until(lambda: says(log, "part.awaited", part=part), seconds=PATIENCE)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SOON) == 0
    assert says(log, "process.stopped")
    assert not says(log, "process.started")


@pytest.mark.rule("W13", "W16")
def test_sigterm_ends_it_while_redis_is_away_in_the_middle_of_work(
    tmp_path: Path, sqlite_url: str, cipher: Cipher, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(sqlite_url, cipher)
    make_world(store)
    store.engine.dispose()
    with PubSubServer() as pubsub, RedisServer(tmp_path / "redis") as redis:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.host)
        ensure_subscription("lodestone", "gmail", "lodestone")
        settings = {
            "LODESTONE_REDIS_URL": redis.url,
            "LODESTONE_DATABASE_URL": sqlite_url,
            "PUBSUB_EMULATOR_HOST": pubsub.host,
        }
        with process_of(tmp_path, settings) as (process, log):
            with PublisherClient() as publisher:
                publisher.publish("projects/lodestone/topics/gmail", b"it pulls").result(PATIENCE)
                assert wait_until(lambda: says(log, "push.rejected"), seconds=PATIENCE)
                redis.kill()
                push = json.dumps({"emailAddress": "uwe@firm.example", "historyId": 7}).encode()
                publisher.publish("projects/lodestone/topics/gmail", push).result(PATIENCE)
            assert wait_until(lambda: says(log, "part.awaited", part="redis"), seconds=PATIENCE)
            process.send_signal(signal.SIGTERM)
            assert process.wait(SOON) == 0
    assert says(log, "push.returned")
    assert says(log, "process.stopped")


@pytest.mark.rule("W16")
def test_a_dispatcher_has_started_once_pubsub_has_let_it_in(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PubSubServer() as pubsub, RedisServer(tmp_path / "redis") as redis:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.host)
        settings = {
            "LODESTONE_REDIS_URL": redis.url,
            "LODESTONE_DATABASE_URL": sqlite_url,
            "PUBSUB_EMULATOR_HOST": pubsub.host,
        }
        with process_of(tmp_path, settings) as (process, log):
            refused = {"part": "pubsub", "error": "NotFound"}
            assert wait_until(lambda: says(log, "part.awaited", **refused), seconds=PATIENCE)
            assert not says(log, "process.started"), "there is no subscription"
            ensure_subscription("lodestone", "gmail", "lodestone")
            assert wait_until(lambda: says(log, "process.started"), seconds=PATIENCE)
            process.send_signal(signal.SIGTERM)
            assert process.wait(SOON) == 0


@pytest.mark.rule("W11", "W16")
def test_sigterm_ends_the_sweep_while_somebody_else_writes_for_longer_than_it_has(
    tmp_path: Path, sqlite_url: str
) -> None:
    """What waits for SQLite's one writer does so for half a minute."""
    with RedisServer(tmp_path / "redis") as redis:
        settings = {"LODESTONE_REDIS_URL": redis.url, "LODESTONE_DATABASE_URL": sqlite_url}
        file = make_url(sqlite_url).database or ""
        with (
            closing(sqlite3.connect(file, isolation_level=None)) as other,
            Redis.from_url(redis.url) as client,
            process_of(tmp_path, settings | {"LODESTONE_SWEEP_TICK": "0.3"}, "sweep") as (process, log),
        ):
            other.execute("BEGIN IMMEDIATE")
            assert wait_until(lambda: says(log, "process.started"), seconds=PATIENCE)
            assert wait_until(lambda: client.exists("lodestone:clock"), seconds=PATIENCE)
            process.send_signal(signal.SIGTERM)
            assert process.wait(STOP_WITHIN) == 0
    assert says(log, "process.stopped")
    assert not says(log, "duty.postponed"), "none of them had given up yet"
