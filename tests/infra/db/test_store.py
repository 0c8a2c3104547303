"""How the database is reached."""

import socket

import pytest
from sqlalchemy.exc import OperationalError

from infra.db.store import Store, open_engine
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
