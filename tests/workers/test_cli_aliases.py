"""`lodestone alias` as an administrator types it: as processes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.gmail import GmailControl, GmailServer
from tests.terminals import Terminal

pytestmark = pytest.mark.rule("E14")

UWE, OLD = "uwe@firm.example", "uwe@old.example"
CONTACTS = f"id,kind,name,emails,assigned_to,created_at\nann,contact,Ann,{OLD},,2024-01-01\n"


@pytest.fixture
def terminal(tmp_path: Path, sqlite_url: str) -> Iterator[Terminal]:
    """A shell in which Uwe is connected."""
    with GmailServer() as server:
        terminal = Terminal(tmp_path, sqlite_url, {"LODESTONE_GMAIL_ENDPOINT": server.url})
        (tmp_path / "uwe.json").write_text(json.dumps(GmailControl(server.url).create_mailbox(UWE)))
        (tmp_path / "contacts.csv").write_text(CONTACTS)
        words = ("connect", "--user", "uwe", "--token-file", "uwe.json", "--sharing", "private")
        assert terminal.run(*words).code == 0
        yield terminal


def test_an_alias_is_added_shown_and_removed(terminal: Terminal) -> None:
    assert terminal.run("alias", "list").out == "no aliases are registered\n"
    done = terminal.run("alias", "add", "Uwe@OLD.example", "--user", "uwe")
    assert (done.code, done.out) == (0, f"{OLD} counts as uwe's own address\n")
    again = terminal.run("alias", "add", OLD, "--user", "uwe", "--json")
    assert again.json == {"user_id": "uwe", "alias": OLD, "added": False}
    row = {"user_id": "uwe", "mailbox": UWE, "alias": OLD, "counts": True, "held_by": None}
    assert terminal.run("alias", "list", "--user", "uwe", "--json").json == [row]
    assert f"aliases: {OLD}" in terminal.run("settings", "show", "--user", "uwe").out.splitlines()
    assert terminal.run("crm", "import", "--contacts", "contacts.csv").code == 0
    shown = terminal.run("alias", "list").out.splitlines()
    assert [line.split("  ")[-1] for line in shown] == ["counts", "no: contact ann has it"]
    told = terminal.run("settings", "show", "--user", "uwe").out
    assert f"{OLD} does not count as an alias: contact ann has it (rule E14)" in told
    removed = terminal.run("alias", "remove", OLD, "--user", "uwe")
    assert (removed.code, removed.out) == (0, f"{OLD} no longer counts as uwe's own address\n")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        pytest.param("add nonsense --user uwe", "that is no address", id="no address"),
        pytest.param(f"add {UWE} --user uwe", "the provider lists this address", id="listed"),
        pytest.param(f"add {OLD} --user eva", "user eva has no connection", id="nobody"),
        pytest.param(f"remove {OLD} --user uwe", "not registered for user uwe", id="not registered"),
        pytest.param("list --user eva", "there is no user eva", id="list of nobody"),
    ],
)
def test_what_is_refused_is_one_line(terminal: Terminal, words: str, line: str) -> None:
    refused = terminal.run("alias", *words.split())
    assert (refused.code, refused.out) == (2, "")
    assert line in refused.err
    assert refused.err.count("\n") == 1
