"""`lodestone crm import` as an integrator runs it: as a process, on files."""

import re
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.terminals import Terminal

CONTACTS = """id,kind,name,emails,assigned_to,created_at
ann,contact,Ann,ann@example.com;ann@home.example,uwe,2024-01-02T03:04:05Z
,contact,Nobody,,,2024-01-02
lea,lead,Lea,lea@@example,,2024-01-02
cid,contact,Cid,,,2024-01-02
"""
DEALS = """id,contact_ids,stage,category,closing_date
d1,ann;later,Offer,OPEN,2026-03-31
d2,cid,Dream,,
d3,cid,Dream,,
"""
USERS = "id,name,emails\nuwe,Uwe,uwe@firm.example\n"


@pytest.fixture
def terminal(tmp_path: Path, sqlite_url: str) -> Terminal:
    """A shell in a folder with the CRM's files."""
    for name, content in (("contacts", CONTACTS), ("deals", DEALS), ("users", USERS)):
        (tmp_path / f"{name}.csv").write_text(content)
    return Terminal(tmp_path, sqlite_url, {})


def rows(terminal: Terminal, query: str) -> list[tuple[object, ...]]:
    engine = create_engine(terminal.database_url)
    with engine.connect() as db:
        found = [tuple(row) for row in db.execute(text(query))]
    engine.dispose()
    return found


ALL = ("--contacts", "contacts.csv", "--deals", "deals.csv", "--users", "users.csv")


@pytest.mark.rule("E8", "E9", "E12", "E20")
def test_bad_rows_are_reported_by_line_and_the_rest_goes_in_however_often(terminal: Terminal) -> None:
    for _ in range(2):
        done = terminal.run("crm", "import", *ALL)
        assert done.code == 1, "rows were refused"
        assert done.out.splitlines() == [
            "users: 1 imported",
            "contacts: 2 imported, 2 refused",
            "  line 3: id is missing",
            "  line 4: emails: entry 1 is no address",
            "deals: 3 imported",
        ]
        assert rows(terminal, "SELECT id, kind, assigned_to FROM contacts ORDER BY id") == [
            ("ann", "contact", "uwe"),
            ("cid", "contact", None),
        ]
        assert rows(terminal, "SELECT contact_id, address FROM contact_addresses ORDER BY address") == [
            ("ann", "ann@example.com"),
            ("ann", "ann@home.example"),
        ]
        assert rows(terminal, "SELECT id, category, closing_date FROM deals ORDER BY id") == [
            ("d1", "OPEN", "2026-03-31"),
            ("d2", "OPEN", None),
            ("d3", "OPEN", None),
        ]
    assert len(re.findall("stage.uncategorised", done.err)) == 1, (
        "a stage is logged once, and not in the answer"
    )


def test_absent_records_stay_and_with_replace_they_are_deleted_after_saying_how_many(
    terminal: Terminal,
) -> None:
    terminal.run("crm", "import", *ALL)
    contacts = terminal.folder / "contacts.csv"
    contacts.write_text(
        "id,kind,name,emails,assigned_to,created_at\nann,person,Ann,,,\nbob,lead,Bob,,,2024-01-02\n"
    )
    terminal.run("crm", "import", "--contacts", "contacts.csv")
    assert rows(terminal, "SELECT id FROM contacts ORDER BY id") == [("ann",), ("bob",), ("cid",)]
    done = terminal.run("crm", "import", "--contacts", "contacts.csv", "--replace", "--json")
    assert done.code == 1
    assert done.json == {
        "contacts": {
            "imported": 1,
            "refused": [{"line": 2, "reason": "kind is neither contact nor lead"}],
            "deleted": 1,
        }
    }
    assert "contacts: 1 that the file does not name are deleted" in done.err
    assert rows(terminal, "SELECT id FROM contacts ORDER BY id") == [("ann",), ("bob",)], (
        "who was refused stays"
    )
    assert len(rows(terminal, "SELECT id FROM deals")) == 3, "only the given kinds are replaced"


def test_with_replace_the_number_comes_before_the_summary(terminal: Terminal) -> None:
    terminal.run("crm", "import", "--deals", "deals.csv")
    (terminal.folder / "deals.csv").write_text(
        "id,contact_ids,stage,category,closing_date\nd3,cid,Won,WON,\n"
    )
    done = terminal.run("crm", "import", "--deals", "deals.csv", "--replace")
    assert done.code == 0
    assert done.out.splitlines() == [
        "deals: 2 that the file does not name are deleted",
        "deals: 1 imported, 2 deleted",
    ]


def test_replacing_more_than_half_is_refused_unless_it_is_meant(terminal: Terminal) -> None:
    header = "id,contact_ids,stage,category,closing_date\n"
    deals = terminal.folder / "deals.csv"
    deals.write_text(header + "".join(f"d{number},ann,Offer,OPEN,\n" for number in range(21)))
    terminal.run("crm", "import", "--deals", "deals.csv", "--users", "users.csv")
    deals.write_text(header + "".join(f"d{number},ann,Won,WON,\n" for number in range(11, 40)))
    (terminal.folder / "users.csv").write_text("id,name,emails\nbob,Bob,\n")
    words = ("crm", "import", "--deals", "deals.csv", "--users", "users.csv", "--replace")

    refused = terminal.run(*words)
    assert (refused.code, refused.out.splitlines(), refused.err) == (
        2,
        ["users: 1 imported", "deals: 29 imported"],
        "lodestone: 11 of 21 deals would be deleted, so nothing was: add --yes if that is meant\n",
    )
    assert len(rows(terminal, "SELECT id FROM deals")) == 40
    assert rows(terminal, "SELECT id FROM users ORDER BY id") == [("bob",), ("uwe",)]
    done = terminal.run(*words, "--yes")
    assert (done.code, done.out.splitlines()[:2]) == (
        0,
        [
            "users: 1 that the file does not name are deleted",
            "deals: 11 that the file does not name are deleted",
        ],
    )
    assert len(rows(terminal, "SELECT id FROM deals")) == 29
    assert rows(terminal, "SELECT id FROM users") == [("bob",)]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        pytest.param((), "name at least one file: --contacts, --deals or --users", id="no file"),
        pytest.param(
            ("--contacts", "deals.csv"),
            "deals.csv has no column kind, name, emails, assigned_to, created_at: its first line has to be a header "
            "with id,kind,name,emails,assigned_to,created_at",
            id="the wrong file",
        ),
        pytest.param(
            ("--contacts", "contacts.csv", "--deals", "nowhere.csv"),
            "nowhere.csv cannot be read: No such file or directory",
            id="no such file",
        ),
    ],
)
def test_an_unusable_file_ends_with_2_in_one_line_before_anything_goes_in(
    terminal: Terminal, words: tuple[str, ...], line: str
) -> None:
    done = terminal.run("crm", "import", *words)
    assert (done.code, done.out, done.err) == (2, "", f"lodestone: {line}\n")
    assert rows(terminal, "SELECT id FROM contacts") == []


def test_help_shows_an_example(terminal: Terminal) -> None:
    done = terminal.run("crm", "import", "--help")
    assert done.code == 0
    assert "Example: lodestone crm import --contacts contacts.csv" in " ".join(done.out.split())
