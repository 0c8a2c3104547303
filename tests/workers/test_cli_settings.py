"""`lodestone settings` as an operator and as a user types it: as processes."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.local.gmail import GmailControl, GmailServer
from tests.terminals import Terminal

UWE = "uwe@firm.example"
USERS = "id,name,emails,role\nuwe,Uwe,,Sales\neva,Eva,,Head of Sales\n"
CONTACTS = "id,kind,name,emails,assigned_to,created_at\nann,contact,Ann,ann@example.com,,2024-01-01\n"
PROPOSED = "firm.example may be an internal domain: `lodestone settings set internal-domain …`"
UNSAID: dict[str, Any] = {
    "time_zone": None,
    "internal_domain": [],
    "exclude": [],
    "sharing_roles": {},
    "sharing_users": {},
    "sharing_only": {"user_ids": [], "roles": []},
    "sharing_exclude": [],
    "deal_categories": {},
    "label_names": ["Deals Closing This Month (CTM)", "Open Deals", "Customers"],
    "assignment_inbound": True,
    "assignment_outbound": False,
    "third_parties": False,
}


@pytest.fixture
def terminal(tmp_path: Path, sqlite_url: str) -> Terminal:
    """A shell with a CRM and no Gmail."""
    (tmp_path / "users.csv").write_text(USERS)
    (tmp_path / "contacts.csv").write_text(CONTACTS)
    terminal = Terminal(tmp_path, sqlite_url, {})
    assert terminal.run("crm", "import", "--users", "users.csv", "--contacts", "contacts.csv").code == 0
    return terminal


@pytest.fixture
def connected(terminal: Terminal) -> Iterator[Terminal]:
    """The same, with Uwe's mailbox connected and nothing switched on."""
    with GmailServer() as server:
        terminal = replace(terminal, settings={"LODESTONE_GMAIL_ENDPOINT": server.url})
        grant = GmailControl(server.url).create_mailbox(UWE)
        (terminal.folder / "uwe.json").write_text(json.dumps(grant))
        words = ("connect", "--user", "uwe", "--token-file", "uwe.json", "--sharing", "custom")
        assert terminal.run(*words).code == 0
        yield terminal


@pytest.mark.rule("Z13")
def test_several_settings_of_the_organisation_are_set_at_once_and_shown(terminal: Terminal) -> None:
    words = "time-zone UTC sharing-roles Sales=public sharing-only user:eva sharing-exclude LAWYER.example"
    done = terminal.run("settings", "set", *words.split(), "sharing-users", "eva=private")
    assert done.out.splitlines() == [
        "time-zone is UTC",
        "sharing-roles is Sales=public",
        "sharing-only is user:eva",
        "sharing-exclude is lawyer.example",
        "sharing-users is eva=private",
    ]
    expected = UNSAID | {
        "time_zone": "UTC",
        "sharing_roles": {"Sales": "public"},
        "sharing_users": {"eva": "private"},
        "sharing_only": {"user_ids": ["eva"], "roles": []},
        "sharing_exclude": ["lawyer.example"],
    }
    assert terminal.run("settings", "show", "--json").json == expected

    terminal.run("settings", "set", "sharing-roles", "-", "sharing-only", "role:Head of Sales", "user:uwe")
    shown = terminal.run("settings", "show").out.splitlines()
    assert "sharing-roles: empty" in shown
    assert "sharing-only: user:uwe, role:Head of Sales" in shown


@pytest.mark.rule("T3")
def test_whether_assignment_is_needed_is_on_or_off_and_the_locations_own(terminal: Terminal) -> None:
    done = terminal.run("settings", "set", "assignment-inbound", "off", "assignment-outbound", "on")
    assert done.out.splitlines() == ["assignment-inbound is off", "assignment-outbound is on"]
    expected = UNSAID | {"assignment_inbound": False, "assignment_outbound": True}
    assert terminal.run("settings", "show", "--json").json == expected
    assert terminal.run("locations", "add", "main/south").code == 0
    shown = terminal.run("settings", "show", "--json", "--location", "main/south").json
    assert shown == UNSAID


@pytest.mark.rule("Z13")
@pytest.mark.parametrize(
    ("words", "line"),
    [
        pytest.param(
            "color red", "color is no setting here; time-zone, internal-domain, exclude, ", id="name"
        ),
        pytest.param("magnet on", "magnet is no setting here; time-zone, ", id="a user's, without a user"),
        pytest.param("exclude", "exclude is given no value", id="no value"),
        pytest.param("exclude a.example exclude b.example", "exclude is named twice", id="twice"),
        pytest.param("sharing-roles Sales", "Sales is no choice; Sales=private is one", id="no choice"),
        pytest.param(
            "sharing-roles Sales=open", "open is no sharing option; private, custom, public are", id="odd"
        ),
        pytest.param("sharing-roles Salse=public", "no user has the role Salse: ", id="an unknown role"),
        pytest.param("sharing-users nobody=public", "there is no user nobody: ", id="an unknown user"),
        pytest.param("sharing-only eva", "eva names nobody; user:uwe or role:Head does", id="neither"),
        pytest.param("sharing-exclude a@b.example", "a@b.example is no domain", id="an address as a domain"),
        pytest.param(
            "category Lost",
            "category needs a word and OPEN, WON, LOST, or - ",
            id="a word without its category",
        ),
        pytest.param("assignment-inbound perhaps", "assignment-inbound is on or off, ", id="neither"),
        pytest.param("label-names klingon", "label-names is one of english, spanish, ", id="no such set"),
        pytest.param("label-names a b A", "two labels cannot have one name", id="equal names"),
        pytest.param("label-names a b Inbox", "Inbox is a name that Gmail keeps", id="a reserved name"),
    ],
)
def test_what_is_odd_is_told_in_one_line_and_nothing_is_saved(
    terminal: Terminal, words: str, line: str
) -> None:
    done = terminal.run("settings", "set", "time-zone", "Europe/Berlin", *words.split())
    alone = terminal.run("settings", "set", *words.split())
    if words.startswith(("color", "magnet")):
        done = alone
    for one in (done, alone):
        assert (one.code, one.out) == (2, "")
        assert one.err.startswith(f"lodestone: {line}")
        assert one.err.count("\n") == 1
    assert terminal.run("settings", "show", "--json").json == UNSAID


@pytest.mark.rule("E66", "Z14", "E54")
def test_labels_are_called_in_the_organisations_language_or_as_it_likes(connected: Terminal) -> None:
    german = ["Abschlüsse in diesem Monat (CTM)", "Offene Geschäfte", "Kunden"]
    done = connected.run("settings", "set", "label-names", "german")
    assert done.out.splitlines() == [
        f"label-names is {', '.join(german)}",
        "labels that were made earlier keep their names (rule E54)",
    ]
    assert connected.run("settings", "show", "--json").json["label_names"] == german
    connected.run("settings", "set", "--user", "uwe", "magnet", "on", "sorting", "on")
    made = GmailControl(connected.settings["LODESTONE_GMAIL_ENDPOINT"]).dump(UWE).labels.values()
    assert set(german) < set(made)
    assert connected.run("settings", "set", "label-names", "Now", "Open", "Buyers", "--json").json == {
        "label_names": ["Now", "Open", "Buyers"]
    }
    connected.run("settings", "set", "label-names", "-")
    assert connected.run("settings", "show", "--json").json["label_names"] == UNSAID["label_names"]


@pytest.mark.rule("Z13", "Z36", "E18")
def test_a_user_sets_his_connection_all_at_once(connected: Terminal) -> None:
    words = "magnet on sorting on dry-run on exclude-from-sharing b.example A.example share-contact ann on"
    done = connected.run("settings", "set", "--user", "uwe", *words.split())
    assert done.out.splitlines() == [
        f"mailbox: {UWE}",
        "state: active",
        "sharing: custom",
        "magnet: on",
        "sorting: on",
        "dry-run: on",
        "exclude-from-sharing: a.example, b.example",
        "share-contact: ann",
        f"{PROPOSED} makes mail from there nobody's contact (rule E18)",
    ]
    connected.run("settings", "set", "sharing-roles", "Sales=private", "internal-domain", "firm.example")
    off = "magnet off sharing public exclude-from-sharing - share-contact ann off"
    assert connected.run("settings", "set", "--user", "uwe", *off.split(), "--json").json == {
        "user_id": "uwe",
        "mailbox": UWE,
        "connection_state": "active",
        "sharing": "public",
        "magnet": False,
        "sorting": False,
        "dry_run": True,
        "exclude_from_sharing": [],
        "share_contact": [],
        "sharing_that_counts": "private",
        "proposed_internal_domain": None,
    }
    shown = connected.run("settings", "show", "--user", "uwe").out
    assert "By the organisation's settings this mailbox is private, whatever its owner chose\n" in shown


@pytest.mark.rule("Z12", "Z13")
@pytest.mark.parametrize(
    ("words", "line"),
    [
        pytest.param(
            "sorting on", "sorting needs MailMagnet: switch that on as well (rule Z12)", id="sorting"
        ),
        pytest.param("magnet yes", "magnet is on or off, not yes", id="neither on nor off"),
        pytest.param("magnet on off", "magnet is one word, not 2", id="both"),
        pytest.param("sharing open", "open is no sharing option; private, custom, public are", id="option"),
        pytest.param(
            "share-contact ann", "share-contact needs a contact's id and on or off", id="half a tick"
        ),
        pytest.param("share-contact nobody on", "there is no contact nobody", id="nobody's record"),
        pytest.param(
            "exclude-from-sharing a.example b.example c.example d.example e.example f.example",
            "at most 5 domains can be excluded from sharing (table D13)",
            id="six domains",
        ),
    ],
)
def test_an_odd_setting_of_a_connection_saves_none(connected: Terminal, words: str, line: str) -> None:
    before = connected.run("settings", "show", "--user", "uwe", "--json").json
    done = connected.run("settings", "set", "--user", "uwe", "dry-run", "on", *words.split())
    assert (done.code, done.out, done.err) == (2, "", f"lodestone: {line}\n")
    assert connected.run("settings", "show", "--user", "uwe", "--json").json == before


def test_who_has_no_connection_has_no_settings(terminal: Terminal) -> None:
    line = "lodestone: user eva has no connection: `lodestone connect --user eva` makes one\n"
    for words in (("show",), ("set", "sharing", "private")):
        done = terminal.run("settings", *words, "--user", "eva")
        assert (done.code, done.err) == (2, line)
