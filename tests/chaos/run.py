"""One run: the plan falls upon the world, calm returns, and everything is looked at."""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from sqlalchemy import create_engine, text

from infra.db.tables.schema import metadata
from infra.local.postgres import PostgresServer, own_postgres
from tests.chaos import plan, shown
from tests.chaos.books import Books, evidence
from tests.chaos.crm import AS_OF
from tests.chaos.judge import Fault, Judge, was_away
from tests.chaos.logs import Logs, Owners, lines_about
from tests.chaos.reading import reading
from tests.chaos.world import World
from workers.demo.canary import Canaries, Search, self_test
from workers.demo.stage import Stage

SETTINGS = {
    "lease": "5",
    "redrive_after": "1",
    "sweep_tick": "0.2",
    "sweep_due_after": "4",
    "settle_after": "6",
    "compare_every": "10",
    "gmail_timeout": "3",
    "channels_may_be_private": "true",
    "channel_rest": "1",
    "as_of": AS_OF,
}
"""Impatient, but not so that a slow machine looks like a dead one."""

PATIENCE = 180.0
"""Seconds after which what still waits is lost: the longest rest is 64 s, and may come twice."""

QUIET = 3.0
"""Seconds in which nothing may happen any more once everything is right."""

REPORT_EVERY = 15.0
WRONG_SHOWN = 10


@dataclass(slots=True)
class Result:
    """What was done, and what is not as it must be."""

    seed: int
    database: str
    mails: int
    seconds: float
    settled_after: float
    kills: dict[str, int]
    troubles: dict[str, int]
    hands: dict[str, int]
    upheavals: dict[str, int]
    units: int
    pushes: dict[str, int]
    signed_in: int
    delivered: int
    repeated: int
    by_place: dict[str, int]
    away: int
    events: dict[str, int]
    job_failed: dict[str, int]
    searched: str
    wrong: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)


def run(folder: Path, *, seed: int, minutes: float, database: str, say: Callable[[str], None]) -> Result:
    """Raises what a broken set-up raises; everything else is in the result."""
    token = "".join(random.Random(f"{seed} canary").choices("bdfgklmnprstvz", k=10))
    with ExitStack() as stack:
        postgres = stack.enter_context(own_postgres(folder)) if database == "postgresql" else None
        if postgres:
            _keep_commits(postgres)
        url = postgres.url if postgres else None
        stage = stack.enter_context(Stage(folder, database_url=url, **SETTINGS))
        world = stack.enter_context(World(stage, Canaries(token), postgres))
        return _play(world, seed, minutes, database, postgres, say)


def _play(
    world: World,
    seed: int,
    minutes: float,
    database: str,
    postgres: PostgresServer | None,
    say: Callable[[str], None],
) -> Result:
    began = time.monotonic()
    progress = _Progress(world, say)
    for at, deed in plan.make(seed, minutes, world.processes()):
        world.tend()
        while (wait := began + at - time.monotonic()) > 0:
            time.sleep(min(wait, 0.1))
            world.tend()
        world.perform(deed)
        progress.tick()
    world.calm()
    calm = time.monotonic()
    faults = _settle(world, progress)
    settled_after = time.monotonic() - calm
    known = _known_of(world, faults)
    counters = world.stage.gmail.counters()
    wrong = [f"{one.box} {one.message_id}: {one.what}" for one in faults]
    books = Books.read(world.case, world.stage.database_url, world.stage.gmail)
    with world.stage.shell() as shell:
        wrong += shown.faults(world.case, books, shell)
    searched, found = _search(world, postgres)
    logs = Logs(_owners(world, books)).read(world.stage.logs, world.processes())
    wrong += found + [f"log: {times} × {what}" for what, times in logs.unexpected.items()]
    return Result(
        seed,
        database,
        len(world.case.sent),
        calm - began,
        settled_after,
        dict(world.kills),
        dict(world.struck),
        dict(world.user.hands),
        dict(world.upheavals),
        counters.units,
        dict(counters.pushes),
        world.sign_ins.times,
        sum(len(receiver.taken) for receiver in world.receivers),
        sum(receiver.repeated for receiver in world.receivers),
        _notified(books),
        _away(world, books),
        dict(logs.events),
        dict(logs.failed),
        searched,
        wrong,
        known,
    )


def _notified(books: Books) -> dict[str, int]:
    """How many notifications each location has."""
    return {
        str(place): sum(row.location_id == here.id for row in books.told)
        for place, here in books.locations.items()
    }


def _away(world: World, books: Books) -> int:
    """Of how many mails nothing is asked for one user of a mailbox, because he had to sign in."""
    return sum(
        was_away(world.case, books, sent, seat)
        for sent in world.case.sent
        for seat in sent.letter.box.working
    )


def _owners(world: World, books: Books) -> Owners:
    """For the logs: by their numbers."""
    locations = {box: {books.locations[seat.place].id for seat in box.seats} for box in world.case.boxes}
    return Owners(
        {sent.id: locations[sent.letter.box] for sent in world.case.sent},
        {
            connection_id: books.locations[place].id
            for (place, _), connection_id in books.connection_ids.items()
        },
    )


def _known_of(world: World, faults: Sequence[Fault]) -> list[str]:
    """What is wrong with the first few mails, and all that is known of each."""
    mails: dict[tuple[str, str], list[str]] = {}
    for one in faults:
        if one.message_id:
            mails.setdefault((one.box, one.message_id), []).append(one.what)
    lines = []
    for (box, message_id), wrong in list(mails.items())[:WRONG_SHOWN]:
        lines += [f"{box} {message_id}: {'; '.join(wrong)}"]
        about = [
            *evidence(world.case, world.stage.database_url, message_id),
            *lines_about(world.stage.logs, message_id),
        ]
        lines += [f"    {line}" for line in about]
    return lines


class _Progress:
    """One line now and then."""

    def __init__(self, world: World, say: Callable[[str], None]) -> None:
        self._world, self._say = world, say
        self._began = self._last = time.monotonic()

    def tick(self, more: str = "") -> None:
        if time.monotonic() - self._last >= REPORT_EVERY:
            self._last = time.monotonic()
            world = self._world
            self._say(
                f"{self._last - self._began:4.0f} s  {len(world.case.sent)} mails, {world.kills.total()} kills, "
                f"{world.struck.total()} strikes, {world.user.hands.total()} hands{more}"
            )


def _judge(world: World) -> list[Fault]:
    url = world.stage.database_url
    books = Books.read(world.case, url, world.stage.gmail)
    faults = Judge(world.case, books).judge()
    return faults + [Fault(what) for receiver in world.receivers for what in receiver.faults(books)]


def _settle(world: World, progress: _Progress) -> list[Fault]:
    """Until everything is right and stays so, or patience ends: what is wrong then."""
    end = time.monotonic() + PATIENCE
    while True:
        world.tend()
        faults = _judge(world)
        if not faults:
            time.sleep(QUIET)
            faults = _judge(world)
            if not faults:
                return []
        if time.monotonic() > end:
            return faults
        progress.tick(f"; {len(faults)} not yet right, as {faults[0].what}")
        time.sleep(1)


def _keep_commits(postgres: PostgresServer) -> None:
    """The tests' server gives up its last commits when it is killed; this one is killed on purpose."""
    engine = create_engine(postgres.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as db:
        db.execute(text("ALTER DATABASE postgres SET synchronous_commit = on"))
    engine.dispose()


def _search(world: World, postgres: PostgresServer | None) -> tuple[str, list[str]]:
    """The canaries of all mails in all that is kept, first while it is open, then in the files it leaves."""
    stage, words = world.stage, world.canaries.words
    search = Search(words)
    scratch = stage.folder / "planted"
    scratch.mkdir()
    found = [] if self_test(words, scratch) else ["the search for canaries does not find planted ones"]
    with reading(stage.database_url) as db:
        for table in metadata.sorted_tables:
            rows = repr([tuple(row) for row in db.execute(table.select())]).encode()
            found += [f"canary {word} in table {table.name}" for word in search.in_bytes(rows)]
    for body in (body for receiver in world.receivers for body in receiver.bodies):
        found += [f"canary {word} in an event" for word in search.in_bytes(body)]
    with Redis.from_url(stage.redis.url) as redis:
        proof = search.in_redis(redis)
    world.end()
    proof.add(search.in_folder(stage.folder))
    if postgres:
        proof.add(search.in_folder(postgres.data))
    found += [f"canary {word} in {where}" for where, word in proof.found]
    return f"{proof.files} files, {proof.redis_keys} Redis keys, {proof.size / 1e6:.1f} MB", found
