"""`lodestone connect`, `disconnect`, `settings` and `topic` as an operator runs them: as processes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from infra.local.gmail import GmailControl, GmailServer
from infra.local.ports import free_port
from infra.local.pubsub import PubSubServer
from tests.terminals import Done, Terminal

UWE = "uwe@firm.example"


@pytest.fixture
def terminal(tmp_path: Path, sqlite_url: str) -> Iterator[Terminal]:
    """A shell beside a local Gmail, with Uwe's grant in uwe.json."""
    with GmailServer() as server:
        grant = GmailControl(server.url).create_mailbox(UWE)
        (tmp_path / "uwe.json").write_text(json.dumps(grant))
        yield Terminal(tmp_path, sqlite_url, {"LODESTONE_GMAIL_ENDPOINT": server.url})


@pytest.fixture
def away(tmp_path: Path, sqlite_url: str) -> Terminal:
    """A shell from which nothing of Google's can be reached."""
    return Terminal(
        tmp_path,
        sqlite_url,
        {
            "LODESTONE_GMAIL_ENDPOINT": f"http://127.0.0.1:{free_port()}/",
            "GOOGLE_APPLICATION_CREDENTIALS": "nowhere.json",
            "PUBSUB_EMULATOR_HOST": "",
        },
    )


def connect(terminal: Terminal, *flags: str) -> Done:
    return terminal.run("connect", "--user", "uwe", "--token-file", "uwe.json", *flags)


def features(terminal: Terminal) -> tuple[Any, ...]:
    engine = create_engine(terminal.database_url)
    with engine.connect() as db:
        [row] = db.execute(text("SELECT magnet_since, sorting_since, dry_run FROM connections"))
    engine.dispose()
    return tuple(row)


def test_signing_in_again_leaves_the_features_as_they_are(terminal: Terminal) -> None:
    done = connect(terminal, "--magnet", "--sorting", "--dry-run")
    said = f"{UWE} is connected for uwe: MailMagnet and sorting, changing nothing in Gmail\n"
    assert (done.code, done.out) == (0, said)
    before = features(terminal)

    assert connect(terminal).out == said
    assert features(terminal) == before
    assert all(before)

    assert connect(terminal, "--no-dry-run").out == f"{UWE} is connected for uwe: MailMagnet and sorting\n"
    assert features(terminal) == (*before[:2], 0)
    assert connect(terminal, "--no-sorting").out == f"{UWE} is connected for uwe: MailMagnet\n"
    assert features(terminal) == (before[0], None, 0)
    assert connect(terminal, "--sorting").code == 0, "MailMagnet is on"
    assert features(terminal)[1] is not None


@pytest.mark.rule("Z36")
def test_sorting_goes_off_with_mailmagnet(terminal: Terminal) -> None:
    connect(terminal, "--magnet", "--sorting")
    done = connect(terminal, "--no-magnet")
    assert (done.code, done.out) == (0, f"{UWE} is connected for uwe: nothing switched on\n")
    assert features(terminal) == (None, None, 0)


@pytest.mark.rule("Z12")
def test_sorting_without_mailmagnet_is_refused(terminal: Terminal) -> None:
    line = "lodestone: sorting needs MailMagnet: add --magnet (rule Z12)\n"
    for flags in (("--sorting",), ("--sorting", "--no-magnet")):
        refused = connect(terminal, *flags)
        assert (refused.code, refused.err) == (2, line)
    assert connect(terminal).out == f"{UWE} is connected for uwe: nothing switched on\n"
    refused = connect(terminal, "--sorting")
    assert (refused.code, refused.err) == (2, line)
    assert features(terminal) == (None, None, 0)


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_who_is_not_connected_cannot_be_disconnected(away: Terminal, flags: tuple[str, ...]) -> None:
    done = away.run("disconnect", "--user", "nobody", *flags)
    assert (done.code, done.out, done.err) == (2, "", "lodestone: user nobody has no connection\n")


@pytest.mark.parametrize(
    ("zones", "line"),
    [
        pytest.param(("Nowhere",), "Nowhere is no time zone; Europe/Berlin is one", id="unknown"),
        pytest.param(("Europe",), "Europe is no time zone; Europe/Berlin is one", id="a folder of zones"),
        pytest.param(("../UTC",), "../UTC is no time zone; Europe/Berlin is one", id="outside"),
        pytest.param(("Europe/Berlin", "UTC"), "time-zone is one zone, not 2", id="two"),
    ],
)
def test_what_is_no_zone_is_told_in_one_line(away: Terminal, zones: tuple[str, ...], line: str) -> None:
    done = away.run("settings", "set", "time-zone", *zones)
    assert (done.code, done.out, done.err) == (2, "", f"lodestone: {line}\n")


def test_without_credentials_topic_says_so_in_one_line(away: Terminal) -> None:
    done = away.run("topic")
    line = "there are no Google credentials (DefaultCredentialsError): check GOOGLE_APPLICATION_CREDENTIALS"
    assert (done.code, done.out, done.err) == (2, "", f"lodestone: {line}\n")


def test_a_topic_is_made_once(tmp_path: Path, sqlite_url: str) -> None:
    there = "projects/lodestone/topics/gmail and its subscription lodestone are there"
    with PubSubServer() as server:
        terminal = Terminal(tmp_path, sqlite_url, {"PUBSUB_EMULATOR_HOST": server.host})
        assert terminal.run("topic").out.splitlines()[-1] == there
        again = terminal.run("topic")
    assert (again.code, again.out, again.err) == (0, f"{there}\n", "")


def test_a_topic_that_pubsub_refuses_is_told_in_one_line(tmp_path: Path, sqlite_url: str) -> None:
    with PubSubServer() as server:
        settings = {"PUBSUB_EMULATOR_HOST": server.host, "LODESTONE_PUBSUB_TOPIC": "google-mail"}
        done = Terminal(tmp_path, sqlite_url, settings).run("topic")
    line = (
        "Pub/Sub refuses (InvalidArgument): check LODESTONE_PUBSUB_PROJECT and the service account's rights"
    )
    assert (done.code, done.out, done.err) == (1, "", f"lodestone: {line}\n")
