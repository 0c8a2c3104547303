"""Migrate a database to this release's schema, and refuse a database with another schema (W16)."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from sqlalchemy import Connection, Engine, RootTransaction, event

from domain.errors import DatabaseAway, LodestoneError
from infra.db.sql import try_turn
from infra.db.store import PATIENT, WITHIN, version_of
from infra.db.tables.schema import HEAD as HEAD
from infra.db.trouble import translated

FOLDER = Path(__file__).parent / "migrations"
_TABLE = re.compile(
    r"\s*(?:INSERT INTO|(?:CREATE|ALTER|DROP) TABLE|CREATE (?:UNIQUE )?INDEX \S+ ON|UPDATE) \W?(?:new_)?(\w+)"
)
"""Finds the table in a migration's statement; `new_NAME` replaces the table NAME."""

LOOK_EVERY = 0.2
SAID_EVERY = 10.0
"""Seconds. The process polls: waiting inside the database, it could neither be interrupted nor say that it waits."""


class WrongSchema(LodestoneError):
    """The database is at another migration than this release: `found`, None where it has none."""

    def __init__(self, text: str, found: str | None = None) -> None:
        super().__init__(text)
        self.found = found


def migrate(
    engine: Engine,
    to: str = "head",
    progress: Callable[[str], object] = lambda _: None,
    waits: Callable[[], object] = lambda: None,
    said_every: float = SAID_EVERY,
) -> None:
    """Migrate the database up to the migration `to`, in one transaction. May be repeated.

    `progress` is called with the table in work, repeatedly, and from another thread too. While another process
    migrates, this one waits: `waits` is called at once, and then every `said_every` seconds.

    Raises WrongSchema for a database of a newer release, and for rows that refer to missing ones.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    with translated(), engine.connect() as db:
        on_sqlite = db.dialect.name == "sqlite"
        db = db.execution_options(**({WITHIN: LOOK_EVERY} if on_sqlite else {PATIENT: True}))
        config.attributes["connection"] = db
        with (
            _keeping_children(db),
            telling(engine, progress) as tell,
            _in_turn(db, waits, said_every),
        ):  # begun before Alembic looks: on SQLite it would begin one for each migration
            try:
                command.upgrade(config, to)
            except CommandError:
                raise WrongSchema("the database belongs to a newer release than this one: run that") from None
            tell("that nothing names what is not there")
            if on_sqlite and db.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise WrongSchema(
                    "rows name others that are not there, so nothing was changed: restore a backup"
                )


def _in_turn(db: Connection, waits: Callable[[], object], said_every: float) -> RootTransaction:
    """A transaction, as soon as no other process migrates, and on SQLite none writes."""
    said = 0.0
    while (transaction := _begun(db)) is None:
        if not said or time.monotonic() - said >= said_every:
            waits()
            said = time.monotonic()
        time.sleep(LOOK_EVERY / 4)
    return transaction


def _begun(db: Connection) -> RootTransaction | None:
    try:
        with translated():
            transaction = db.begin()
    except DatabaseAway as error:
        if error.reason != "busy":
            raise
        return None
    if try_turn(db, "migrate"):
        return transaction
    transaction.rollback()
    return None


@contextmanager
def _keeping_children(db: Connection) -> Iterator[None]:
    """Switch SQLite's foreign keys off: where a migration rebuilds a table, dropping the old one would delete the rows
    that refer to it. Within a transaction the pragma has no effect, so it is set before."""
    if db.dialect.name != "sqlite":
        yield
        return
    driver: Any = db.connection.driver_connection
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")


@contextmanager
def telling(engine: Engine, progress: Callable[[str], object]) -> Iterator[Callable[[str], None]]:
    """Call `progress` with the table that each statement is about, and again every LOOK_EVERY seconds, as one statement
    may take a minute. Yields a function that sets the text."""
    at_work: list[str] = []
    over = Event()

    def tell(what: str) -> None:
        at_work[:] = [what]
        progress(what)

    def listen(_db: object, _cursor: object, statement: str, *_: object) -> None:
        if found := _TABLE.match(statement):
            tell(found[1])

    def remind() -> None:
        while not over.wait(LOOK_EVERY):
            for what in at_work:
                progress(what)

    reminder = Thread(target=remind, daemon=True)
    event.listen(engine, "before_cursor_execute", listen)
    reminder.start()
    try:
        yield tell
    finally:
        over.set()
        reminder.join()
        event.remove(engine, "before_cursor_execute", listen)


def check_schema(engine: Engine) -> None:
    """Raises WrongSchema where the database is at another migration than this release."""
    found = version_of(engine)
    if found == HEAD:
        return
    way_out = "start the release that it belongs to" if found and found > HEAD else "run `lodestone migrate`"
    raise WrongSchema(
        f"the database is at migration {found or 'none'}, this release needs {HEAD}: {way_out}", found
    )
