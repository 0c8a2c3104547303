"""What any release of before has in its tables is there after the way up, and belongs to main/main (T1, W16)."""

from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import (
    Boolean,
    Date,
    Engine,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    insert,
    inspect,
    text,
)

from infra.db.migrate import FOLDER, migrate
from infra.db.store import open_engine
from tests.scale.load import load, of_mailboxes

RELEASES = ("0001", "0002", "0003", "0004", "0005")


@pytest.mark.rule("W16", "T1")
@pytest.mark.parametrize("release", RELEASES)
def test_every_row_of_a_release_is_kept_and_belongs_to_main(bare_database_url: str, release: str) -> None:
    engine = open_engine(bare_database_url)
    migrate(engine, release)
    before = _filled(engine)
    migrate(engine)
    after = _rows(engine)
    with engine.connect() as db:
        places = db.execute(text("SELECT * FROM organisations JOIN locations ON organisation_id = 1")).all()
    engine.dispose()

    assert len(places) == 1
    _is_kept_in_main(before, after)


@pytest.mark.rule("W16", "T1")
def test_every_row_of_a_deployment_of_the_release_before_is_kept(bare_database_url: str) -> None:
    """As `make scale` does with a million mails."""
    engine = open_engine(bare_database_url)
    migrate(engine, RELEASES[-1])
    load(engine, of_mailboxes(20), lambda _: None)
    before = _rows(engine)
    migrate(engine)
    after = _rows(engine)
    engine.dispose()

    assert len(before["contact_addresses"]) == len(before["contacts"]) == 200
    _is_kept_in_main({name: rows for name, rows in before.items() if rows}, after)


def _is_kept_in_main(before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]]) -> None:
    renamed = {_now(name): [_of_now(row) for row in rows] for name, rows in before.items()}
    assert {name: len(rows) for name, rows in renamed.items()} == {name: len(after[name]) for name in renamed}
    for name, rows in renamed.items():
        shared = rows[0].keys() & after[name][0].keys()
        assert _only(rows, shared) == _only(after[name], shared), name
        for row in after[name]:
            of_users = name in ("crm_versions", "outdated") and row["kind"] == "users"
            assert row.get("organisation_id", 1) == 1
            assert row.get("location_id", 1) == (0 if of_users else 1)


@pytest.mark.rule("W16")
def test_what_is_deleted_after_the_way_up_takes_its_children_along(bare_database_url: str) -> None:
    engine = open_engine(bare_database_url)
    migrate(engine, "0005")
    _filled(engine)
    migrate(engine)
    with engine.begin() as db:
        db.execute(text("DELETE FROM contacts WHERE id = 'v1'"))
        db.execute(text("DELETE FROM connections WHERE id = 1"))
    after = _rows(engine)
    engine.dispose()

    for table, key in (("contact_addresses", "contact_id"), ("contact_viewers", "contact_id")):
        assert [row[key] for row in after[table]] == ["v2"], table
    assert [row["connection_id"] for row in after["shared_contacts"]] == [2]


@pytest.mark.rule("W16")
def test_the_way_back_keeps_every_row_while_there_is_one_location(bare_database_url: str) -> None:
    engine = open_engine(bare_database_url)
    migrate(engine, "0005")
    before = _filled(engine)
    migrate(engine)
    _back(engine, "0005")
    found = _rows(engine)
    with engine.connect() as db:
        foreign = {
            name: len(inspect(db).get_foreign_keys(name)) for name in ("contact_addresses", "connections")
        }
        keys = inspect(db).get_pk_constraint("contacts")["constrained_columns"]
    migrate(engine)
    again = _rows(engine)
    engine.dispose()

    assert found == before
    assert (foreign, keys) == ({"contact_addresses": 1, "connections": 1}, ["id"])
    assert {_now(name): len(rows) for name, rows in before.items()}.items() <= {
        name: len(rows) for name, rows in again.items()
    }.items()


@pytest.mark.rule("W16")
def test_every_row_of_the_last_release_is_kept_on_the_way_up_and_back(bare_database_url: str) -> None:
    engine = open_engine(bare_database_url)
    migrate(engine, "0005")
    _filled(engine)
    migrate(engine, "0006")
    before = _rows(engine)
    migrate(engine)
    after = _rows(engine)
    _back(engine, "0006")
    found = _rows(engine)
    engine.dispose()

    assert not [row for name in after.keys() - before.keys() for row in after[name]]
    for name, rows in before.items():
        expected = [_of_now(row) for row in rows]
        if name == "mailboxes":
            expected = [row | {"provider": "gmail", "provider_key": row["address"]} for row in expected]
        if name in ("units", "unit_sums"):
            expected = [row | {"copy": 0} for row in expected]
        assert after[name] == expected, name
    assert found == before


@pytest.mark.rule("W16", "T1")
def test_there_is_no_way_back_for_a_second_location(bare_database_url: str) -> None:
    engine = open_engine(bare_database_url)
    migrate(engine)
    with engine.begin() as db:
        db.execute(text("INSERT INTO locations (organisation_id, name) VALUES (1, 'berlin')"))

    with pytest.raises(ValueError, match="delete the others first"):
        _back(engine, "0005")
    engine.dispose()


@pytest.mark.rule("W16")
def test_where_sqlite_would_delete_the_children_of_what_is_made_anew_nothing_is(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'children.db'}")
    migrate(engine, "0005")
    _filled(engine)
    migrate(engine, "0006")
    before = _rows(engine)

    with pytest.raises(ValueError, match="foreign keys are on"):
        _back(engine, "0005", keeping_children=False)

    assert _rows(engine) == before
    engine.dispose()


def _back(engine: Engine, release: str, *, keeping_children: bool = True) -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    with engine.connect() as db:
        if db.dialect.name == "sqlite" and keeping_children:
            db.connection.cursor().execute("PRAGMA foreign_keys=OFF")
        config.attributes["connection"] = db
        command.downgrade(config, release)
        db.commit()
    engine.dispose()


def _filled(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """Two rows in each table, the second of them the first one's neighbour in every way; and what there is then."""
    known = MetaData()
    known.reflect(engine)
    with engine.begin() as db:
        for table in known.sorted_tables:
            if table.name != "alembic_version":
                db.execute(insert(table), [_row(table, n) for n in (1, 2)])
        if engine.dialect.name == "postgresql":
            for table in known.sorted_tables:
                if "id" in table.c and isinstance(table.c.id.type, Integer):
                    db.execute(text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), 2)"))
    return _rows(engine)


def _row(table: Table, n: int) -> dict[str, Any]:
    """Numbers are n, texts name it: so what belongs together finds each other."""
    values: dict[str, Any] = {}
    for column in table.c:
        match column.type:
            case Boolean():
                values[column.name] = n == 1
            case Date():
                values[column.name] = date(2026, 1, n)
            case LargeBinary():
                values[column.name] = b"v%d" % n
            case Integer() | Float():
                values[column.name] = n
            case _:
                values[column.name] = f"v{n}"
    if table.name in ("crm_versions", "outdated") and n == 2:
        values["kind"] = "users"
    return values


def _rows(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    known = MetaData()
    known.reflect(engine)
    with engine.connect() as db:
        return {
            table.name: [
                dict(row) for row in db.execute(table.select().order_by(*table.primary_key)).mappings()
            ]
            for table in known.sorted_tables
            if table.name != "alembic_version"
        }


def _now(name: str) -> str:
    return "settings" if name == "organisation" else name


def _of_now(row: dict[str, Any]) -> dict[str, Any]:
    """With its columns called as they are now."""
    return {"message_id" if name == "gmail_id" else name: value for name, value in row.items()}


def _only(rows: list[dict[str, Any]], names: Collection[str]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in names} for row in rows]
