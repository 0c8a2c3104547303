"""A real PostgreSQL and databases that come and go in it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from sqlalchemy import NullPool, create_engine, make_url, text

from infra.local.postgres import fresh_database, own_postgres, postgres_or_start


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("DATABASE_URL", raising=False)
        with postgres_or_start(tmp_path_factory.mktemp("postgres")) as running:
            yield running


def ask(url: str, sql: str) -> list[tuple[object, ...]]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        result = connection.execute(text(sql))
        return [tuple(row) for row in result] if result.returns_rows else []


def databases(url: str) -> set[object]:
    return {name for [name] in ask(url, "SELECT datname FROM pg_database")}


def test_it_is_the_real_thing(url: str) -> None:
    [row] = ask(
        url,
        "SELECT version(), current_setting('server_encoding'), lower('ÄRGER'), current_setting('TimeZone')",
    )

    assert str(row[0]).startswith("PostgreSQL ")
    assert row[1:] == ("UTF8", "ärger", "UTC")
    assert make_url(url).drivername == "postgresql+psycopg"


def test_a_fresh_database_is_empty_and_gone_afterwards(url: str) -> None:
    with fresh_database(url) as first, fresh_database(url) as second:
        ask(first, "CREATE TABLE mails (id text)")
        assert ask(second, "SELECT to_regclass('mails')") == [(None,)]
        names = {make_url(first).database, make_url(second).database}
        assert len(names) == 2

    assert not names & databases(url)


def test_a_connection_that_was_forgotten_does_not_keep_a_database(url: str) -> None:
    with fresh_database(url) as database:
        engine = create_engine(database, poolclass=NullPool)
        forgotten = engine.connect()
        forgotten.execute(text("SELECT 1"))
    with closing(forgotten):
        forgotten.invalidate()

    assert make_url(database).database not in databases(url)


def test_nobody_gets_in_without_the_password(url: str) -> None:
    with pytest.raises(Exception, match="password authentication failed"):
        ask(make_url(url).set(password="wrong").render_as_string(hide_password=False), "SELECT 1")


def test_servers_run_side_by_side_and_leave_nothing_behind(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///lodestone.db")  # names no PostgreSQL
    before = set(psutil.Process().children())
    with postgres_or_start(tmp_path) as other:
        assert make_url(other).port != make_url(url).port
        [[folder]] = ask(other, "SHOW data_directory")
        started = set(psutil.Process().children(recursive=True)) - before
        assert started

    assert not Path(str(folder)).parent.exists()
    assert list(tmp_path.iterdir()) == []
    assert set(psutil.Process().children()) <= before, "one of another test may end meanwhile"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+psycopg"])
def test_the_postgresql_that_is_given_is_used(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://me:secret@db.example.com:5433/crm?sslmode=require")
    with postgres_or_start(tmp_path) as url:
        assert url == "postgresql+psycopg://me:secret@db.example.com:5433/crm?sslmode=require"


def test_what_was_committed_is_back_after_a_kill(tmp_path: Path) -> None:
    with own_postgres(tmp_path) as server:
        ask(server.url, "ALTER DATABASE postgres SET synchronous_commit = on")
        ask(server.url, "CREATE TABLE mails (id text)")
        ask(server.url, "INSERT INTO mails VALUES ('a')")
        url = server.url
        server.kill()
        server.start()
        assert (server.url, ask(url, "SELECT id FROM mails")) == (url, [("a",)])
