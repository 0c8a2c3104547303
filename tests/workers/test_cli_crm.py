"""`lodestone crm import` as an integrator runs it: as a process, on files."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.terminals import Terminal
from tests.worlds import KEY

ROOT = Path(__file__).parents[2]

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


STRANGERS = "  deals that name no known contact: {}; they count from when the contact comes in"
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


@pytest.mark.rule("E107")
def test_an_id_that_is_no_text_is_refused_by_line_and_the_rest_goes_in(terminal: Terminal) -> None:
    damaged = CONTACTS.encode() + b"J\xf6rg,contact,J\xc3\xb6rg \xc3\x84rmel,,,2024-01-02\n"
    (terminal.folder / "contacts.csv").write_bytes(damaged)
    done = terminal.run("crm", "import", "--contacts", "contacts.csv", "--rejects", "rejects.csv")
    assert done.code == 1
    assert "  line 6: the record is not UTF-8" in done.out.splitlines()
    assert "contacts,6,,the record is not UTF-8" in (terminal.folder / "rejects.csv").read_text().splitlines()
    assert rows(terminal, "SELECT id FROM contacts ORDER BY id") == [("ann",), ("cid",)]


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
            "deleted": 1,
            "refused": [{"line": 2, "reason": "kind is neither contact nor lead"}],
            "refused_in_all": 1,
            "left_out": [],
            "left_out_in_all": 0,
            "unknown_categories": [],
            "came_twice": [],
            "came_twice_in_all": 0,
            "deals_without_known_contact": 0,
            "assigned_outside_location": 0,
            "not_read": None,
            "encoding": None,
            "unknown_columns": [],
            "dry_run": False,
            "first_records": [],
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
        STRANGERS.format(1),
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
        ["users: 1 imported", "deals: 29 imported", STRANGERS.format(29)],
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
            ("--users", "empty.csv"),
            "empty.csv is empty: its first line has to be a header with id,name,emails",
            id="an empty file",
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
    (terminal.folder / "empty.csv").touch()
    done = terminal.run("crm", "import", *words)
    assert (done.code, done.out, done.err) == (2, "", f"lodestone: {line}\n")
    assert rows(terminal, "SELECT id FROM contacts") == []


def write(terminal: Terminal, name: str, *lines: str) -> None:
    (terminal.folder / name).write_text("\n".join((*lines, "")))


C_HEADER = "id,kind,name,emails,assigned_to,created_at"
D_HEADER = "id,contact_ids,stage,category,closing_date"
INNER = "c17,contact,Ann,mallory@evil.example,,2020-01-01"


@pytest.mark.rule("E107")
def test_a_web_forms_text_replaces_nobodys_address(terminal: Terminal) -> None:
    lead = ('lead,lead,L,,,2024-01-02,"Hello', f"{INNER},x", 'bye",')
    write(terminal, "contacts.csv", f"{C_HEADER},note", "c17,contact,Ann,ann@example.com,,2024-01-01,", *lead)
    done = terminal.run("crm", "import", "--contacts", "contacts.csv")
    assert (done.code, done.out.splitlines()) == (
        1,
        [
            "contacts: 1 imported, 1 refused",
            "  columns that nobody asked for: note",
            "  line 3: 8 columns where the header has 7",
        ],
    )
    assert rows(terminal, "SELECT contact_id, address FROM contact_addresses") == [("c17", "ann@example.com")]


@pytest.mark.rule("E107")
def test_a_quoting_error_ends_the_reading_and_replace_deletes_nothing_then(terminal: Terminal) -> None:
    terminal.run("crm", "import", *ALL)
    lead = ('lead,lead,"He said \\"hi\\"', INNER, 'bye",,,2024-01-02')
    write(terminal, "contacts.csv", C_HEADER, "c17,contact,Ann,ann@example.com,,2024-01-01", *lead)
    words = ("crm", "import", "--contacts", "contacts.csv", "--users", "users.csv")
    done = terminal.run(*words)
    said = [
        "users: 1 imported",
        "contacts: 1 imported",
        (
            "  line 3: a backslash stands before a quote: --escape '\\' reads \\\" as a quote within the cell, "
            "--escape '\"' as the cell's end"
        ),
        "  not read: 3 lines, from line 3 to the end",
    ]
    assert (done.code, done.out.splitlines()) == (1, said)
    done = terminal.run(*words, "--replace", "--yes")
    assert (done.code, done.out.splitlines(), done.err) == (
        2,
        said,
        "lodestone: nothing was deleted, because contacts could not be read whole: mend that, then import again\n",
    )
    assert rows(terminal, "SELECT id FROM contacts ORDER BY id") == [("ann",), ("c17",), ("cid",)]

    assert terminal.run(*words, "--replace", "--yes", "--escape", "\\").code == 0
    assert rows(terminal, "SELECT id FROM contacts ORDER BY id") == [("c17",), ("lead",)]
    assert rows(terminal, "SELECT address FROM contact_addresses") == [("ann@example.com",)]


@pytest.mark.rule("E107")
def test_however_much_is_refused_a_screen_or_so_is_said_and_a_file_keeps_all(terminal: Terminal) -> None:
    bad = [f"c{number},person,,,,2024-01-02" for number in range(30)]
    ragged = [f"c{number},contact{',' * number}" for number in range(10, 40)]
    write(terminal, "contacts.csv", C_HEADER, *bad, *ragged, "c1,contact,,a@example.com;n/a,,2024-01-02")
    done = terminal.run("crm", "import", "--contacts", "contacts.csv", "--rejects", "rejects.csv")
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[0] == "contacts: 1 imported, 60 refused"
    assert lines[1:21] == [f"  line {n}: kind is neither contact nor lead" for n in range(2, 22)]
    assert lines[21].startswith("  line 32: 12 columns")
    assert lines[41:] == [
        "  and 10 more: kind is neither contact nor lead",
        "  and 10 more: N columns where the header has N",
        "  line 62: emails: entry 2 is no address and was left out",
        "  came more than once, and the last counts: c1",
    ]
    kept = (terminal.folder / "rejects.csv").read_text().splitlines()
    assert len(kept) == 1 + 60 + 1
    assert kept[:2] == ["file,line,id,reason", "contacts,2,c0,kind is neither contact nor lead"]
    assert kept[-1] == "contacts,62,c1,emails: entry 2 is no address and was left out"

    refused = terminal.run("crm", "import", "--contacts", "contacts.csv", "--rejects", "contacts.csv")
    assert (refused.code, refused.out) == (2, "")
    assert "would overwrite" in refused.err
    assert (terminal.folder / "contacts.csv").read_text().startswith(C_HEADER)


@pytest.mark.rule("E9")
def test_words_for_categories_are_refused_until_they_are_given_a_meaning(terminal: Terminal) -> None:
    write(terminal, "deals.csv", D_HEADER, "d1,,s,Closed Lost,", "d2,,s,Closed Won,")
    words = ("crm", "import", "--deals", "deals.csv")
    done = terminal.run(*words)
    assert done.code == 1
    assert [line.partition(":")[0] for line in done.out.splitlines()] == [
        "deals", "  line 2", "  line 3", "  words that are no category"
    ]  # fmt: skip
    for line in done.out.splitlines()[1:3]:
        for part in ("OPEN, WON, LOST", "--category", "settings set category"):
            assert part in line
    assert done.out.splitlines()[-1] == "  words that are no category: Closed Lost, Closed Won"

    done = terminal.run("settings", "set", "category", "Closed Lost", "lost")
    assert done.out == "category is closed lost=LOST\n"
    done = terminal.run(*words, "--category", "closed  WON=WON")
    assert (done.code, done.out) == (0, "deals: 2 imported\n")
    assert rows(terminal, "SELECT id, category FROM deals ORDER BY id") == [("d1", "LOST"), ("d2", "WON")]
    assert terminal.run(*words).code == 1, "what was said for one file is not kept"

    terminal.run("settings", "set", "category", "Closed Won", "WON")
    assert terminal.run("settings", "show", "--json").json["deal_categories"] == {
        "closed lost": "LOST",
        "closed won": "WON",
    }
    assert terminal.run(*words).code == 0
    terminal.run("settings", "set", "category", "Closed Won", "-")
    assert terminal.run("settings", "show", "--json").json["deal_categories"] == {"closed lost": "LOST"}
    terminal.run("settings", "set", "category", "-")
    assert terminal.run("settings", "show", "--json").json["deal_categories"] == {}


@pytest.mark.rule("E9")
def test_a_refused_change_of_a_known_record_is_out_of_date_until_the_next_good_one(
    terminal: Terminal,
) -> None:
    terminal.run("crm", "import", *ALL)
    write(terminal, "deals.csv", D_HEADER, "d1,ann,Lost,Closed Lost,", "new,ann,Lost,Closed Lost,")
    terminal.run("crm", "import", "--deals", "deals.csv")
    write(terminal, "contacts.csv", C_HEADER, "cid,person,Cid,,,2024-01-02", "ann,contact,Ann,,,2024-01-02,,")
    terminal.run("crm", "import", "--contacts", "contacts.csv", "--dry-run")
    said = "out of date, because a change from the CRM was refused: 1 deals; have it send them again, mended"
    assert said in terminal.run("status").out.splitlines(), "of what is not known nothing is out of date"
    terminal.run("crm", "import", "--contacts", "contacts.csv")
    assert terminal.run("status", "--json").json["totals"]["outdated_record_count"] == 3
    write(terminal, "contacts.csv", C_HEADER, "cid,contact,Cid,,,2024-01-02", "cid,person,Cid,,,2024-01-02")
    terminal.run(
        "crm",
        "import",
        "--contacts",
        "contacts.csv",
        "--deals",
        "deals.csv",
        "--category",
        "closed lost=LOST",
    )
    assert rows(terminal, "SELECT record_id FROM outdated ORDER BY 1") == [("ann",), ("cid",)]
    write(terminal, "contacts.csv", C_HEADER, "cid,person,Cid,,,2024-01-02", "cid,contact,Cid,,,2024-01-02")
    terminal.run("crm", "import", "--contacts", "contacts.csv", "--replace")
    assert rows(terminal, "SELECT record_id FROM outdated") == [], "mended, or gone"


@pytest.mark.rule("E9")
def test_doctor_lists_stages_that_count_as_open_for_want_of_a_category(terminal: Terminal) -> None:
    terminal.run("crm", "import", *ALL)
    findings = terminal.run("doctor", "--json").json["findings"]
    [stages] = [one for one in findings if one["check"] == "stages"]
    assert (stages["verdict"], stages["says"]) == (
        "warning",
        "these have no category, so their deals count as OPEN: Dream (2)",
    )
    write(terminal, "deals.csv", D_HEADER, "d2,cid,Dream,OPEN,", "d3,cid,Dream,OPEN,")
    terminal.run("crm", "import", "--deals", "deals.csv")
    findings = terminal.run("doctor", "--json").json["findings"]
    assert [one["verdict"] for one in findings if one["check"] == "stages"] == ["ok"]


@pytest.mark.rule("E106")
def test_dates_are_the_organisations_days(terminal: Terminal) -> None:
    terminal.run("settings", "set", "time-zone", "Europe/Berlin")
    write(
        terminal, "deals.csv", D_HEADER, "d1,,s,OPEN,2026-03-31T22:00:00.000Z", "d2,,s,OPEN,2026-03-31T00:00Z"
    )
    assert terminal.run("crm", "import", "--deals", "deals.csv").code == 0
    assert rows(terminal, "SELECT id, closing_date FROM deals ORDER BY id") == [
        ("d1", "2026-04-01"),
        ("d2", "2026-03-31"),
    ]
    write(terminal, "deals.csv", D_HEADER.replace(",", ";"), "d1;;s;OPEN;30.4.2026")
    assert terminal.run("crm", "import", "--deals", "deals.csv", "--date-format", "%d.%m.%Y").code == 0
    assert rows(terminal, "SELECT closing_date FROM deals WHERE id = 'd1'") == [("2026-04-30",)]


@pytest.mark.rule("E107")
def test_ids_with_a_separator_are_known_from_before_and_from_the_same_run(terminal: Terminal) -> None:
    users = 'id,name,emails,role,roles_above\n"uwe; II",Uwe,,"Sales, EMEA",\neva,Eva,,CEO,"Sales, EMEA;CEO"\n'
    (terminal.folder / "users.csv").write_text(users)
    write(
        terminal, "contacts.csv", f"{C_HEADER},visible_to", '"Smith, Ann",contact,,,,2024-01-02,"eva,uwe; II"'
    )
    write(terminal, "deals.csv", D_HEADER, 'd1,"bob, Smith, Ann",s,OPEN,')
    rehearsed = terminal.run("crm", "import", *ALL, "--dry-run", "--json")
    assert rehearsed.json["deals"]["first_records"][0]["contact_ids"] == ["bob", "Smith, Ann"]
    assert rehearsed.json["contacts"]["first_records"][0]["created_at"] == "2024-01-02T00:00:00.000Z"
    assert rehearsed.json["deals"]["deals_without_known_contact"] == 0
    for words in (ALL, ("--deals", "deals.csv", "--users", "users.csv")):
        assert terminal.run("crm", "import", *words).code == 0
        assert rows(terminal, "SELECT contact_id FROM deal_contacts ORDER BY 1") == [
            ("Smith, Ann",),
            ("bob",),
        ]
        assert rows(terminal, "SELECT user_id FROM contact_viewers ORDER BY 1") == [("eva",), ("uwe; II",)]
        assert rows(terminal, "SELECT roles_above FROM users WHERE id = 'eva'") == [
            ('["Sales, EMEA", "CEO"]',)
        ]


@pytest.mark.rule("E107")
def test_a_dry_run_does_everything_but_keep_it(terminal: Terminal) -> None:
    before = rows(terminal, "SELECT count(*) FROM contacts")
    done = terminal.run("crm", "import", *ALL, "--dry-run", "--replace")
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[:3] == [
        "users: 0 that the file does not name would be deleted",
        "contacts: 0 that the file does not name would be deleted",
        "deals: 0 that the file does not name would be deleted",
    ]
    assert "contacts: 2 would be imported, 2 refused" in lines
    assert (
        "  as understood: id ann, kind contact, name Ann, addresses ann@example.com; ann@home.example, "
        "assigned_to uwe, created_at 2024-01-02 03:04:05+00:00, visible_to -, merged_from -"
    ) in lines
    assert "name no known contact" not in done.out, "contacts of the same run are known"
    assert rows(terminal, "SELECT count(*) FROM contacts") == before == [(0,)]
    assert "stage.uncategorised" not in done.err


@pytest.mark.rule("E107")
@pytest.mark.parametrize(
    ("words", "line"),
    [
        pytest.param(("--contacts", "-", "--deals", "-"), "standard input can be one file only", id="twice"),
        pytest.param((*ALL, "--map", "emails"), '--map "emails" maps nothing', id="no pair"),
        pytest.param((*ALL, "--map", "Mail=email"), '--map "Mail=email" maps nothing', id="no such field"),
        pytest.param((*ALL, "--map", "Mail=emails"), "--map: no file has a column Mail", id="no such column"),
        pytest.param(
            (*ALL, "--category", "lost=LOST"), "lost needs no other meaning", id="a category itself"
        ),
        pytest.param((*ALL, "--category", "Gone=GONE"), "GONE is none of OPEN, WON, LOST", id="no category"),
        pytest.param((*ALL, "--category", "Gone="), "an empty word is none of OPEN", id="an empty category"),
        pytest.param((*ALL, "--category", "Gone"), '--category "Gone" names no word', id="no meaning"),
        pytest.param(
            (*ALL, "--date-format", "%d.%m."), "--date-format %d.%m. writes no date", id="without a year"
        ),
        pytest.param((*ALL, "--date-format", "DD.MM"), "--date-format DD.MM writes no date", id="no format"),
        pytest.param((*ALL, "--escape", "^"), "--escape is", id="no escape"),
        pytest.param((*ALL, "--rejects", "no/r.csv"), "--rejects no/r.csv cannot be written", id="nowhere"),
    ],
)
def test_odd_options_end_with_2_before_anything_goes_in(
    terminal: Terminal, words: tuple[str, ...], line: str
) -> None:
    done = terminal.run("crm", "import", *words)
    assert (done.code, done.out) == (2, "")
    assert line in done.err
    assert done.err.count("\n") == 1
    assert rows(terminal, "SELECT id FROM users") == []


@pytest.mark.rule("E107")
def test_a_file_comes_from_standard_input_under_the_names_of_its_own(terminal: Terminal) -> None:
    text = "\ufeffId;Kind;Name;E-Mail;Assigned to;Created at\r\nc1;lead;Jörg;j@example.com;;2024-01-02\r\n"
    done = subprocess.run(
        [sys.executable, "-m", "workers", "crm", "import", "--contacts", "-", "--map", "E-Mail=emails"],
        env={"LODESTONE_DATABASE_URL": terminal.database_url, "LODESTONE_TOKEN_KEYS": KEY},
        cwd=ROOT,
        input=text.encode(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"contacts: 1 imported\n"), done.stderr
    assert rows(terminal, "SELECT name FROM contacts") == [("Jörg",)]


@pytest.mark.rule("E107")
def test_progress_is_told_and_who_stops_it_hears_what_is_in(terminal: Terminal) -> None:
    many = "".join(f"c{number},contact,N,c{number}@example.com,,2024-01-02\n" for number in range(300_000))
    (terminal.folder / "contacts.csv").write_text(f"{C_HEADER}\n{many}")
    words = ["crm", "import", "--contacts", "contacts.csv", "--users", "users.csv"]
    with subprocess.Popen(
        [sys.executable, "-m", "workers", *words],
        env={
            "LODESTONE_DATABASE_URL": terminal.database_url,
            "LODESTONE_TOKEN_KEYS": KEY,
            "PYTHONPATH": str(ROOT),
        },
        cwd=terminal.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "contacts: 10,000 rows read\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    said = re.fullmatch(
        r"lodestone: stopped: 1 users and (\d+) contacts are in, each whole, and nothing was deleted; import again "
        r"for the rest",
        err.splitlines()[-1],
    )
    assert said is not None
    assert 9_000 <= int(said[1]) < 300_000
    [(there,)] = rows(terminal, "SELECT count(*) FROM contacts")
    assert there in (int(said[1]), int(said[1]) + 500), "a commit may just have been made"
    assert rows(terminal, "SELECT count(*) FROM contact_addresses") == [(there,)]


def test_help_shows_an_example(terminal: Terminal) -> None:
    done = terminal.run("crm", "import", "--help")
    assert done.code == 0
    assert "Example: lodestone crm import --contacts contacts.csv" in " ".join(done.out.split())


def test_help_names_every_column_and_both_escapes_at_80_columns(terminal: Terminal) -> None:
    done = Terminal(terminal.folder, terminal.database_url, {"COLUMNS": "80"}).run("crm", "import", "--help")
    words = " ".join(done.out.replace("│", " ").split())
    assert "CSV with id, kind, name, emails, assigned_to, created_at; also visible_to, merged_from." in words
    assert "CSV with id, name, emails; also role, roles_above, may_connect, active, locations" in words
    assert "within a quoted cell: '\\' or, if they are doubled, '\"'." in words
    assert "…" not in done.out, "nothing is cut off"
