"""`lodestone doctor` and `lodestone setup google` as an operator runs them: as processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.db.store import Store
from infra.gmail.pubsub import ensure_subscription
from infra.local.gmail import GmailControl, GmailServer
from infra.local.pubsub import PubSubServer
from infra.local.redis import RedisServer
from infra.secrets import Cipher
from tests.nowhere import dead_port
from tests.providers import granted
from tests.terminals import Terminal
from tests.worlds import make_world

UWE = "uwe@firm.example"


@pytest.fixture
def terminal(
    tmp_path: Path, sqlite_url: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Terminal]:
    """A shell beside a Google, a Redis and a database that are as they should be."""
    with GmailServer() as gmail, PubSubServer() as pubsub:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.host)
        ensure_subscription("lodestone", "gmail", "lodestone")
        settings = {
            "PUBSUB_EMULATOR_HOST": pubsub.host,
            "LODESTONE_REDIS_URL": redis_server.url,
            "LODESTONE_GMAIL_ENDPOINT": gmail.url,
        }
        yield Terminal(tmp_path, sqlite_url, settings)


@pytest.fixture
def dead(tmp_path: Path, sqlite_url: str) -> Terminal:
    """A shell from which nothing can be reached, with settings of which two are wrong."""
    nowhere = f"127.0.0.1:{dead_port()}"
    settings = {
        "PUBSUB_EMULATOR_HOST": nowhere,
        "LODESTONE_REDIS_URL": f"redis://{nowhere}/0",
        "LODESTONE_GMAIL_ENDPOINT": f"http://{nowhere}/",
        "LODESTONE_LEASE": "soon",
        "LODESTONE_RELEASE": "now",
    }
    return Terminal(tmp_path, sqlite_url, settings)


def connect(terminal: Terminal, cipher: Cipher, users: int = 1) -> list[str]:
    """Connected mailboxes whose grants are real; returns their addresses."""
    gmail = GmailControl(terminal.settings["LODESTONE_GMAIL_ENDPOINT"])
    store = Store(terminal.database_url, cipher)
    addresses = [f"user{number}@firm.example" for number in range(users)]
    for number, address in enumerate(addresses):
        made = gmail.create_mailbox(address)
        world = make_world(store, address, f"user{number}")
        with store.begin("tests.grant") as tx:
            [connection] = tx.connections.of_mailbox(world.mailbox_id)
            tx.connections.keep_grant(connection, granted(made))
    store.engine.dispose()
    return addresses


def test_where_all_is_well_there_are_warnings_at_most(terminal: Terminal) -> None:
    done = terminal.run("doctor")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "ok       settings: all can be read"
    assert lines[-1] == "ok       mailboxes: none is connected yet"
    assert {line.split()[0] for line in lines} == {"ok", "warning", "->"}
    assert sum(line.startswith("warning") for line in lines) == sum("->" in line for line in lines)


def test_whatever_is_dead_the_rest_is_looked_at_and_the_end_is_1(dead: Terminal) -> None:
    done = dead.run("doctor", "--json")
    assert (done.code, done.err) == (1, "")
    found = {(one["check"], one["verdict"]) for one in done.json["findings"]}
    assert {(part, "failed") for part in ("settings", "redis", "topic", "subscription", "gmail")} <= found
    assert {("database", "ok"), ("migration", "ok")} <= found
    told = [one["says"] for one in done.json["findings"] if one["check"] == "settings"]
    assert sorted(says.partition(" is ")[0] for says in told) == ["LODESTONE_LEASE", "LODESTONE_RELEASE"]
    assert all(one["next_step"] for one in done.json["findings"] if one["verdict"] != "ok")


def test_without_keys_everything_but_the_mailboxes_is_looked_at(terminal: Terminal) -> None:
    done = Terminal(
        terminal.folder, terminal.database_url, {**terminal.settings, "LODESTONE_TOKEN_KEYS": ""}
    ).run("doctor", "--json")
    found = {one["check"]: one["verdict"] for one in done.json["findings"]}
    assert done.code == 1
    assert (found["settings"], found["redis"], found["mailboxes"]) == ("failed", "ok", "warning")


@pytest.mark.rule("E85", "E86")
def test_each_mailbox_gets_its_lines(terminal: Terminal, cipher: Cipher) -> None:
    good, bad = connect(terminal, cipher, users=2)
    GmailControl(terminal.settings["LODESTONE_GMAIL_ENDPOINT"]).revoke(mailbox=bad)
    done = terminal.run("doctor")
    assert done.code == 1
    lines = done.out.splitlines()
    assert any(
        line.startswith(f"failed   {bad}: token: Google has ended the grant of user user1") for line in lines
    )
    assert not any(line.startswith(f"failed   {good}: token") for line in lines)
    assert any(line.startswith(f"failed   {good}: watch: there is no watch since") for line in lines)

    one = terminal.run("doctor", "--mailbox", good.upper(), "--json").json["mailboxes"]
    assert [mailbox["mailbox"] for mailbox in one] == [good]
    verdicts = {finding["check"]: finding["verdict"] for finding in one[0]["findings"]}
    assert (verdicts["token"], verdicts["address"]) == ("ok", "ok")


def test_a_sample_asks_gmail_about_so_many_only(terminal: Terminal, cipher: Cipher) -> None:
    connect(terminal, cipher, users=5)
    gmail = GmailControl(terminal.settings["LODESTONE_GMAIL_ENDPOINT"])
    gmail.reset_counters()
    done = terminal.run("doctor", "--sample", "2", "--json")
    assert gmail.counters().calls_of("getProfile") == 2
    assert len(done.json["mailboxes"]) == 5, "what the database knows is looked at for all"
    assert "Gmail was asked about 2" in done.json["findings"][-1]["says"]


@pytest.mark.rule("I10")
def test_tokens_of_another_key_are_told_and_nothing_is_shown(terminal: Terminal, cipher: Cipher) -> None:
    [address] = connect(terminal, cipher)
    other = "b3RoZXIgbG9kZXN0b25lIHRlc3Qga2V5IDMyIGJ5dGU="
    done = Terminal(
        terminal.folder, terminal.database_url, {**terminal.settings, "LODESTONE_TOKEN_KEYS": other}
    ).run("doctor")
    assert done.code == 1
    assert (
        f"failed   {address}: token: a stored token cannot be read with the keys in LODESTONE_TOKEN_KEYS"
        in done.out
    )
    assert "refresh" not in done.out + done.err


def test_who_is_no_mailbox_is_told_in_one_line(terminal: Terminal) -> None:
    done = terminal.run("doctor", "--mailbox", "nobody@firm.example")
    assert (done.code, done.err) == (
        2,
        "lodestone: there is no such mailbox; `lodestone status` lists them\n",
    )


def test_the_commands_for_google_are_printed_without_any_setting_but_their_own(
    tmp_path: Path, sqlite_url: str
) -> None:
    settings = {"LODESTONE_TOKEN_KEYS": "", "LODESTONE_PUBSUB_PROJECT": "crm-mail"}
    terminal = Terminal(tmp_path, sqlite_url, settings)
    done = terminal.run("setup", "google")
    assert (done.code, done.err) == (0, "")
    assert "gcloud pubsub topics create gmail --project=crm-mail" in done.out.splitlines()
    plan = terminal.run("setup", "google", "--json").json
    assert [line for step in plan["setup_steps"] for line in step["commands"] if line.startswith("gcloud")]
    assert plan["settings"]["LODESTONE_PUBSUB_PROJECT"] == "crm-mail"


def test_a_name_that_is_none_is_told_in_one_line(tmp_path: Path, sqlite_url: str) -> None:
    done = Terminal(tmp_path, sqlite_url, {"LODESTONE_PUBSUB_TOPIC": "$(reboot)"}).run("setup", "google")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("lodestone: LODESTONE_PUBSUB_TOPIC is wrong: ")
