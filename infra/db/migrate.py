"""Bringing a database to our schema, and refusing one that is not there (W16)."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

FOLDER = Path(__file__).parent / "migrations"


class WrongSchema(Exception):
    """The database is not at this release's migration."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return config


def migrate(engine: Engine) -> None:
    """Bring the database to the newest migration; does nothing when it is there."""
    config = _config()
    with engine.connect() as db:
        config.attributes["connection"] = db
        command.upgrade(config, "head")
        db.commit()


def check_schema(engine: Engine) -> None:
    """Raises WrongSchema when the database is at another migration than this release."""
    with engine.connect() as db:
        found = MigrationContext.configure(db).get_current_revision()
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    if found != wanted:
        raise WrongSchema(
            f"the database is at migration {found or 'none'}, this release needs {wanted}: run `lodestone migrate`"
        )
