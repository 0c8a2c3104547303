"""The migrations make the tables that the code works with, and nobody works on any others (W16)."""

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event, inspect, text
from sqlalchemy.exc import IntegrityError

from infra.db.migrate import FOLDER, HEAD, WrongSchema, check_schema, migrate, telling
from infra.db.sql import take_turn
from infra.db.store import open_engine, version_of
from infra.db.tables.schema import metadata
from tests.forks import fork_command
from tests.journeys.world import wait_for
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
        now = add.replace("(connection", "(organisation_id, location_id, connection").replace(
            "(1,", "(1, 1, 1,"
        )
        now = now.replace("gmail_id", "message_id")
        db.execute(text(now), {"id": "m4"})
        rows = db.execute(text("SELECT id, message_id, kind, late FROM notifications ORDER BY id")).all()
    engine.dispose()

    assert [(row.id, row.message_id, row.kind, bool(row.late)) for row in rows] == [
        (1, "m1", "mail", False),
        (2, "m2", "mail", False),
        (4, "m4", "mail", False),
    ], "ids that were given away once are never given again: readers ask for what came after one"


@pytest.mark.rule("W16")
def test_a_migration_tells_which_table_is_at_work(bare_database_url: str) -> None:
    engine = open_engine(bare_database_url)
    migrate(engine, "0005")
    told: list[str] = []
    migrate(engine, progress=told.append)
    engine.dispose()

    at_work = list(dict.fromkeys(one for one in told if one in ("contacts", "connections", "notifications")))
    assert at_work == ["connections", "contacts", "notifications"]
    assert told[-1] == "that nothing names what is not there"


def test_what_takes_long_is_told_again_and_again(bare_database_url: str) -> None:
    engine = open_engine(bare_database_url)
    told: list[str] = []
    with telling(engine, told.append), engine.connect() as db:
        db.execute(text("CREATE TABLE new_contacts (id INTEGER)"))
        assert wait_for(lambda: len(told) > 3)
    engine.dispose()
    assert set(told) == {"contacts"}


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
        timeout=120,
        check=False,
    )

    assert ended.returncode == 2, ended.stderr
    [line] = ended.stderr.splitlines()
    assert line.startswith("lodestone: the database is at migration none, this release needs")


@pytest.mark.rule("W16")
def test_all_migrations_are_one_transaction_that_nobody_comes_between(bare_database_url: str) -> None:
    engine = open_engine(bare_database_url)
    commits: list[object] = []
    event.listen(engine, "commit", commits.append)
    migrate(engine)
    engine.dispose()
    assert len(commits) == 1


@pytest.mark.rule("W16")
def test_of_several_that_migrate_at_once_one_does_it_and_the_others_wait(
    bare_database_url: str, tmp_path: Path
) -> None:
    """While somebody else is at it nobody begins."""
    engine = open_engine(bare_database_url)
    with engine.connect() as db:
        db = db.execution_options(lodestone_patient=True)
        take_turn(db, "migrate")
        db.execute(text("SELECT 1"))  # SQLite's one writer is who begins
        places = [tmp_path / f"told{number}" for number in range(4)]
        *migrating, leaves = [_migrate(place, bare_database_url) for place in places]
        assert wait_for(lambda: all("waiting since" in _said(place) for place in places))
        os.kill(leaves.pid or 0, signal.SIGINT)
        leaves.join(60)
        assert leaves.exitcode == 130, "Ctrl-C ends who waits"
        assert version_of(engine) is None
        db.rollback()
    for process in migrating:
        process.join(120)
    check_schema(engine)
    engine.dispose()
    assert [process.exitcode for process in migrating] == [0, 0, 0]
    for place in places:
        first = _said(place).splitlines()[0]
        assert re.fullmatch(r"waiting since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC: somebody else .*", first)


@pytest.mark.rule("W16")
def test_who_waits_to_migrate_says_so_again_and_again(bare_database_url: str) -> None:
    engine = open_engine(bare_database_url)
    said: list[float] = []
    with ThreadPoolExecutor(1) as other, engine.connect() as db:
        db = db.execution_options(lodestone_patient=True)
        take_turn(db, "migrate")
        db.execute(text("SELECT 1"))
        waiting = other.submit(migrate, engine, waits=lambda: said.append(time.monotonic()), said_every=0.5)
        assert wait_for(lambda: len(said) >= 3)
        db.rollback()
        waiting.result(60)
    check_schema(engine)
    engine.dispose()
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(said))


def _said(told: Path) -> str:
    file = told / "err"
    return file.read_text() if file.exists() else ""


def _migrate(told: Path, url: str) -> ForkServerProcess:
    """`lodestone migrate`, as a process of its own."""
    told.mkdir()
    settings = {"LODESTONE_DATABASE_URL": url, "LODESTONE_TOKEN_KEYS": KEY}
    return fork_command(["migrate"], settings, told, told)


@pytest.mark.rule("W16")
@pytest.mark.parametrize(
    ("version", "way_out"),
    [("0001", "run `lodestone migrate`"), ("9999", "start the release that it belongs to")],
)
def test_who_finds_another_migration_is_told_the_way_out(
    database_url: str, version: str, way_out: str
) -> None:
    engine = open_engine(database_url)
    _set(engine, version)
    try:
        with pytest.raises(WrongSchema) as refused:
            check_schema(engine)
    finally:
        _set(engine, HEAD)
        engine.dispose()
    assert str(refused.value).endswith(way_out)
    assert refused.value.found == version


def _set(engine: Engine, version: str) -> None:
    with engine.begin() as db:
        db.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})


@pytest.mark.rule("W16", "E88")
def test_mail_that_could_not_be_matched_gets_its_own_word_and_loses_it_on_the_way_back(
    bare_database_url: str,
) -> None:
    """`a` could not be matched, for either connection, `b` not be sorted; sorting was stopped for `c`."""
    engine = open_engine(bare_database_url)
    migrate(engine, "0005")
    steps = [("a", "match", 0, "set_aside"), ("b", "sort", 1, "set_aside"), ("c", "sort", 1, "done")]
    failed = {"outcome": "label.failed"}
    with engine.begin() as db:
        for gmail_id, step, connection_id, state in steps:
            db.execute(
                text(
                    "INSERT INTO steps (mailbox_id, gmail_id, step, connection_id, state, outcome, ready_at)"
                    " VALUES (1, :gmail_id, :step, :connection_id, :state, :outcome, 5)"
                ),
                failed | {"gmail_id": gmail_id, "step": step, "connection_id": connection_id, "state": state},
            )
        for gmail_id, connection_id in (("a", 1), ("a", 2), ("b", 1), ("c", 1)):
            db.execute(
                text(
                    "INSERT INTO decisions (mailbox_id, gmail_id, connection_id, outcome, decided_at)"
                    " VALUES (1, :gmail_id, :connection_id, :outcome, 5)"
                ),
                failed | {"gmail_id": gmail_id, "connection_id": connection_id},
            )
    before = _outcomes(engine)
    migrate(engine, "0006")
    after = _outcomes(engine)
    _back(engine, "0005")

    assert after == {mail: "match.failed" if mail[0] == "a" else "label.failed" for mail in before}
    assert _outcomes(engine) == before
    engine.dispose()


def _back(engine: Engine, release: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    with engine.connect() as db:
        if db.dialect.name == "sqlite":
            db.connection.cursor().execute("PRAGMA foreign_keys=OFF")
        config.attributes["connection"] = db
        command.downgrade(config, release)
        db.commit()
    engine.dispose()


@pytest.mark.rule("W16", "E108")
def test_what_was_judged_of_moves_is_remembered_by_the_folder_and_back(bare_database_url: str) -> None:
    engine = open_engine(bare_database_url)
    migrate(engine, "0006")
    labels = {"1": "SPAM", "2": "TRASH", "3": "DRAFT", "4": "Label_2"}
    with engine.begin() as db:
        db.execute(text("INSERT INTO mailboxes (id, address, labels) VALUES (1, 'uwe@firm.example', '{}')"))
        add = "INSERT INTO judged (mailbox_id, record_id, gmail_id, label_id, added, judged_at)"
        values = " VALUES (1, :record, 'a', :label, true, 5)"
        db.execute(text(add + values), [{"record": one, "label": label} for one, label in labels.items()])
    migrate(engine)
    after = _judged(engine)
    _back(engine, "0006")

    assert after == {"1": "spam", "2": "trash", "3": "drafts", "4": "Label_2"}
    assert _judged(engine) == labels
    engine.dispose()


@pytest.mark.rule("W16", "E99")
def test_mailboxes_of_before_are_gmails_by_their_address_and_stay_so_on_the_way_back(
    bare_database_url: str,
) -> None:
    engine = open_engine(bare_database_url)
    migrate(engine, "0006")
    add = "INSERT INTO mailboxes (address, labels, cursor) VALUES (:address, '{}', :cursor)"
    its = "INSERT INTO mailbox_addresses (mailbox_id, address, loose) VALUES (1, 'uwe@firm.example', 'x')"
    with engine.begin() as db:
        rows = [{"address": f"{name}@firm.example", "cursor": name} for name in ("uwe", "eva", "ida")]
        db.execute(text(add), rows)
        db.execute(text(its))
        db.execute(text("DELETE FROM mailboxes WHERE id = 3"))
    before = _mailboxes(engine)
    migrate(engine)
    after = _mailboxes(engine)
    with engine.begin() as db:
        new = "INSERT INTO mailboxes (provider, provider_key, address, labels) VALUES (:provider, :key, :address, '{}')"
        other = {"provider": "other", "key": "17", "address": "uwe@firm.example"}
        db.execute(text(new), other)
        assert db.scalar(text("SELECT id FROM mailboxes WHERE provider = 'other'")) == 4, "never given again"
    with pytest.raises(IntegrityError), engine.begin() as db:
        db.execute(text(new), other | {"address": "elsewhere@firm.example"})
    with pytest.raises(ValueError, match="disconnect the others first"):
        _back(engine, "0006")
    with engine.begin() as db:
        db.execute(text("DELETE FROM mailboxes WHERE provider = 'other'"))
    _back(engine, "0006")
    back = _mailboxes(engine)
    with pytest.raises(IntegrityError), engine.begin() as db:
        db.execute(text(add), {"address": "uwe@firm.example", "cursor": "1"})
    with engine.begin() as db:
        db.execute(text("DELETE FROM mailboxes WHERE address = 'uwe@firm.example'"))
        assert db.scalar(text("SELECT count(*) FROM mailbox_addresses")) == 0, (
            "children go with their mailbox"
        )
    engine.dispose()

    known = {"provider": "gmail", "provider_key": "uwe@firm.example"}
    assert after[0] == before[0] | known
    assert [row["provider_key"] for row in after] == ["uwe@firm.example", "eva@firm.example"]
    assert back == before


def _mailboxes(engine: Engine) -> list[dict[str, object]]:
    with engine.connect() as db:
        return [dict(row) for row in db.execute(text("SELECT * FROM mailboxes ORDER BY id")).mappings()]


def _judged(engine: Engine) -> dict[str, str]:
    with engine.connect() as db:
        return {
            row.record_id: row.label_id for row in db.execute(text("SELECT record_id, label_id FROM judged"))
        }


def _outcomes(engine: Engine) -> dict[tuple[str, int, str], str]:
    """Of steps and decisions, by mail, connection and table."""
    with engine.connect() as db:
        return {
            (row.gmail_id, row.connection_id, table): row.outcome
            for table in ("steps", "decisions")
            for row in db.execute(text(f"SELECT gmail_id, connection_id, outcome FROM {table}"))  # noqa: S608
        }
