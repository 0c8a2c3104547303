"""`lodestone labels undo` as an operator runs it: as a process."""

from pathlib import Path

import pytest

from infra.local.redis import RedisServer
from tests.handlers.conftest import House
from tests.handlers.conftest import gmail_server as gmail_server
from tests.handlers.conftest import house as house
from tests.journeys.world import OPEN, UWE
from tests.terminals import Terminal


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What the command line adds is the same with either database."""
    return sqlite_url


@pytest.fixture
def terminal(tmp_path: Path, house: House, database_url: str, redis_server: RedisServer) -> Terminal:
    """A shell beside the house: the same database, Redis and Gmail."""
    settings = {"LODESTONE_GMAIL_ENDPOINT": house.gmail.base_url, "LODESTONE_REDIS_URL": redis_server.url}
    return Terminal(tmp_path, database_url, settings)


def test_it_asks_looks_restores_and_says_so(house: House, terminal: Terminal) -> None:
    house.connect()
    moved, plain = house.deliver("ann", 1), house.deliver("ann", 2)
    house.catch_up()
    house.gmail.change_labels(UWE, [moved], add=["INBOX"])

    asked = terminal.run("labels", "undo", "--since", "2h")
    assert asked.code == 2
    assert asked.err.splitlines()[-1] == (
        "lodestone: 2 mails in 1 mailbox would be restored: add --yes if that is meant, or --dry-run to look first"
    )
    looked = terminal.run("labels", "undo", "--since", "2h", "--dry-run")
    assert (looked.code, looked.out) == (
        0,
        f"{UWE}: 1 would be restored; 1 left: it is back in the Inbox\n1 mailbox, mails would be restored: 1\n",
    )
    assert house.labels(plain) == {"UNREAD", OPEN}
    done = terminal.run("labels", "undo", "--since", "2h", "--mailbox", UWE, "--yes")
    assert (done.code, done.out) == (
        0,
        f"{UWE}: 1 restored; 1 left: it is back in the Inbox\n1 mailbox, mails restored: 1\n",
    )
    assert house.labels(plain) == {"UNREAD", "INBOX"}
    again = terminal.run("labels", "undo", "--since", "2h", "--yes", "--json")
    assert again.json == {
        "dry_run": False,
        "mailboxes": [
            {
                "mailbox": UWE,
                "restored": 0,
                "left": {"in_inbox": 1},
                "failed": 0,
                "needs_sign_in": False,
                "busy": False,
            }
        ],
    }


def test_what_was_not_done_ends_with_1(house: House, terminal: Terminal) -> None:
    house.connect()
    house.deliver("ann")
    house.catch_up()
    house.gmail.revoke(UWE)
    done = terminal.run("labels", "undo", "--since", "2h", "--yes")
    assert done.code == 1
    assert done.out == (
        f"{UWE}: 0 restored; the user has to sign in again, then try again\n1 mailbox, mails restored: 0\n"
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(["--since", "2 weeks"], 2, "2 weeks is no time", id="no time"),
        pytest.param(["--since", "2h", "--mailbox", "eva@firm.example"], 2, "no such mailbox", id="nobody's"),
        pytest.param(["--since", "2h", "--mailbox", "eva"], 2, "no mailbox address", id="no address"),
    ],
)
def test_what_the_caller_can_mend_is_told_in_one_line(
    terminal: Terminal, words: list[str], code: int, said: str
) -> None:
    done = terminal.run("labels", "undo", *words)
    assert done.code == code
    assert said in done.err.splitlines()[-1]


def test_nothing_to_undo_is_said_without_a_question(terminal: Terminal) -> None:
    done = terminal.run("labels", "undo", "--since", "2h")
    assert (done.code, done.out) == (0, "0 mailboxes, mails restored: 0\n")
