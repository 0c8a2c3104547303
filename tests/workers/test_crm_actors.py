"""The CRM's messages as any program may write them, through a real worker process (docs/CRM.md).

The worker has one thread and logs at DEBUG: what kills a thread or is printed does not go unnoticed.
"""

import json
import re
import shlex
import signal
import uuid
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import text

from domain.crm.locations import SEVERAL
from handlers.crm import locations
from infra.crm.json import ACTORS, Line, read_lines
from infra.db.store import Store
from tests.forks import fork_process
from tests.journeys.world import wait_for, whole_lines
from tests.worlds import HERE, KEY, ONE_DATABASE

DOCUMENT = (Path(__file__).parents[2] / "docs" / "CRM.md").read_text()
QUEUE = "lodestone:queue:crm"
CANARY = "zephyrine"
"""Stands in every value that must not get out."""


class Factory:
    """A queue, a database, and worker processes on them."""

    def __init__(self, folder: Path, store: Store, database_url: str, redis: Redis, redis_url: str) -> None:
        self.store = store
        self.redis = redis
        self._log = folder / "worker.log"
        self._running: list[ForkServerProcess] = []
        self.environment = {
            "LODESTONE_DATABASE_URL": database_url,
            "LODESTONE_REDIS_URL": redis_url,
            "LODESTONE_TOKEN_KEYS": KEY,
            "LODESTONE_WORKER_THREADS": "1",
            "LODESTONE_LOG_LEVEL": "DEBUG",
        }

    def start(self, **extra: str) -> ForkServerProcess:
        """One more worker."""
        process = fork_process("worker", self.environment | extra, self._log)
        self._running.append(process)
        return process

    def close(self) -> None:
        for process in self._running:
            process.kill()
            process.join()

    def put(self, actor: str, **fields: Any) -> None:
        """A message as it should be."""
        self.put_raw(envelope(actor, fields))

    def put_raw(self, message: Mapping[str, Any] | bytes) -> None:
        """Whatever it is, under an id of its own."""
        message_id = uuid.uuid4().hex
        data = message if isinstance(message, bytes) else json.dumps(message)
        with self.redis.pipeline() as both:
            both.hset(f"{QUEUE}.msgs", message_id, data)
            both.rpush(QUEUE, message_id)
            both.execute()

    def log(self) -> str:
        """All that the workers have written, to either stream."""
        return self._log.read_text() if self._log.exists() else ""

    def said(self, event: str) -> list[dict[str, Any]]:
        """The lines of one event."""
        return [json.loads(line) for line in whole_lines(self._log) if f'"event": "{event}"' in line]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.store.engine.connect() as db:
            return [tuple(row) for row in db.execute(text(query))]

    def do(self, *statements: str) -> None:
        """As somebody who works on the database."""
        with self.store.engine.begin() as db:
            for statement in statements:
                db.execute(text(statement))

    def is_there(self, contact_id: str) -> bool:
        return (contact_id,) in self.rows("SELECT id FROM contacts")

    def in_redis(self) -> dict[str, object]:
        """Everything that is there, by key."""
        look: dict[Any, Callable[[Any], object]] = {
            b"string": self.redis.get,
            b"list": lambda key: self.redis.lrange(key, 0, -1),
            b"hash": self.redis.hgetall,
            b"set": self.redis.smembers,
            b"zset": lambda key: self.redis.zrange(key, 0, -1),
            b"none": lambda key: None,  # gone meanwhile
        }
        return {key.decode(): look[self.redis.type(key)](key) for key in self.redis.scan_iter()}


def envelope(actor: str, fields: object, **other: object) -> dict[str, Any]:
    """Dramatiq's, with what is other than it should be."""
    message_id = uuid.uuid4().hex
    plain: dict[str, Any] = {"queue_name": "crm", "actor_name": actor, "args": [], "kwargs": fields}
    return plain | {"options": {}, "message_id": message_id, "message_timestamp": 1} | other


def person(contact_id: str, **other: object) -> dict[str, Any]:
    """The fields of a contact whose values are nobody's business."""
    plain: dict[str, Any] = {"id": contact_id, "version": 1, "kind": "contact", "name": f"Ann {CANARY}"}
    plain |= {"emails": [f"{contact_id}@{CANARY}.example"], "assigned_to": None, "created_at": "2024-01-02"}
    return plain | other


@pytest.fixture
def factory(
    tmp_path: Path, store: Store, database_url: str, redis: Redis, redis_server: Any
) -> Iterator[Factory]:
    factory = Factory(tmp_path, store, database_url, redis, redis_server.url)
    yield factory
    factory.close()


@pytest.fixture
def poisoned(factory: Factory) -> Iterator[None]:
    """A database that does not take the contact "poison", and says why in an error full of values."""
    if factory.store.engine.dialect.name == "sqlite":
        refuse = f"BEGIN SELECT RAISE(ABORT, '{CANARY}'); END"
        factory.do(f"CREATE TRIGGER poison BEFORE INSERT ON contacts WHEN NEW.id = 'poison' {refuse}")
        yield
        return
    factory.do("ALTER TABLE contacts ADD CONSTRAINT poison CHECK (id <> 'poison')")
    yield
    factory.do("ALTER TABLE contacts DROP CONSTRAINT poison")


@pytest.fixture
def shut(factory: Factory) -> Iterator[Callable[[], None]]:
    """A database without contacts, until it is called."""
    factory.do("ALTER TABLE contacts RENAME TO shut")
    is_shut = [True]

    def open_() -> None:
        if is_shut:
            factory.do("ALTER TABLE shut RENAME TO contacts")
            is_shut.clear()

    yield open_
    open_()


REFUSED = (
    envelope("crm.upsert_contact", person("c1", **{CANARY: 1})),
    envelope("crm.upsert_contact", person("c2", emails=[f"{CANARY}@@example"])),
    envelope("crm.upsert_contact", person("c3", version=CANARY)),
    envelope("crm.upsert_contact", {"id": {CANARY: CANARY}}),
    envelope("crm.upsert_contact", {}, args=[CANARY]),
    envelope("crm.upsert_contact", person("c4"), args=[CANARY]),
    envelope("crm.upsert_deal", {"id": "d1", "version": 1, "stage": CANARY, "contact_ids": CANARY}),
    envelope("crm.delete_contact", person("c5")),
)
UNREADABLE: tuple[dict[str, Any] | bytes, ...] = (
    envelope("crm.upsert_contact", person("c1", self=CANARY)),
    envelope("crm.upsert_contact", CANARY),
    envelope("crm.upsert_contact", person("c1"), args=CANARY),
    envelope(f"crm.{CANARY}", person("c1")),
    envelope("labels.sort", {"mailbox_id": CANARY}),
    {"kwargs": {"name": CANARY}},
    f'{{"actor_name": "{CANARY}'.encode(),
    b"\xff" + CANARY.encode(),
    json.dumps([CANARY]).encode(),
    b"[" * 100_000 + CANARY.encode(),
)
NESTED = [
    b'{"actor_name": "crm.delete_deal", "kwargs": {"id": ' + b"[" * depth + b"]" * depth + b"}}"
    for depth in range(940, 1_000)
]
"""Around the depth that Python reads and no longer writes."""
ODD_BUT_GOOD = (
    {"actor_name": "crm.upsert_contact", "kwargs": person("good1")},
    envelope("crm.upsert_contact", person("good2"), queue_name=CANARY),
    envelope("crm.upsert_contact", person("good3"), options=CANARY, message_id={CANARY: 1}),
    envelope(
        "crm.upsert_contact",
        person("good4"),
        options={"eta": 9e15, "time_limit": CANARY, "throws": CANARY, "redis_message_id": CANARY},
    ),
)


@pytest.mark.rule("D2", "I3")
@pytest.mark.usefixtures("poisoned")
def test_whatever_fails_its_values_stay_out_of_logs_and_dead_letters(factory: Factory) -> None:
    for message in (*REFUSED, *UNREADABLE, *NESTED, *ODD_BUT_GOOD):
        factory.put_raw(message)
    factory.redis.rpush(QUEUE, "an id without a message")
    factory.put("crm.upsert_contact", **person("poison"))
    factory.start()
    assert wait_for(lambda: factory.is_there("good4") and bool(factory.said("crm.abandoned")))
    factory.put("crm.upsert_contact", **person("last"))
    assert wait_for(lambda: factory.is_there("last"))

    assert sorted(factory.rows("SELECT id FROM contacts")) == [
        ("good1",), ("good2",), ("good3",), ("good4",), ("last",)
    ]  # fmt: skip
    refused, unreadable = len(factory.said("crm.refused")), len(factory.said("job.refused"))
    assert refused >= len(REFUSED)
    assert unreadable > len(UNREADABLE)
    assert refused + unreadable == len(REFUSED) + len(UNREADABLE) + len(NESTED) + 1
    [abandoned] = factory.said("crm.abandoned")
    assert (abandoned["kind"], abandoned["record_id"]) == ("contacts", "poison")
    assert [line["attempt"] for line in factory.said("crm.postponed")] == [1, 2, 3, 4]
    assert CANARY not in factory.log().lower()
    assert "Traceback" not in factory.log()
    assert wait_for(lambda: not [key for key in factory.in_redis() if key.startswith(QUEUE)])
    assert CANARY not in str(factory.in_redis()).lower()


@pytest.mark.rule("E9", "E106", "E107")
@ONE_DATABASE
def test_the_organisations_words_and_days_count_and_a_refused_change_is_remembered(factory: Factory) -> None:
    with factory.store.begin("tests.set") as tx:
        tx.of(HERE).settings.set("category", {"closed lost": "LOST"})
        tx.of(HERE).settings.set("time-zone", "Europe/Berlin")
    deal = {"version": 1, "contact_ids": [], "stage": "s", "closing_date": "2026-03-31T22:00:00Z"}
    factory.start()
    factory.put("crm.upsert_deal", id="lost", category="Closed  lost", **deal)
    factory.put("crm.upsert_deal", id="unknown", category=CANARY, **deal)
    factory.put("crm.upsert_contact", **person("ann", emails=[CANARY, "ann@example.com"]))
    assert wait_for(lambda: len(factory.said("crm.changed")) == 2)
    factory.put("crm.upsert_contact", **person("ann", version=3, kind=CANARY))
    assert wait_for(lambda: len(factory.said("crm.refused")) == 2)
    factory.put("crm.upsert_contact", **person("ann", version=2, emails=["ann@example.com"]))
    assert wait_for(lambda: len(factory.said("crm.changed")) == 3)
    assert factory.rows("SELECT id, category, closing_date FROM deals") == [("lost", "LOST", "2026-04-01")]
    assert factory.rows("SELECT address FROM contact_addresses") == [("ann@example.com",)]
    [trimmed] = factory.said("crm.trimmed")
    assert (trimmed["record_id"], trimmed["reason"]) == (
        "ann",
        "emails: entry 1 is no address and was left out",
    )
    assert factory.rows("SELECT kind, record_id, version FROM outdated") == [("contacts", "ann", 3)]
    factory.put("crm.upsert_contact", **person("ann", version=3))
    assert wait_for(lambda: not factory.rows("SELECT * FROM outdated"))
    assert CANARY not in factory.log().lower()


@pytest.mark.rule("I1", "W16")
def test_what_the_database_cannot_take_goes_round_until_it_can(
    factory: Factory, shut: Callable[[], None]
) -> None:
    factory.put("crm.upsert_contact", **person("ann"))
    first = factory.start()
    assert wait_for(lambda: len(factory.said("crm.postponed")) > 6), "more often than a record's own trouble"
    first.terminate()
    first.join(60)
    assert first.exitcode == 0
    assert factory.redis.llen(QUEUE) == 1, "a worker that stops leaves it on the queue"
    shut()
    factory.start()
    assert wait_for(lambda: factory.is_there("ann"))
    assert CANARY not in factory.log().lower()


@pytest.mark.rule("I1", "I2")
@pytest.mark.parametrize("side", ["before", "after"])
def test_a_worker_that_is_killed_leaves_the_change_to_the_next(factory: Factory, side: str) -> None:
    doomed = factory.start(LODESTONE_DIE_AT=f"crm.change.{side}")
    factory.put("crm.upsert_contact", **person("ann"))
    doomed.join(120)
    assert doomed.exitcode == -signal.SIGKILL
    assert factory.is_there("ann") is (side == "after")
    factory.start()
    assert wait_for(lambda: bool(factory.said("crm.changed") + factory.said("crm.ignored")))
    assert factory.is_there("ann")


@pytest.mark.rule("W13", "I1")
@ONE_DATABASE
def test_a_message_whose_fetch_was_never_answered_is_not_stranded(factory: Factory) -> None:
    factory.start()
    assert wait_for(lambda: "process.started" in factory.log())
    assert wait_for(lambda: factory.redis.exists("lodestone:queue:__heartbeats__") == 1)
    workers: Any = factory.redis.zrange("lodestone:queue:__heartbeats__", 0, -1)
    [worker] = workers
    with factory.redis.pipeline() as both:  # as Dramatiq's fetch leaves it
        both.hset(f"{QUEUE}.msgs", "lost", json.dumps(envelope("crm.upsert_contact", person("ann"))))
        both.sadd(f"lodestone:queue:__acks__.{worker.decode()}.crm", "lost")
        both.execute()
    assert wait_for(lambda: factory.is_there("ann"))
    assert wait_for(lambda: not [key for key in factory.in_redis() if key.startswith(QUEUE)])


@ONE_DATABASE
def test_the_document_says_it_right(factory: Factory) -> None:
    blocks = dict(re.findall(r"```(\w+)\n(.*?)```", DOCUMENT, re.DOTALL))

    examples = [line for line in read_lines(blocks["json"].encode().splitlines()) if isinstance(line, Line)]
    assert [example.actor for example in examples] == list(ACTORS)

    for line in blocks["redis"].splitlines():
        factory.redis.execute_command(*shlex.split(line))
    own = factory.environment["LODESTONE_REDIS_URL"]
    exec(blocks["python"].replace("redis://127.0.0.1:6379/0", own), {})  # noqa: S102 - ours
    factory.start()
    assert wait_for(lambda: len(factory.said("crm.changed")) == 2)
    assert factory.rows("SELECT id, name FROM contacts") == [("c17", "Ann Smith")]
    assert factory.rows("SELECT id, category FROM deals") == [("d4", "WON")]
    assert factory.rows("SELECT contact_id FROM deal_contacts") == [("c17",)]


@pytest.mark.rule("T1")
@ONE_DATABASE
def test_a_message_says_whose_record_it_is_once_there_are_several_locations(factory: Factory) -> None:
    factory.start()
    factory.put("crm.upsert_contact", **person("ann"))
    assert wait_for(lambda: len(factory.said("crm.changed")) == 1)
    made = locations.add("acme/berlin", factory.store)
    factory.put("crm.upsert_contact", **person("ann", location="acme/berlin"))
    factory.put("crm.upsert_user", id="uwe", version=1, name="Uwe", emails=[], location="acme/berlin")
    assert wait_for(lambda: len(factory.said("crm.changed")) == 3)
    factory.put("crm.upsert_contact", **person("ann", version=2))
    factory.put("crm.delete_contact", id="ann", version=2, location="acme/paris")
    assert wait_for(lambda: len(factory.said("crm.refused")) == 2)

    assert factory.rows("SELECT location_id, id FROM contacts ORDER BY location_id") == [
        (1, "ann"),
        (2, "ann"),
    ]
    assert factory.rows("SELECT organisation_id, id FROM users") == [(made.location.organisation_id, "uwe")]
    assert factory.rows(
        "SELECT organisation_id, location_id, kind, version FROM crm_versions ORDER BY 1, 2"
    ) == [
        (1, 1, "contacts", 1),
        (2, 0, "users", 1),
        (2, 2, "contacts", 1),
    ]
    assert [line["location_id"] for line in factory.said("crm.changed")] == [1, 2, 2]
    assert SEVERAL in [line["reason"] for line in factory.said("crm.refused")]  # two workers, any order
