"""How the database is reached."""

import socket

import pytest
from sqlalchemy.exc import OperationalError

from infra.db.store import open_engine


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
