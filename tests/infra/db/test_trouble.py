"""The database's trouble has one name, and nobody waits for a lock for long (W11, W13, I4)."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from domain.errors import DatabaseAway
from domain.ids import MailboxId
from infra.db.store import LONG, Store
from infra.db.tables.mailboxes import mailboxes
from infra.secrets import Cipher
from tests.worlds import World, make_world

POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
SHORT = 0.3
ROOT = Path(__file__).parents[3]


@pytest.fixture
def hasty(database_url: str, store: Store, cipher: Cipher) -> Iterator[Store]:
    """As another process opens the database of `store`, but one that waits for a lock for 0.3 s."""
    hasty = Store(database_url, cipher, lock_wait=SHORT)
    yield hasty
    hasty.engine.dispose()


@contextmanager
def locked(world: World) -> Iterator[None]:
    """Somebody has the mailbox's row, on SQLite the database, and keeps it."""
    with world.store.engine.connect() as db:
        mine = mailboxes.c.id == world.mailbox_id
        db.execute(select(mailboxes.c.id).where(mine).with_for_update())
        yield
        db.rollback()


def touch(store: Store, mailbox_id: MailboxId, name: str = "tests.touch") -> None:
    with store.begin(name) as tx:
        tx.db.execute(update(mailboxes).where(mailboxes.c.id == mailbox_id).values(failures=1))


@pytest.mark.rule("I4", "W11")
def test_who_waits_too_long_for_a_lock_gives_way(world: World, hasty: Store) -> None:
    with locked(world):
        began = time.monotonic()
        with pytest.raises(DatabaseAway) as caught:
            touch(hasty, world.mailbox_id)
    assert caught.value.reason == "busy"
    assert time.monotonic() - began >= SHORT
    touch(hasty, world.mailbox_id)


@pytest.mark.rule("I4", "W11")
def test_what_takes_long_waits_as_long_as_it_takes(world: World, hasty: Store) -> None:
    with locked(world):
        late = threading.Thread(target=touch, args=(hasty, world.mailbox_id, "crm.put"))
        late.start()
        late.join(3 * SHORT)
        assert late.is_alive()
    late.join(60)
    with hasty.begin("tests.look", reads_only=True) as tx:
        assert tx.db.scalar(select(mailboxes.c.failures)) == 1


@pytest.mark.parametrize("name", sorted(LONG))
def test_what_takes_long_is_called_so_where_it_begins(name: str) -> None:
    code = "".join(file.read_text() for part in ("handlers", "infra") for file in (ROOT / part).rglob("*.py"))
    assert f'begin("{name}")' in code


@pytest.mark.rule("I4", "W11")
def test_patience_stays_with_no_connection(world: World, hasty: Store) -> None:
    """The pool gives the next transaction the connection on which the last one waited without end."""
    touch(hasty, world.mailbox_id, "crm.put")
    with locked(world), pytest.raises(DatabaseAway):
        touch(hasty, world.mailbox_id)


@pytest.mark.rule("I4")
@POSTGRESQL
def test_a_row_that_somebody_has_stops_no_other_row(world: World, hasty: Store) -> None:
    other = make_world(world.store, "eva@firm.example", "eva")
    with locked(world):
        touch(hasty, other.mailbox_id)


@pytest.mark.rule("W11")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_threads_of_one_process_wait_no_longer_for_each_other(world: World, hasty: Store) -> None:
    began, ended = threading.Event(), threading.Event()

    def hold() -> None:
        with hasty.begin("tests.hold"):
            began.set()
            ended.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    began.wait(60)
    with pytest.raises(DatabaseAway):
        touch(hasty, world.mailbox_id)
    ended.set()
    holder.join()


@pytest.mark.rule("W11", "D12")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_reader_that_stays_holds_up_no_scrubbing_for_long(world: World, hasty: Store) -> None:
    """The pool gives it the connection on which a key's change waited without end, and writers wait behind it."""
    touch(hasty, world.mailbox_id, "keys.rotate")
    with world.store.begin("tests.read", reads_only=True) as reader:
        reader.db.scalar(select(mailboxes.c.failures))
        touch(hasty, world.mailbox_id, "keys.rotate")
        scrubbing = threading.Thread(target=hasty.scrub, daemon=True)
        scrubbing.start()
        scrubbing.join(60)
        assert not scrubbing.is_alive()


@pytest.mark.rule("W11")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_while_scrubbing_waits_for_a_reader_others_write(
    world: World, second_store: Store, database_url: str, cipher: Cipher
) -> None:
    writer = Store(database_url, cipher, lock_wait=120)
    with world.store.begin("tests.read", reads_only=True) as reader:
        reader.db.scalar(select(mailboxes.c.failures))
        touch(writer, world.mailbox_id)
        scrubbing = threading.Thread(target=second_store.scrub, daemon=True)
        scrubbing.start()
        for _ in range(5):
            touch(writer, world.mailbox_id)
        assert scrubbing.is_alive(), "it has not given up: the log is not cut off yet"
        brief = threading.Thread(target=writer.scrub, args=(0.1,), daemon=True)
        brief.start()
        brief.join(60)
        assert not brief.is_alive(), "it was to try for a moment only"
    scrubbing.join(60)
    writer.engine.dispose()
    assert Path(f"{database_url.removeprefix('sqlite:///')}-wal").stat().st_size == 0


@pytest.mark.rule("W13")
@POSTGRESQL
def test_a_connection_that_is_lost_is_the_database_s_trouble(store: Store, second_store: Store) -> None:
    def cut() -> None:
        with store.begin("tests.lose") as tx:
            pid = tx.db.scalar(text("SELECT pg_backend_pid()"))
            with second_store.begin("tests.kill") as other:
                other.db.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            tx.db.execute(text("SELECT 1"))

    with pytest.raises(DatabaseAway) as caught:
        cut()
    assert caught.value.reason == "away"
    with store.begin("tests.again") as tx:
        assert tx.db.scalar(text("SELECT 1")) == 1


@pytest.mark.rule("W13")
@POSTGRESQL
def test_a_statement_that_takes_too_long_is_the_database_s_trouble(store: Store) -> None:
    slow = text("SET LOCAL statement_timeout = 100; SELECT pg_sleep(20)")
    with pytest.raises(DatabaseAway) as caught, store.begin("tests.slow") as tx:
        tx.db.execute(slow)
    assert caught.value.reason == "busy"


@pytest.mark.rule("W13")
def test_a_database_that_is_not_there_is_its_own_trouble(cipher: Cipher) -> None:
    for url in ("postgresql+psycopg://x@127.0.0.1:1/x", "sqlite:////nowhere/at/all.db"):
        store = Store(url, cipher)
        with pytest.raises(DatabaseAway) as caught, store.begin("tests.away"):
            pass
        assert caught.value.reason == "away"


@pytest.mark.rule("W13")
@POSTGRESQL
def test_two_that_wait_for_each_other_end_in_a_deadlock_that_is_called_so(world: World) -> None:
    other = make_world(world.store, "eva@firm.example", "eva")
    both = threading.Barrier(2)
    reasons: list[str] = []

    def take(first: int, second: int) -> None:
        try:
            with world.store.begin("tests.cross") as tx:
                for mailbox_id in (first, second):
                    mine = select(mailboxes.c.id).where(mailboxes.c.id == mailbox_id)
                    tx.db.execute(mine.with_for_update())
                    if mailbox_id == first:
                        both.wait()
        except DatabaseAway as error:
            reasons.append(error.reason)

    threads = [
        threading.Thread(target=take, args=pair)
        for pair in (
            (world.mailbox_id, other.mailbox_id),
            (other.mailbox_id, world.mailbox_id),
        )
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reasons == ["deadlock"]


def test_what_is_wrong_with_a_value_or_a_statement_stays_what_it_is(world: World) -> None:
    address = {"address": "uwe@firm.example", "labels": "{}"}
    columns = "provider, provider_key, address, labels"
    again = f"INSERT INTO mailboxes ({columns}) VALUES ('gmail', :address, :address, :labels)"  # noqa: S608
    with pytest.raises(IntegrityError), world.store.begin("tests.twice") as tx:
        tx.db.execute(text(again), address)
    with pytest.raises(DBAPIError, match="nowhere"), world.store.begin("tests.wrong") as tx:
        tx.db.execute(text("SELECT 1 FROM nowhere"))
