"""A full database of the release before is brought up by `lodestone migrate`, while somebody else wants to write."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread
from typing import IO, Any

import psutil
from sqlalchemy import Connection, Engine, NullPool, create_engine, func, inspect, make_url, select, text
from sqlalchemy.exc import DBAPIError

from infra.db.migrate import check_schema, migrate
from infra.db.store import open_engine
from infra.db.tables.mailboxes import mailboxes
from infra.local.postgres import fresh_database
from tests.scale.frame import Figure, Place
from tests.scale.load import load, of_mailboxes
from tests.worlds import KEY

ROOT = Path(__file__).parents[2]
BEFORE = "0005"
RENAMED = {"organisation": "settings", "gmail_id": "message_id"}
MB = 1 << 20

Columns = Mapping[str, Sequence[str]]
Contents = Mapping[str, tuple[int, int]]


def way_up(place: Place) -> Iterator[Figure]:
    """Loaded as that release had it; each table is compared before and after."""
    with place.store.begin("scale.count", reads_only=True) as tx:
        size = of_mailboxes(tx.db.scalar(select(func.count()).select_from(mailboxes)) or 0)
    with _empty(place) as url:
        engine = open_engine(url)
        migrate(engine, BEFORE)
        load(engine, size, place.say)
        columns = columns_of(engine)
        before = contents(engine, columns)
        engine.dispose()
        way = _migrated(url)
        check_schema(engine)
        after = contents(engine, columns)
        engine.dispose()
    rows = sum(number for number, _ in before.values())
    place.say(
        f"way up: {rows:,} rows in {way.seconds:.1f} s ({rows / way.seconds:,.0f} a second), {way.cpu:.1f} s of "
        f"lodestone's own CPU; {way.began / MB:,.0f} MB before, {way.peak / MB:,.0f} at most, {way.ended / MB:,.0f} "
        f"after; who wrote meanwhile waited {way.slowest:.1f} s at most and gave up {way.refused} times"
    )
    changed = [name for name in columns if before[name] != after[name]]
    for name in changed:
        place.say(f"way up: {name} had {before[name]}, has {after[name]}")
    yield Figure("tables that the way up has changed", len(changed), "tables", 0)
    yield Figure("the way up", way.seconds, "s", 120)
    yield Figure("lodestone migrate says nothing", way.silence, "s", 5)
    yield Figure("most disk on the way up, of that before", way.peak / way.began, "x", 2)


@contextmanager
def _empty(place: Place) -> Iterator[str]:
    """A database beside the other, where there was room for that."""
    if not place.is_sqlite:
        with fresh_database(place.url) as url:
            yield url
        return
    beside = Path(make_url(place.url).database or "").parent
    with tempfile.TemporaryDirectory(prefix="way-up-", dir=beside) as folder:
        yield f"sqlite:///{folder}/lodestone.db"


def columns_of(engine: Engine) -> Columns:
    """Of every table that has rows of its own."""
    found = inspect(engine)
    return {
        name: [one["name"] for one in found.get_columns(name)]
        for name in found.get_table_names()
        if name != "alembic_version"
    }


def contents(engine: Engine, columns: Columns) -> Contents:
    """Of each table how many rows it has, and what all that stands in these columns comes to, in whatever order. A
    table or column is known by the name that it had before."""
    there = columns_of(engine)
    found = {}
    for name, its in columns.items():
        table = name if name in there else RENAMED[name]
        found[name] = _sum(engine, table, [one if one in there[table] else RENAMED[one] for one in its])
    return found


def _sum(engine: Engine, table: str, columns: Sequence[str]) -> tuple[int, int]:
    names = ", ".join(f'"{name}"' for name in columns)
    with engine.connect() as db:
        if engine.dialect.name == "postgresql":
            hashes = f"SELECT hashtextextended(its::text, 0) AS hash FROM (SELECT {names} FROM {table}) its"  # noqa: S608
            number, total = db.execute(text(f"SELECT count(*), sum(hash) FROM ({hashes}) each")).one()  # noqa: S608
            return number, int(total or 0)
        driver: Any = db.connection.driver_connection
        number = total = 0
        for row in driver.execute(f"SELECT {names} FROM {table}"):  # noqa: S608 - names that the database gave
            number, total = number + 1, total + hash(row)
        return number, total


@dataclass(slots=True)
class _Way:
    """What `lodestone migrate` took. `silence`: the longest time without a line; sizes are in bytes, with the logs that
    the databases keep for themselves."""

    began: int
    peak: int = 0
    ended: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    silence: float = 0.0
    slowest: float = 0.0
    refused: int = 0
    heard: list[float] = field(default_factory=list)


def _migrated(url: str) -> _Way:
    way = _Way(_bytes(url))
    done = Event()
    writer = Thread(target=_write, args=(url, way, done))
    settings = {"LODESTONE_DATABASE_URL": url, "LODESTONE_TOKEN_KEYS": KEY, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "workers", "migrate"]
    with tempfile.TemporaryDirectory() as folder:
        way.heard.append(time.monotonic())
        with subprocess.Popen(
            command,
            env=os.environ | settings,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            listener = Thread(target=_listen, args=(process.stdout, way))
            for thread in (writer, listener):
                thread.start()
            try:
                _watch(process, url, way)
            finally:
                done.set()
            way.heard.append(time.monotonic())
            for thread in (writer, listener):
                thread.join()
    if process.returncode:
        raise AssertionError(f"lodestone migrate ended with {process.returncode}")
    way.ended = _bytes(url)
    way.seconds = way.heard[-1] - way.heard[0]
    moments = sorted(way.heard)
    way.silence = max(later - sooner for sooner, later in pairwise(moments))
    return way


def _watch(process: subprocess.Popen[str], url: str, way: _Way) -> None:
    its = psutil.Process(process.pid)
    while process.poll() is None:
        way.peak = max(way.peak, _bytes(url))
        with suppress(psutil.Error):
            way.cpu = sum(its.cpu_times()[:2]) or way.cpu
        time.sleep(0.1)


def _listen(lines: IO[str] | None, way: _Way) -> None:
    for _ in lines or ():
        way.heard.append(time.monotonic())


def _write(url: str, way: _Way, done: Event) -> None:
    """Somebody who did not stop: a row of a table that is changed, ten times a second."""
    engine = open_engine(url)
    while not done.wait(0.1):
        began = time.monotonic()
        try:
            with engine.begin() as db:
                db.execute(text("UPDATE connections SET version = version WHERE id = 1"))
        except DBAPIError:
            way.refused += 1
        way.slowest = max(way.slowest, time.monotonic() - began)
    engine.dispose()


def _bytes(url: str) -> int:
    """What the database takes on the disk, its log of changes too."""
    if url.startswith("sqlite"):
        return sum(map(_size, Path(make_url(url).database or "").parent.iterdir()))
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as db:
        return _on_server(db)


def _size(file: Path) -> int:
    with suppress(FileNotFoundError):  # SQLite's logs come and go
        return file.stat().st_size
    return 0


def _on_server(db: Connection) -> int:
    size = "SELECT pg_database_size(current_database()) + (SELECT coalesce(sum(size), 0) FROM pg_ls_waldir())"
    return int(db.scalar(text(size)) or 0)
