"""Forgetting 100,000 mails past their retention, by a real sweep, while somebody else writes."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from sqlalchemy import func, select, text

from domain.mailboxes.accounts import AccountKey
from infra.db.tables.ledger import duties
from infra.db.tables.mail import messages
from infra.db.types import db_now
from infra.local.redis import RedisServer
from tests.scale.frame import Figure, Place
from tests.worlds import KEY

ROOT = Path(__file__).parents[2]
TOO_LONG = 600.0
BEFORE_THE_STOP = 2.0
"""Seconds of purging after which the first sweep is told to stop."""


def purge(place: Place) -> Iterator[Figure]:
    """Two sweeps, one after the other: the first is stopped in the middle, the second does what is left."""
    with place.copy() as other, tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as redis:
        with other.store.begin("scale.pass") as tx:
            tx.db.execute(text("UPDATE crm_versions SET deleted_at = deleted_at - 34560000000"))
        slowest, seconds = 0.0, 0.0
        started = time.monotonic()
        with _sweep(other, redis.url) as sweep:
            oldest = _oldest(other)
            _write_until(other, lambda: _oldest(other) != oldest)
            yield Figure("first purge after the start", time.monotonic() - started, "s", 75)
            began = time.monotonic()
            slowest = _write_until(other, lambda: time.monotonic() > began + BEFORE_THE_STOP)
            seconds = time.monotonic() - began
            spent = _cpu(sweep)
            sweep.terminate()
            sweep.wait(TOO_LONG)
            yield Figure("stop in the middle", time.monotonic() - began - seconds, "s", 2)
        with _sweep(other, redis.url) as sweep:
            oldest = _oldest(other)
            _write_until(other, lambda: _oldest(other) != oldest)
            began = time.monotonic()
            slowest = max(slowest, _write_until(other, lambda: not _is_old(other)))
            yield Figure("all old mails", seconds + time.monotonic() - began, "s", 60)
            yield Figure("all old mails, sweep's own CPU", spent + _cpu(sweep), "s", 30)
            slowest = max(slowest, _write_until(other, lambda: _is_done(other)))
            other.say(f"purge: the other tables too in {seconds + time.monotonic() - began:.0f} s")
        yield Figure("slowest of who wrote meanwhile", slowest, "s", 1)


@contextmanager
def _sweep(place: Place, redis_url: str) -> Iterator[subprocess.Popen[bytes]]:
    settings = {
        "LODESTONE_DATABASE_URL": place.url,
        "LODESTONE_REDIS_URL": redis_url,
        "LODESTONE_TOKEN_KEYS": KEY,
        "LODESTONE_LOG_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "workers", "sweep"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(command, env=os.environ | settings, cwd=folder)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(TOO_LONG)


def _cpu(process: subprocess.Popen[bytes]) -> float:
    """Beside the wall's seconds, because others are at work too; its start and a minute's waiting are in it."""
    return sum(psutil.Process(process.pid).cpu_times()[:2])


def _write_until(place: Place, done: Callable[[], bool]) -> float:
    """Some rows a second, as a dispatcher does; returns the seconds that the slowest took."""
    slowest, number = 0.0, 0
    end = time.monotonic() + TOO_LONG
    while not done():
        if time.monotonic() > end:
            raise TimeoutError("the purge does not get on")
        for _ in range(20):
            number += 1
            began = time.monotonic()
            with place.store.begin("scale.write") as tx:
                tx.mailboxes.note_push(AccountKey("gmail", f"u{number}@firm.example"))
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.02)
    return slowest


def _oldest(place: Place) -> object:
    with place.store.begin("scale.look", reads_only=True) as tx:
        return tx.db.scalar(select(func.min(messages.c.seen_at)))


def _is_old(place: Place) -> bool:
    with place.store.begin("scale.look", reads_only=True) as tx:
        return bool(tx.db.scalar(select(func.min(messages.c.seen_at) < db_now(-35 * 86_400))))


def _is_done(place: Place) -> bool:
    with place.store.begin("scale.look", reads_only=True) as tx:
        return bool(tx.db.scalar(select(duties.c.due_at > db_now(600)).where(duties.c.name == "purge")))
