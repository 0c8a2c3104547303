"""The database is busy or away, as who types a command hears of it, and as it stands in a worker's log."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import Table, select, text

from domain.events import MailMatched
from infra.db.store import LOCK_WAIT, Store
from infra.db.tables.connections import connections
from infra.db.tables.ledger import steps
from infra.db.tables.mailboxes import mailboxes
from infra.local.gmail import GmailControl, GmailServer
from infra.local.redis import RedisServer
from tests.forks import fork_process
from tests.journeys.world import wait_for, whole_lines
from tests.nowhere import dead_port
from tests.terminals import Terminal
from tests.workers.test_crm_actors import Factory
from tests.workers.test_sign_in_actors import BACK, Page, beginning
from tests.worlds import KEY, arrive, make_world, match
from workers.broker import make_broker, send

POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
UWE = "uwe@firm.example"


@contextmanager
def locked(store: Store, table: Table) -> Iterator[None]:
    """Somebody has all rows of the table and keeps them."""
    with store.engine.connect() as db:
        db.execute(select(table).with_for_update())
        yield
        db.rollback()


@pytest.mark.rule("I4", "W11")
@POSTGRESQL
def test_a_command_says_that_the_database_is_busy_and_what_to_do(
    tmp_path: Path, store: Store, database_url: str
) -> None:
    make_world(store)
    terminal = Terminal(tmp_path, database_url, {})
    with locked(store, mailboxes):
        began = time.monotonic()
        done = terminal.run("pause", UWE)
    assert time.monotonic() - began >= LOCK_WAIT["postgresql"]
    assert (done.code, done.out) == (1, "")
    [line] = done.err.splitlines()
    assert line.startswith("lodestone: the database is busy")
    assert "try again" in line
    assert terminal.run("pause", UWE).code == 0


@pytest.mark.rule("W11")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_only_looks_waits_for_no_writer(tmp_path: Path, store: Store, database_url: str) -> None:
    make_world(store)
    with locked(store, mailboxes):
        done = Terminal(tmp_path, database_url, {}).run("status")
    assert (done.code, UWE in done.out) == (0, True), "who waits is told that the database is busy"


def test_a_command_says_that_the_database_is_away(tmp_path: Path) -> None:
    nowhere = f"postgresql+psycopg://me:secret@127.0.0.1:{dead_port()}/crm"
    done = Terminal(tmp_path, nowhere, {}).run("pause", UWE)
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "lodestone: the database does not answer: check LODESTONE_DATABASE_URL, and that it runs\n"
    )


@pytest.mark.rule("W4", "E88")
@POSTGRESQL
def test_a_job_that_meets_a_busy_database_is_postponed_and_its_mail_s_tries_are_not_counted(
    tmp_path: Path, store: Store, database_url: str, redis: Redis, redis_server: RedisServer
) -> None:
    world = make_world(store)
    arrive(world, "m1")
    match(world, "m1")
    environment = {
        "LODESTONE_DATABASE_URL": database_url,
        "LODESTONE_REDIS_URL": redis_server.url,
        "LODESTONE_TOKEN_KEYS": KEY,
    }
    log = tmp_path / "worker.log"

    def said(event: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in whole_lines(log) if f'"event": "{event}"' in line]

    with locked(store, connections):
        worker = fork_process("worker", environment, log)
        try:
            send(make_broker(redis), MailMatched(world.mailbox_id))
            assert wait_for(lambda: bool(said("job.postponed")))
        finally:
            worker.kill()
            worker.join()
    postponed = {(line["reason"], line["mailbox_id"]) for line in said("job.postponed")}
    assert postponed == {("busy", world.mailbox_id)}
    assert not said("job.failed")
    with store.engine.connect() as db:
        waiting = select(steps.c.attempts).where(steps.c.step == "announce")
        assert db.scalars(waiting).all() == [0]


@pytest.mark.rule("Z7")
@POSTGRESQL
def test_a_sign_in_while_the_database_is_busy_is_answered_with_when_to_come_again(
    tmp_path: Path, store: Store, database_url: str, redis: Redis, redis_server: RedisServer
) -> None:
    file = tmp_path / "client_secret.json"
    factory = Factory(tmp_path, store, database_url, redis, redis_server.url)
    with GmailServer() as google, store.engine.connect() as db:
        file.write_text(json.dumps(GmailControl(google.url).add_client(BACK, kind="web")))
        db.execute(text("LOCK TABLE sign_ins IN EXCLUSIVE MODE"))
        try:
            factory.start(LODESTONE_GMAIL_ENDPOINT=google.url, LODESTONE_OAUTH_CLIENT_FILE=str(file))
            page = Page(Redis.from_url(redis_server.url, socket_timeout=150))
            answer = page.ask("mailboxes.begin_sign_in", beginning())
        finally:
            factory.close()
        db.rollback()
    assert answer == {"ok": False, "error": "try_again", "reason": "database_busy"}
