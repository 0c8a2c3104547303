"""The migrations make the tables that the code works with, and nobody works on any others (W16)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from infra.db.migrate import FOLDER, HEAD, WrongSchema, check_schema, migrate
from infra.db.schema import metadata
from infra.db.store import open_engine
from tests.worlds import KEY

ROOT = Path(__file__).parents[3]


@pytest.mark.rule("W16")
def test_migrating_makes_the_schema_of_the_code_and_may_be_repeated(bare_database_url: str) -> None:
    engine = open_engine(bare_database_url)
    migrate(engine)
    migrate(engine)
    check_schema(engine)
    with engine.connect() as db:
        options = {"compare_type": True, "compare_server_default": True}
        differences = compare_metadata(MigrationContext.configure(db, opts=options), metadata)
        tables = inspect(db).get_table_names()
    engine.dispose()

    assert differences == []
    assert set(tables) == {*metadata.tables, "alembic_version"}


@pytest.mark.rule("W16")
def test_the_first_release_is_brought_up_to_date_with_all_it_holds(bare_database_url: str) -> None:
    engine = open_engine(bare_database_url)
    migrate(engine, "0001")
    add = (
        "INSERT INTO notifications (connection_id, user_id, gmail_id, contact_id, author, received_at, created_at)"
        " VALUES (1, 'uwe', :id, 'ann', 'ann@example.com', 5, 6)"
    )
    with engine.begin() as db:
        db.execute(text(add), [{"id": "m1"}, {"id": "m2"}, {"id": "m3"}])
        db.execute(text("DELETE FROM notifications WHERE gmail_id = 'm3'"))
    migrate(engine)
    with engine.begin() as db:
        db.execute(text(add), {"id": "m4"})
        rows = db.execute(text("SELECT id, gmail_id, kind, late FROM notifications ORDER BY id")).all()
    engine.dispose()

    assert [(row.id, row.gmail_id, row.kind, bool(row.late)) for row in rows] == [
        (1, "m1", "mail", False),
        (2, "m2", "mail", False),
        (4, "m4", "mail", False),
    ], "ids that were given away once are never given again: readers ask for what came after one"


@pytest.mark.rule("W16")
def test_the_release_names_its_newest_migration() -> None:
    assert ScriptDirectory(str(FOLDER)).get_current_head() == HEAD


@pytest.mark.rule("W16")
def test_a_database_that_was_never_migrated_is_refused(bare_database_url: str) -> None:
    engine = open_engine(bare_database_url)
    with pytest.raises(WrongSchema, match=r"at migration none, this .* run `lodestone migrate`"):
        check_schema(engine)
    engine.dispose()


@pytest.mark.rule("W16")
def test_a_database_of_another_release_is_refused(bare_database_url: str) -> None:
    engine = open_engine(bare_database_url)
    migrate(engine)
    with engine.begin() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(WrongSchema, match="at migration 9999"):
        check_schema(engine)
    engine.dispose()


@pytest.mark.rule("W16")
def test_a_process_ends_at_once_on_a_database_that_is_not_migrated(tmp_path: Path) -> None:
    settings = {"LODESTONE_DATABASE_URL": f"sqlite:///{tmp_path / 'bare.db'}", "LODESTONE_TOKEN_KEYS": KEY}
    ended = subprocess.run(
        [sys.executable, "-m", "workers", "worker"],
        env=os.environ | settings | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ended.returncode == 2, ended.stderr
    [line] = ended.stderr.splitlines()
    assert line.startswith("lodestone: the database is at migration none, this release needs")
