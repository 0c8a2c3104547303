"""`lodestone locations`, and `--location`, as an operator types them: as processes."""

from pathlib import Path

import pytest

from domain.crm.locations import SEVERAL
from infra.db.store import Store
from infra.secrets import Cipher
from tests.terminals import Terminal
from tests.worlds import make_world

pytestmark = pytest.mark.rule("T1")

ACME = "acme/berlin"
CONTACTS = "id,kind,name,emails,assigned_to,created_at\nann,contact,{name},ann@example.com,,2024-01-01\n"


@pytest.fixture
def terminal(tmp_path: Path, sqlite_url: str) -> Terminal:
    for name in ("Here", "There"):
        (tmp_path / f"{name}.csv").write_text(CONTACTS.format(name=name))
    return Terminal(tmp_path, sqlite_url, {})


def test_whoever_has_one_location_never_types_the_word(terminal: Terminal) -> None:
    assert terminal.run("crm", "import", "--contacts", "Here.csv").code == 0
    assert terminal.run("settings", "set", "time-zone", "Europe/Berlin").code == 0
    assert terminal.run("ledger").out == "no such mail in the ledger\n"
    assert "location" not in terminal.run("settings", "show").out


def test_from_the_second_location_on_it_has_to_be_named(terminal: Terminal) -> None:
    assert terminal.run("locations", "add", ACME).out == f"{ACME} is there: `--location {ACME}` names it\n"
    assert [
        (one["organisation"], one["location"]) for one in terminal.run("locations", "list", "--json").json
    ] == [
        ("acme", "acme/berlin"),
        ("main", "main/main"),
    ]
    done = terminal.run("crm", "import", "--contacts", "Here.csv")
    assert (done.code, done.err) == (2, f"lodestone: {SEVERAL}\n")
    for place, name in (("main/main", "Here"), (ACME, "There")):
        assert terminal.run("crm", "import", "--contacts", f"{name}.csv", "--location", place).code == 0
    assert terminal.run("settings", "set", "time-zone", "Europe/Berlin", "--location", ACME).code == 0
    shown = {
        place: terminal.run("settings", "show", "--location", place).out for place in ("main/main", ACME)
    }
    assert ["Europe/Berlin" in shown[place] for place in ("main/main", ACME)] == [False, True]
    assert terminal.run("settings", "show", "--location", "berlin").err == (
        "lodestone: a location is named as ORGANISATION/LOCATION: letters, digits, spaces, . & ' - and _\n"
    )


def test_where_the_object_store_is_away_the_command_says_so_and_can_be_repeated(
    terminal: Terminal, sqlite_url: str, cipher: Cipher, tmp_path: Path
) -> None:
    assert terminal.run("locations", "add", ACME).code == 0
    store = Store(sqlite_url, cipher)
    with store.begin("tests.reserve") as tx:
        [acme] = tx.organisations.named("acme", "berlin")
        tx.of(acme.location).objects.reserve({"0a" * 32: 7})
    store.engine.dispose()
    (tmp_path / "full").write_bytes(b"")
    away = Terminal(tmp_path, sqlite_url, {"LODESTONE_OBJECTS": str(tmp_path / "full")})
    done = away.run("locations", "delete", ACME, "--confirm", ACME)
    assert (done.code, done.err.splitlines()[-1]) == (
        1,
        "lodestone: the object store takes or gives nothing (objects_away): check LODESTONE_OBJECTS",
    )
    again = terminal.run("locations", "delete", ACME, "--confirm", ACME)
    assert (again.code, again.err.partition(": ")[2]) == (
        2,
        "content of its mail is still being removed: give the command again in 15 minutes\n",
    )


@pytest.mark.rule("T2")
def test_status_is_the_operators_or_a_locations(terminal: Terminal, sqlite_url: str, cipher: Cipher) -> None:
    store = Store(sqlite_url, cipher)
    make_world(store)
    store.engine.dispose()
    assert "location" not in terminal.run("status").out
    assert "location" not in terminal.run("status", "--json").out
    assert terminal.run("locations", "add", ACME).code == 0
    everybodys = terminal.run("status", "--json").json
    here = terminal.run("status", "--json", "--location", "main/main").json
    there = terminal.run("status", "--json", "--location", ACME).json
    for shown in (everybodys, here):
        assert [one["mailbox"] for one in shown["mailboxes"]] == ["uwe@firm.example"]
    assert (there["mailboxes"], there["totals"]["mailbox_count"]) == ([], 0)
    assert there.keys() == here.keys() == everybodys.keys()
    told = terminal.run("status", "--location", ACME)
    assert (told.code, told.out) == (0, "0 mailboxes, mails waiting: 0, set aside: 0\n")
    unknown = terminal.run("status", "uwe@firm.example", "--location", ACME)
    assert (unknown.code, unknown.err) == (
        2,
        "lodestone: there is no such mailbox; `lodestone status` lists them\n",
    )
    wrong = terminal.run("status", "--location", "acme/paris")
    assert (wrong.code, wrong.err) == (
        2,
        "lodestone: there is no location acme/paris: `lodestone locations list` shows them\n",
    )


@pytest.mark.rule("T5")
def test_deleting_needs_the_exact_name_and_says_how_much_it_was(terminal: Terminal) -> None:
    assert terminal.run("locations", "add", ACME).code == 0
    assert terminal.run("crm", "import", "--contacts", "There.csv", "--location", ACME).code == 0
    refused = terminal.run("locations", "delete", ACME)
    assert (refused.code, refused.err) == (
        2,
        f"lodestone: nothing is deleted: --confirm {ACME} says that it is meant\n",
    )
    assert terminal.run("locations", "delete", ACME, "--confirm", "acme").code == 2
    assert (
        terminal.run("locations", "delete", ACME, "--confirm", ACME).out == f"{ACME} is deleted: contacts 1\n"
    )
    assert terminal.run("locations", "delete", ACME, "--confirm", ACME).code == 2
    emptied = terminal.run("locations", "delete", "main/main", "--confirm", "main/main", "--json")
    assert emptied.json == {
        "location": "main/main",
        "location_deleted": False,
        "deleted_rows": {"connections": 0},
    }
    assert terminal.run("crm", "import", "--contacts", "Here.csv").code == 0
