"""Checks of the database: is it reachable, at this release's migration, and fit for production?"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, make_url, select, text
from sqlalchemy.exc import SQLAlchemyError

from domain.checks import Finding, failed, of_clocks, ok, warning
from domain.errors import DatabaseAway
from infra.db.migrate import HEAD, WrongSchema, check_schema
from infra.db.store import open_engine
from infra.db.types import db_now

CHECK = "database"
SETTING = "check LODESTONE_DATABASE_URL"
CONNECT_SECONDS = "5"
OLDEST_POSTGRESQL = 14

_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit", "default_transaction_read_only")


def look(url: str) -> Iterator[Finding]:
    """Findings on its connection, settings, clock and migration."""
    where = make_url(url)
    if where.get_backend_name() == "sqlite" and not _is_there(where):
        yield failed(CHECK, "there is no such SQLite file", "run `lodestone migrate`, or " + SETTING)
        return
    if where.get_backend_name() == "postgresql" and "connect_timeout" not in where.query:
        where = where.update_query_dict({"connect_timeout": CONNECT_SECONDS})
    engine = open_engine(where.render_as_string(hide_password=False))
    try:
        with engine.connect() as db:
            db = db.execution_options(lodestone_reads_only=True)
            yield from _facts(db)
            began = datetime.now(UTC)
            theirs = db.execute(select(db_now())).scalar_one()
            yield of_clocks(
                "clock.database", "the database's", theirs, began + (datetime.now(UTC) - began) / 2
            )
        yield _schema(engine)
    except (SQLAlchemyError, DatabaseAway) as error:
        yield failed(CHECK, f"it does not answer ({type(error).__name__})", f"is it running? {SETTING}")
    finally:
        engine.dispose()


def _is_there(where: URL) -> bool:
    """Whether the file exists. Opening a missing file would create it."""
    return where.database in (None, "", ":memory:") or Path(where.database or "").exists()


def _schema(engine: Any) -> Finding:
    try:
        check_schema(engine)
    except WrongSchema as error:
        return failed("migration", str(error), "stop all processes, `lodestone migrate`, start them")
    return ok("migration", f"it is at {HEAD}, as this release needs")


def _facts(db: Connection) -> Iterator[Finding]:
    if db.dialect.name == "sqlite":
        mode = str(db.scalar(text("PRAGMA journal_mode")))
        yield from of_sqlite(mode)
        return
    shown = {name: str(db.scalar(text(f"SHOW {name}"))) for name in _SETTINGS}
    number = int(str(db.scalar(text("SHOW server_version_num"))))
    standby = bool(db.scalar(text("SELECT pg_is_in_recovery()")))
    used = int(
        db.scalar(text("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")) or 0
    )
    room = int(str(db.scalar(text("SHOW max_connections"))))
    yield from of_postgresql(number, shown, standby=standby, used=used, room=room)


def of_sqlite(journal_mode: str) -> Iterator[Finding]:
    """SQLite is for one machine; without WAL, readers and writers wait for each other (W11)."""
    if journal_mode.lower() == "wal":
        yield ok(CHECK, "SQLite in WAL mode; it is for one machine")
    else:
        says = f"SQLite keeps its journal as {journal_mode}, not as WAL"
        yield warning(CHECK, says, "put the file on a disk of this machine, no network drive")


def of_postgresql(
    version: int, shown: dict[str, str], *, standby: bool, used: int, room: int
) -> Iterator[Finding]:
    """Findings on settings that may lose committed work, and on limits that may stop Lodestone."""
    major = version // 10_000
    if standby or shown["default_transaction_read_only"] == "on":
        yield failed(
            CHECK, "PostgreSQL takes no writes: it is a standby or read-only", f"name the primary; {SETTING}"
        )
        return
    yield ok(CHECK, f"PostgreSQL {major}, {used} of {room} connections in use")
    if major < OLDEST_POSTGRESQL:
        yield warning(CHECK, f"PostgreSQL {major} is out of support", "upgrade it")
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        if shown[name] == "off":
            says = (
                f"{name} is off: what was committed may be lost with the machine, and a mail be handled twice"
            )
            yield warning(CHECK, says, f"set {name} to on in postgresql.conf")
    if used > 0.8 * room:
        yield warning(
            CHECK,
            f"{used} of {room} connections are in use",
            "raise max_connections, or put a pooler before it",
        )
