"""How the database is reached."""

import socket
from contextlib import ExitStack, closing

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from infra.db.store import FRESH, USED, Store, open_engine
from infra.secrets import Cipher


def test_a_postgresql_host_that_does_not_answer_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        engine = open_engine(f"postgresql+psycopg://lodestone@127.0.0.1:{port}/x?connect_timeout=2")
        with pytest.raises(OperationalError, match="timeout"):
            engine.connect()


def test_a_connection_to_postgresql_notices_that_the_host_has_vanished(postgresql_url: str) -> None:
    engine = open_engine(postgresql_url)
    with engine.connect() as db:
        driver = db.connection.driver_connection
        assert driver is not None
        given = driver.info.get_parameters()
    engine.dispose()
    assert (given["connect_timeout"], given["keepalives_idle"], given["tcp_user_timeout"]) == (
        "10",
        "30",
        "60000",
    )


def test_a_transaction_waits_as_long_as_its_name_says_whoever_had_the_connection_before(
    sqlite_url: str, cipher: Cipher
) -> None:
    store = Store(sqlite_url, cipher, lock_wait=7)

    def waits(name: str) -> int:
        with store.begin(name) as tx:
            return int(tx.db.exec_driver_sql("PRAGMA busy_timeout").scalar_one())

    for _ in range(2):
        assert waits("tests.quick") == 7_000
        store.scrub()
        assert waits("tests.quick") == 7_000
        assert waits("crm.put") > 1_000_000
        store.scrub()
        assert waits("crm.put") > 1_000_000
    store.engine.dispose()


def test_a_transaction_finds_out_that_the_idle_connections_are_dead(postgresql_store: Store) -> None:
    """As after a restart of the server: nothing has been done yet, so nobody need hear of it."""
    store = postgresql_store
    with ExitStack() as idle:
        opened = [idle.enter_context(store.begin(f"tests.idle_{number}")) for number in range(3)]
        pids = [tx.db.exec_driver_sql("SELECT pg_backend_pid()").scalar_one() for tx in opened]
    with closing(store.engine.raw_connection()) as db:
        cursor = db.cursor()
        others = "FROM pg_stat_activity WHERE pid = ANY(%s) AND pid <> pg_backend_pid()"
        cursor.execute("SELECT pg_terminate_backend(pid, 5000) " + others, [pids])
        assert cursor.fetchall() == [(True,), (True,)]
    for number in range(3):
        with store.begin(f"tests.next_{number}") as tx:
            assert tx.db.exec_driver_sql("SELECT 1").scalar_one() == 1
    store.engine.dispose()


def test_who_only_reads_on_a_connection_to_postgresql_that_was_just_used_begins_nothing(
    postgresql_url: str, cipher: Cipher
) -> None:
    store = Store(postgresql_url, cipher)
    said: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *it: said.append(it[2]))
    with store.begin("tests.write") as tx:
        tx.now()
    with store.begin("tests.read", reads_only=True) as tx:
        tx.now()
        driver = tx.db.connection.driver_connection
        assert driver is not None
        assert driver.info.transaction_status.name == "IDLE"
        tx.db.info[USED] -= FRESH
    with store.begin("tests.read", reads_only=True) as tx:
        tx.now()
    assert [one for one in said if one.startswith("BEGIN")] == [
        "BEGIN; SET LOCAL lock_timeout = 5000",
        "BEGIN",
    ]
    store.engine.dispose()
