"""`lodestone labels undo` as an operator runs it: as a process."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from domain.ids import MailboxId
from infra.local.redis import RedisServer
from tests.handlers.conftest import House
from tests.handlers.conftest import gmail_server as gmail_server
from tests.handlers.conftest import house as house
from tests.journeys.world import OPEN, UWE
from tests.nowhere import dead_port
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
    assert looked.code == 0
    assert looked.out == (
        f"{UWE}: 1 would be restored; 1 ({moved}) left: it is back in the Inbox\n"
        "1 mailbox, mails would be restored: 1\n"
    )
    assert house.labels(plain) == {"UNREAD", OPEN}
    done = terminal.run("labels", "undo", "--since", "2h", "--mailbox", UWE, "--yes")
    assert (done.code, done.out) == (
        0,
        f"{UWE}: 1 restored; 1 ({moved}) left: it is back in the Inbox\n1 mailbox, mails restored: 1\n",
    )
    assert house.labels(plain) == {"UNREAD", "INBOX"}
    again = terminal.run("labels", "undo", "--since", "2h", "--yes", "--json")
    assert again.json == {
        "dry_run": False,
        "mailboxes": [
            {
                "mailbox": UWE,
                "restored_mails": 0,
                "left_alone": {"in_inbox": [moved]},
                "changed_by_user": [],
                "failed_mails": 0,
                "trouble": None,
                "needs_sign_in": False,
                "busy": False,
            }
        ],
        "mailboxes_not_begun": [],
    }


@pytest.mark.rule("I6")
def test_what_the_user_has_changed_since_is_named(house: House, terminal: Terminal) -> None:
    house.connect()
    bare = sorted(house.deliver("ann", number) for number in range(5))
    house.catch_up()
    house.gmail.change_labels(UWE, bare, remove=[OPEN])
    house.catch_up()
    done = terminal.run("labels", "undo", "--since", "2h", "--yes")
    first = ", ".join(bare[:3])
    assert (done.code, done.out.splitlines()[0]) == (
        0,
        f"{UWE}: 0 restored; 5 ({first} and 2 more) left: the user has changed it since",
    )
    [mailbox] = terminal.run("labels", "undo", "--since", "2h", "--yes", "--json").json["mailboxes"]
    assert mailbox["changed_by_user"] == bare


@pytest.mark.rule("E87")
def test_while_gmail_is_away_it_ends_at_once_says_why_and_goes_on_when_given_again(
    house: House, terminal: Terminal
) -> None:
    house.connect()
    ids = [house.deliver("ann", number) for number in range(3)]
    house.catch_up()
    away = replace(
        terminal,
        settings={**terminal.settings, "LODESTONE_GMAIL_ENDPOINT": f"http://127.0.0.1:{dead_port()}/"},
    )
    done = away.run("labels", "undo", "--since", "2h", "--yes")
    assert done.code == 1
    [told] = [json.loads(line) for line in done.err.splitlines()]
    assert (told["event"], told["error"], sorted(told["message_ids"])) == (
        "messages.not_restored",
        "TryAgain",
        sorted(ids),
    )
    assert done.out.splitlines()[0] == (
        f"{UWE}: 0 restored; stopped, Gmail cannot be reached or limits us ({told['reason']}): "
        "give the command again later"
    )
    [mailbox] = away.run("labels", "undo", "--since", "2h", "--yes", "--json").json["mailboxes"]
    assert (mailbox["trouble"], mailbox["failed_mails"]) == (told["reason"], 0)
    again = terminal.run("labels", "undo", "--since", "2h", "--yes")
    assert (again.code, again.err) == (0, ""), "nothing is logged of what went well"
    assert {house.labels(message_id) for message_id in ids} == {frozenset({"UNREAD", "INBOX"})}


@pytest.mark.rule("E87")
def test_when_no_mailbox_gets_an_answer_the_rest_is_not_tried(house: House, terminal: Terminal) -> None:
    users = {name: f"{name}@firm.example" for name in ("uwe", "carla", "eva", "max")}
    for number, (name, address) in enumerate(users.items(), start=1):
        house.connect(name, address)
        house.deliver("ann", to=address)
        house.catch_up(MailboxId(number))
    house.gmail.fault("503")
    done = terminal.run("labels", "undo", "--since", "2h", "--yes", "--json")
    assert done.code == 1
    assert [one["mailbox"] for one in done.json["mailboxes"]] == [*users.values()][:3]
    assert done.json["mailboxes_not_begun"] == [users["max"]]
    said = terminal.run("labels", "undo", "--since", "2h", "--yes").out
    assert "1 more mailbox not begun: Gmail seems to be away, try again later\n" in said


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
