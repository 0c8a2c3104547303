"""Bringing a database to our schema, and refusing one that is not there (W16)."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from infra.db.schema import HEAD as HEAD
from infra.db.sql import take_turn
from infra.db.store import PATIENT, version_of
from infra.db.trouble import translated

FOLDER = Path(__file__).parent / "migrations"
_TABLE = re.compile(
    r"\s*(?:INSERT INTO|(?:CREATE|ALTER|DROP) TABLE|CREATE (?:UNIQUE )?INDEX \S+ ON|UPDATE) \W?(?:new_)?(\w+)"
)
"""The table that a statement of a migration is about; `new_…` is to take its place."""


class WrongSchema(Exception):
    """The database is not at this release's migration, but at the `found` one."""

    def __init__(self, text: str, found: str | None = None) -> None:
        super().__init__(text)
        self.found = found


def migrate(engine: Engine, to: str = "head", told: Callable[[str], object] = lambda _: None) -> None:
    """Bring the database to the newest migration, or to an older one on the way there, in one transaction; may be
    repeated. Who comes while another is at it waits for him. `told` is called with the table that is at work, again
    and again.

    Raises WrongSchema for a database of a newer release.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    with translated(), engine.connect() as db:
        db = db.execution_options(**{PATIENT: True})
        config.attributes["connection"] = db
        with (
            _keeping_children(db),
            _telling(engine, told),
            db.begin(),
        ):  # before Alembic looks: on SQLite it would begin one for each migration
            take_turn(db, "migrate")
            try:
                command.upgrade(config, to)
            except CommandError:
                raise WrongSchema("the database belongs to a newer release than this one: run that") from None
            told("that nothing names what is not there")
            if db.dialect.name == "sqlite" and db.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise WrongSchema(
                    "rows name others that are not there, so nothing was changed: restore a backup"
                )


@contextmanager
def _keeping_children(db: Connection) -> Iterator[None]:
    """Where a migration makes a table anew SQLite would delete what belongs to its rows with the old one. The pragma
    that keeps it from that does nothing within a transaction: so it comes before."""
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
def _telling(engine: Engine, told: Callable[[str], object]) -> Iterator[None]:
    def tell(_db: object, _cursor: object, statement: str, *_: object) -> None:
        if found := _TABLE.match(statement):
            told(found[1])

    event.listen(engine, "before_cursor_execute", tell)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", tell)


def check_schema(engine: Engine) -> None:
    """Raises WrongSchema when the database is at another migration than this release."""
    found = version_of(engine)
    if found == HEAD:
        return
    way_out = "start the release that it belongs to" if found and found > HEAD else "run `lodestone migrate`"
    raise WrongSchema(
        f"the database is at migration {found or 'none'}, this release needs {HEAD}: {way_out}", found
    )
