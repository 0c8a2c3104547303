"""The tool that measures bounds at 100,000 mailboxes, tried with a few."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from domain.mailboxes.accounts import AccountKey
from infra.db.migrate import migrate
from infra.db.store import open_engine
from infra.db.tables.crm import contacts
from infra.db.tables.ledger import steps
from infra.db.tables.mail import messages, notifications
from infra.db.tables.mailboxes import mailboxes
from tests.scale.frame import Figure, Place, buffers, statements
from tests.scale.load import load, of_mailboxes
from tests.scale.loaded import copied
from tests.scale.rows_way_up import columns_of, contents, way_up

ROOT = Path(__file__).parents[2]
SIZE = of_mailboxes(20)


@pytest.fixture
def place(bare_database_url: str) -> Iterator[Place]:
    """A loaded database."""
    engine = open_engine(bare_database_url)
    migrate(engine)
    load(engine, SIZE, lambda _: None)
    engine.dispose()
    place = Place(bare_database_url, lambda _: None)
    yield place
    place.store.engine.dispose()


def _count(place: Place, table: object) -> int:
    with place.store.begin("tests.count") as tx:
        return tx.db.scalar(select(func.count()).select_from(table)) or 0  # type: ignore[arg-type]


def test_a_loaded_database_holds_what_its_size_says_and_can_be_worked_with(place: Place) -> None:
    found = {
        table.name: _count(place, table) for table in (mailboxes, contacts, messages, steps, notifications)
    }
    with place.store.begin("tests.add") as tx:
        added = tx.mailboxes.add(AccountKey("gmail", "another@firm.example"), "another@firm.example")
        due = tx.mailboxes.redrive_syncs(10, 60)

    assert found == {
        "mailboxes": 20,
        "contacts": 200,
        "messages": 200,
        "steps": SIZE.steps,
        "notifications": 30,
    }
    assert added == 21
    assert due == (), "nothing is due in what was loaded"


def test_what_a_row_does_in_a_copy_is_gone_with_it(place: Place) -> None:
    with place.copy() as other:
        with other.store.begin("tests.delete") as tx:
            tx.retention.mails(35, 1_000, ())
        left = _count(other, messages)
    with copied(place.url) as url:
        again = Place(url, place.say)
        count = _count(again, messages)
        again.store.engine.dispose()

    assert (left, count) == (180, 200)


def test_statements_and_blocks_are_counted_and_what_is_explained_is_not_done_twice(place: Place) -> None:
    def purge() -> int:
        with place.store.begin("tests.purge") as tx:
            return tx.retention.sent(35, 15, ()).rows

    assert statements(place.store, purge) == (2 if place.is_sqlite else 3)
    assert _count(place, messages) == 200
    if not place.is_sqlite:
        assert buffers(place.store, lambda tx: tx.retention.sent(35, 15, ())) > 0


@pytest.mark.parametrize(("value", "met"), [(99, True), (100, True), (101, False)])
def test_a_figure_may_be_as_high_as_its_bound(value: float, met: bool) -> None:
    assert Figure("blocks", value, "buffers", 100).met is met


def test_the_tool_prints_every_figure_and_its_code_says_whether_all_are_met(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.scale", "--database", "sqlite", "--mailboxes", "20", "--json"]
    for _ in range(2):  # what was kept is used again
        ended = subprocess.run(
            [*command, "--only", "due", "--keep", str(tmp_path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        found = json.loads(ended.stdout)
        assert {(one["database"], one["row"], one["unit"]) for one in found} == {("sqlite", "due", "ms")}
        assert ended.returncode == (0 if all(one["met"] for one in found) else 1)
    assert "filled" not in ended.stderr


@pytest.mark.rule("W16")
def test_the_way_up_from_the_release_before_changes_no_table(place: Place) -> None:
    changed, *rest = way_up(place)

    assert changed.value == 0
    assert {one.unit for one in rest} == {"s", "x"}


def test_a_table_that_is_not_as_it_was_is_seen(place: Place) -> None:
    engine = place.store.engine
    columns = columns_of(engine)
    before = contents(engine, columns)
    assert contents(engine, columns) == before
    with engine.begin() as db:
        db.execute(text("UPDATE contacts SET name = 'somebody' WHERE id = 'c1'"))
        db.execute(text("DELETE FROM contact_addresses WHERE contact_id = 'c2'"))
    after = contents(engine, columns)

    assert {name for name in columns if after[name] != before[name]} == {"contacts", "contact_addresses"}
