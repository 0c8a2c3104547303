"""Bringing a database to our schema, and refusing one that is not there (W16)."""

from pathlib import Path

from sqlalchemy import Engine, inspect, text

from infra.db.store import PATIENT, READS_ONLY
from infra.db.trouble import translated

FOLDER = Path(__file__).parent / "migrations"
HEAD = "0006"
"""This release's migration. A constant, because every process checks it and Alembic is slow to start."""


class WrongSchema(Exception):
    """The database is not at this release's migration."""


def migrate(engine: Engine, to: str = "head") -> None:
    """Bring the database to the newest migration, or to an older one on the way there; may be repeated.

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
        try:
            command.upgrade(config, to)
        except CommandError:
            raise WrongSchema("the database belongs to a newer release than this one: run that") from None
        db.commit()


def check_schema(engine: Engine) -> None:
    """Raises WrongSchema when the database is at another migration than this release."""
    with translated(), engine.connect() as db:
        db = db.execution_options(**{READS_ONLY: True})  # who only looks waits for no writer of SQLite
        known = inspect(db).has_table("alembic_version")
        found = db.scalar(text("SELECT version_num FROM alembic_version")) if known else None
    if found != HEAD:
        raise WrongSchema(
            f"the database is at migration {found or 'none'}, this release needs {HEAD}: run `lodestone migrate`"
        )
