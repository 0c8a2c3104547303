"""`lodestone channels` as an operator runs it: as processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nowhere import dead_port
from tests.terminals import Terminal
from workers.demo.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def terminal(tmp_path: Path, sqlite_url: str) -> Terminal:
    """A shell whose settings allow receivers on this machine."""
    private = {"LODESTONE_CHANNELS_MAY_BE_PRIVATE": "true"}
    return Terminal(
        tmp_path, sqlite_url, {"LODESTONE_REDIS_URL": f"redis://127.0.0.1:{dead_port()}/0"} | private
    )


@pytest.mark.rule("I10")
def test_a_webhook_is_added_tested_listed_and_removed(terminal: Terminal, receiver: Receiver) -> None:
    (terminal.folder / "users.csv").write_text("id,name,emails\nuwe,Uwe,uwe@firm.example\n")
    terminal.run("crm", "import", "--users", "users.csv")
    made = terminal.run("channels", "add", "--webhook", receiver.url, "--user", "uwe", "--json").json
    secret = made.pop("secret")
    assert made == {"channel_id": 1, "channel_kind": "webhook", "host": "127.0.0.1", "user_id": "uwe"}
    receiver.secrets.append(secret)
    assert terminal.run("channels", "test", "1").out == "channel 1 has taken the test: http 204\n"
    assert receiver.taken[0]["data"] == {"channel_id": 1}
    receiver.answers.append((500, {}))
    failed = terminal.run("channels", "test", "1", "--json")
    assert failed.code == 1
    assert failed.json == {"channel_id": 1, "taken": False, "answer": "http 500"}
    [listed] = terminal.run("channels", "list", "--json").json
    assert listed == {
        "channel_id": 1,
        "channel_kind": "webhook",
        "host": "127.0.0.1",
        "user_id": "uwe",
        "channel_state": "active",
        "resting_until": None,
        "waiting_notifications": 0,
        "oldest_waiting_at": None,
        "set_aside_notifications": 0,
        "trouble": None,
    }
    table = terminal.run("channels", "list").out
    assert table.splitlines()[0].split("  ")[0] == "channel id"
    assert "hook" not in table.replace("webhook", "")
    assert secret not in table
    terminal.run("channels", "remove", "1")
    assert terminal.run("channels", "list").out == "no channels: notifications stay on the users' lists\n"


@pytest.mark.rule("I10")
def test_of_an_apprise_url_nothing_is_shown_but_the_service(terminal: Terminal) -> None:
    said = terminal.run(
        "channels", "add", "--apprise", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#x"
    )
    assert said.out == "channel 1 (apprise, slack) gets everybody's notifications\n"
    assert "T1JJ3T3L2" not in terminal.run("channels", "list").out + said.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param(("add",), "name one target", id="no target"),
        pytest.param(
            ("add", "--webhook", "https://a.example", "--apprise", "slack://x"), "name one", id="two"
        ),
        pytest.param(("add", "--webhook", "hooks.example.com/t0ken"), "no URL", id="no URL"),
        pytest.param(("add", "--apprise", "nosuch://t0ken"), "no apprise URL", id="no such service"),
        pytest.param(
            ("add", "--webhook", "https://127.0.0.1/t0ken", "--user", "nosuch"),
            "there is no user nosuch: `lodestone crm import --users FILE` or `lodestone connect` makes one known",
            id="nobody's",
        ),
        pytest.param(("remove", "7"), "no channel 7", id="nothing to remove"),
        pytest.param(("retry", "7"), "no channel 7", id="nothing to retry"),
        pytest.param(("test", "7"), "no channel 7", id="nothing to test"),
    ],
)
def test_what_the_caller_can_mend_is_told_in_one_line(
    terminal: Terminal, words: tuple[str, ...], text: str
) -> None:
    done = terminal.run("channels", *words)
    assert done.code == 2
    assert text in done.err
    assert len(done.err.splitlines()) == 1
    assert "t0ken" not in done.err


def test_a_private_target_needs_the_setting(tmp_path: Path, sqlite_url: str, receiver: Receiver) -> None:
    done = Terminal(tmp_path, sqlite_url, {}).run(
        "channels", "add", "--webhook", f"https://127.0.0.1:{receiver.port}/"
    )
    assert done.code == 2
    assert "LODESTONE_CHANNELS_MAY_BE_PRIVATE" in done.err
