"""`lodestone connect`, `disconnect`, `settings`, `topic` and more as an operator runs them: as processes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from sqlalchemy import create_engine, text

from infra.db.migrate import HEAD
from infra.local.gmail import GmailControl, GmailServer
from infra.local.pubsub import PubSubServer
from tests.nowhere import dead_port
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
            "LODESTONE_GMAIL_ENDPOINT": f"http://127.0.0.1:{dead_port()}/",
            "GOOGLE_APPLICATION_CREDENTIALS": "nowhere.json",
            "PUBSUB_EMULATOR_HOST": "",
        },
    )


def connect(terminal: Terminal, *flags: str) -> Done:
    return terminal.run(
        "connect", "--user", "uwe", "--token-file", "uwe.json", "--sharing", "private", *flags
    )


def features(terminal: Terminal) -> tuple[Any, ...]:
    engine = create_engine(terminal.database_url)
    with engine.connect() as db:
        [row] = db.execute(text("SELECT magnet_since, sorting_since, dry_run FROM connections"))
    engine.dispose()
    return tuple(row)


def test_signing_in_again_leaves_the_features_as_they_are(terminal: Terminal) -> None:
    done = connect(terminal, "--magnet", "--sorting", "--dry-run")
    assert done.err == (
        "firm.example may be an internal domain (rule E18): `lodestone settings set internal-domain …`\n"
    )
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


@pytest.mark.rule("E85", "E82")
def test_where_google_cannot_push_connecting_says_what_to_do(terminal: Terminal) -> None:
    GmailControl(terminal.settings["LODESTONE_GMAIL_ENDPOINT"]).fault("404.noTopic", ["watch"])
    done = connect(terminal, "--magnet")
    assert (done.code, done.out) == (0, f"{UWE} is connected for uwe: MailMagnet\n")
    assert (
        "Google pushes nothing of this mailbox (topicMissing), so that new mail is found by the sweep, within 10 "
        "minutes: run `lodestone topic`, which makes the topic\n"
    ) in done.err
    [mailbox] = terminal.run("status", "--json").json["mailboxes"]
    assert (mailbox["watch_trouble"], mailbox["watch_expires_at"]) == ("topicMissing", None)
    assert "Google pushes nothing" not in connect(terminal, "--no-magnet").err


@pytest.mark.rule("Z36")
def test_sorting_goes_off_with_mailmagnet(terminal: Terminal) -> None:
    connect(terminal, "--magnet", "--sorting")
    done = connect(terminal, "--no-magnet")
    assert (done.code, done.out) == (0, f"{UWE} is connected for uwe: nothing switched on\n")
    assert features(terminal) == (None, None, 0)


def test_while_the_user_is_signed_in_his_settings_change_without_a_token_file(terminal: Terminal) -> None:
    def change(*flags: str) -> Done:
        return terminal.run("connect", "--user", "uwe", *flags)

    missing = change("--magnet")
    assert (missing.code, missing.out) == (2, "")
    way_out = "set LODESTONE_OAUTH_CLIENT_FILE, or add --token-file FILE"
    assert missing.err == f"lodestone: user uwe is not signed in: {way_out}\n"
    connect(terminal, "--magnet", "--sorting")
    before = features(terminal)
    assert change("--no-sorting").out == f"{UWE} is connected for uwe: MailMagnet\n"
    assert features(terminal) == (before[0], None, 0)
    assert change("--no-magnet", "--json").json["mailbox"] == UWE
    assert features(terminal) == (None, None, 0)
    GmailControl(terminal.settings["LODESTONE_GMAIL_ENDPOINT"]).revoke(UWE)
    revoked = change("--magnet")
    assert revoked.code == 1
    assert revoked.err == ("lodestone: Google no longer accepts this grant: the user has to sign in again\n")


@pytest.mark.rule("Z12")
def test_sorting_without_mailmagnet_is_refused(terminal: Terminal) -> None:
    line = "lodestone: sorting needs MailMagnet: switch that on as well (rule Z12)\n"
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


TOPIC = "projects/lodestone/topics/gmail"
SUBSCRIPTION = "projects/lodestone/subscriptions/lodestone"


@pytest.fixture
def pubsub() -> Iterator[PubSubServer]:
    with PubSubServer() as server:
        yield server


@contextmanager
def by_hand(server: PubSubServer) -> Iterator[tuple[Any, Any]]:
    """What somebody has done to topics and subscriptions in Google's console."""
    with grpc.insecure_channel(server.host) as channel:
        yield (
            PublisherClient(transport=PublisherGrpcTransport(channel=channel)),
            SubscriberClient(transport=SubscriberGrpcTransport(channel=channel)),
        )


def test_a_topic_is_made_once(tmp_path: Path, sqlite_url: str, pubsub: PubSubServer) -> None:
    there = f"{TOPIC} and its subscription lodestone are there"
    terminal = Terminal(tmp_path, sqlite_url, {"PUBSUB_EMULATOR_HOST": pubsub.host})
    assert terminal.run("topic").out.splitlines()[-1] == there
    again = terminal.run("topic")
    assert (again.code, again.out, again.err) == (0, f"{there}\n", "")
    assert terminal.run("topic", "--json").json == {
        "topic": TOPIC,
        "subscription": "lodestone",
        "changed_settings": [],
    }


@pytest.mark.rule("W13")
def test_an_old_subscription_gets_the_settings_of_a_new_one(
    tmp_path: Path, sqlite_url: str, pubsub: PubSubServer
) -> None:
    terminal = Terminal(tmp_path, sqlite_url, {"PUBSUB_EMULATOR_HOST": pubsub.host})
    with by_hand(pubsub) as (topics, subscriptions):
        for name in (TOPIC, f"{TOPIC}-dead"):
            topics.create_topic(name=name)
        subscriptions.create_subscription(
            request={
                "name": SUBSCRIPTION,
                "topic": TOPIC,
                "ack_deadline_seconds": 20,
                "expiration_policy": {"ttl": {"seconds": 31 * 86_400}},
                "dead_letter_policy": {"dead_letter_topic": f"{TOPIC}-dead"},
                "labels": {"team": "crm"},
            }
        )
        said = terminal.run("topic")
        fresh = replace(
            terminal, settings={**terminal.settings, "LODESTONE_PUBSUB_SUBSCRIPTION": "lodestone-new"}
        )
        fresh.run("topic")
        old, new = (
            subscriptions.get_subscription(subscription=name)
            for name in (SUBSCRIPTION, f"{SUBSCRIPTION}-new")
        )
    assert said.out.splitlines()[-1] == (
        "changed on the subscription: ack_deadline_seconds, expiration_policy, retry_policy, dead_letter_policy"
    )
    for setting in ("ack_deadline_seconds", "expiration_policy", "retry_policy", "dead_letter_policy"):
        assert getattr(old, setting) == getattr(new, setting)
    assert old.ack_deadline_seconds == 60
    assert old.labels == {"team": "crm"}, "what is not ours stays"
    assert terminal.run("topic", "--json").json["changed_settings"] == []


def test_a_subscription_of_another_topic_cannot_be_used(
    tmp_path: Path, sqlite_url: str, pubsub: PubSubServer
) -> None:
    terminal = Terminal(tmp_path, sqlite_url, {"PUBSUB_EMULATOR_HOST": pubsub.host})
    terminal.run("topic")
    with by_hand(pubsub) as (topics, _):
        topics.delete_topic(topic=TOPIC)
    done = terminal.run("topic")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "lodestone: subscription lodestone belongs to topic _deleted-topic_, which cannot be changed: delete it, "
        "or name another with LODESTONE_PUBSUB_SUBSCRIPTION\n"
    )


def test_while_pubsub_is_away_topic_says_so_in_one_line(tmp_path: Path, sqlite_url: str) -> None:
    done = Terminal(tmp_path, sqlite_url, {"PUBSUB_EMULATOR_HOST": f"127.0.0.1:{dead_port()}"}).run("topic")
    line = "Pub/Sub cannot be reached (ServiceUnavailable): check the network, then try again"
    assert (done.code, done.out, done.err) == (1, "", f"lodestone: {line}\n")


def test_a_topic_that_pubsub_refuses_is_told_in_one_line(tmp_path: Path, sqlite_url: str) -> None:
    with PubSubServer() as server:
        settings = {"PUBSUB_EMULATOR_HOST": server.host, "LODESTONE_PUBSUB_TOPIC": "google-mail"}
        done = Terminal(tmp_path, sqlite_url, settings).run("topic")
    line = (
        "Pub/Sub refuses (InvalidArgument): check LODESTONE_PUBSUB_PROJECT and the service account's rights"
    )
    assert (done.code, done.out, done.err) == (1, "", f"lodestone: {line}\n")


def test_what_is_set_up_can_be_read_by_a_program(away: Terminal) -> None:
    key = away.run("keys", "new", "--json").json["key"]
    assert len(key) == 44
    assert away.run("migrate", "--json").json == {"migration": HEAD}
    assert away.run("settings", "set", "exclude", "shop.example", "a@b.example", "--json").json == {
        "exclude": ["a@b.example", "shop.example"]
    }
    assert away.run("settings", "set", "time-zone", "Europe/Berlin", "--json").json == {
        "time_zone": "Europe/Berlin"
    }


@pytest.mark.parametrize("group", ["settings", "keys", "crm", "channels", "labels"])
def test_the_help_of_a_group_shows_an_example(away: Terminal, group: str) -> None:
    assert f"Example: lodestone {group} " in " ".join(away.run(group, "--help").out.split())
