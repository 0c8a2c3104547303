"""Topic, grant, subscription and dead letters: as `lodestone topic` makes them, and as people leave them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from google.cloud import pubsub_v1
from google.iam.v1.policy_pb2 import Binding  # type: ignore[import-untyped]
from google.pubsub_v1.types import PushConfig

from domain.checks import Finding, Verdict
from infra.gmail.checks import pubsub
from infra.gmail.pubsub import dead, ensure_subscription, wanted, wanted_dead
from infra.gmail.setup import PUBLISHER, PUSHER, SUBSCRIBER
from infra.local.pubsub import PubSubServer
from tests.nowhere import dead_port

OK, WARNING, FAILED = Verdict.OK, Verdict.WARNING, Verdict.FAILED
GMAIL = f"serviceAccount:{PUSHER}"
AGENT = "serviceAccount:service-123456@gcp-sa-pubsub.iam.gserviceaccount.com"


def verdicts(findings: Iterator[Finding]) -> dict[str, Verdict]:
    return {finding.check: finding.verdict for finding in findings}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PubSubServer]:
    with PubSubServer() as running:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", running.host)
        yield running


@pytest.mark.usefixtures("server")
def test_what_lodestone_topic_makes_is_found_good() -> None:
    ensure_subscription("p", "gmail", "ours")
    assert verdicts(pubsub.topic("p", "gmail", gmail_is_googles=False)) == {
        "topic": OK,
        "topic.grant": WARNING,
    }
    assert verdicts(pubsub.subscription("p", "gmail", "ours")) == {
        "subscription": OK,
        "subscription.dead": OK,
        "subscription.agent": WARNING,
    }


@pytest.mark.usefixtures("server")
def test_an_emulator_is_nothing_that_gmail_could_publish_to() -> None:
    ensure_subscription("p", "gmail", "ours")
    assert verdicts(pubsub.topic("p", "gmail", gmail_is_googles=True))["topic"] is FAILED


@pytest.mark.usefixtures("server")
def test_what_is_not_there_is_said_to_be_made() -> None:
    [topic] = pubsub.topic("p", "gmail", gmail_is_googles=False)
    [subscription] = pubsub.subscription("p", "gmail", "ours")
    assert (topic.verdict, subscription.verdict) == (FAILED, FAILED)
    assert topic.says == "topic gmail is not there"
    assert "`lodestone topic`" in (topic.next_step or "")


@pytest.mark.usefixtures("server")
def test_dead_letters_that_nobody_keeps_are_told() -> None:
    ensure_subscription("p", "gmail", "ours")
    with pubsub_v1.SubscriberClient() as subscriber:
        subscriber.delete_subscription(subscription=subscriber.subscription_path("p", dead("ours")))
    found = verdicts(pubsub.subscription("p", "gmail", "ours"))
    assert found == {"subscription": OK, "subscription.dead": FAILED}


def test_a_pubsub_that_is_away_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{dead_port()}")
    [found] = pubsub.topic("p", "gmail", gmail_is_googles=False)
    assert (found.verdict, found.says) == (FAILED, "Pub/Sub does not answer (ServiceUnavailable)")


def test_without_credentials_that_is_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
    [found] = pubsub.topic("p", "gmail", gmail_is_googles=True)
    assert (found.verdict, found.next_step) == (FAILED, "check GOOGLE_APPLICATION_CREDENTIALS")


def _expires(found: Any) -> None:
    found.expiration_policy = {"ttl": {"seconds": 31 * 86_400}}


def _dies_soon(found: Any) -> None:
    found.dead_letter_policy.max_delivery_attempts = 5


CHANGES: dict[str, tuple[Callable[[Any], None], dict[str, Verdict]]] = {
    "nothing": (lambda _: None, {"subscription": OK}),
    "expiry": (_expires, {"subscription": OK, "subscription.expiry": WARNING}),
    "a short deadline": (
        lambda found: setattr(found, "ack_deadline_seconds", 10),
        {"subscription": OK, "subscription.deadline": WARNING},
    ),
    "no retry policy": (
        lambda found: setattr(found, "retry_policy", None),
        {"subscription": OK, "subscription.retry": WARNING},
    ),
    "no dead letters": (
        lambda found: setattr(found, "dead_letter_policy", None),
        {"subscription": OK, "subscription.dead": WARNING},
    ),
    "an early death": (_dies_soon, {"subscription": OK, "subscription.dead": WARNING}),
    "another topic": (
        lambda found: setattr(found, "topic", "projects/p/topics/other"),
        {"subscription": FAILED},
    ),
    "a deleted topic": (lambda found: setattr(found, "topic", "_deleted-topic_"), {"subscription": FAILED}),
    "detached": (lambda found: setattr(found, "detached", True), {"subscription": FAILED}),
    "pushing elsewhere": (
        lambda found: setattr(found, "push_config", PushConfig(push_endpoint="https://example.com/")),
        {"subscription": FAILED},
    ),
    "a filter": (lambda found: setattr(found, "filter", "attributes:x"), {"subscription": FAILED}),
}


@pytest.mark.rule("W13")
@pytest.mark.parametrize("change", CHANGES)
def test_a_subscription_that_somebody_changed_is_told(change: str) -> None:
    make, expected = CHANGES[change]
    found = wanted("p", "gmail", "ours")
    make(found)
    assert verdicts(pubsub.of_subscription(wanted("p", "gmail", "ours"), found)) == expected


def test_dead_letters_that_expire_are_told() -> None:
    kept = wanted_dead("p", "gmail", "ours")
    assert pubsub.of_dead_letters(wanted_dead("p", "gmail", "ours"), kept).verdict is OK
    _expires(kept)
    assert pubsub.of_dead_letters(wanted_dead("p", "gmail", "ours"), kept).verdict is WARNING


def binding(role: str, *members: str, condition: str = "") -> Binding:
    return Binding(role=role, members=members, condition={"expression": condition})


@pytest.mark.parametrize(
    ("bindings", "verdict"),
    [
        pytest.param([binding(PUBLISHER, GMAIL)], OK, id="granted"),
        pytest.param(
            [binding("roles/pubsub.editor", "user:a@example.com", GMAIL)], OK, id="by a greater role"
        ),
        pytest.param([], FAILED, id="nobody"),
        pytest.param([binding(SUBSCRIBER, GMAIL)], FAILED, id="another role"),
        pytest.param([binding(PUBLISHER, "user:gmail-api-push@example.com")], FAILED, id="somebody else"),
        pytest.param([binding(PUBLISHER, GMAIL, condition="false")], WARNING, id="on a condition"),
        pytest.param([binding(PUBLISHER, "allUsers")], WARNING, id="the whole internet"),
    ],
)
def test_gmails_push_account_must_be_publisher(bindings: Sequence[Binding], verdict: Verdict) -> None:
    assert pubsub.of_grant("topic.grant", bindings, GMAIL, PUBLISHER, "Gmail").verdict is verdict


@pytest.mark.parametrize(
    ("on_topic", "on_subscription", "verdict"),
    [
        ([binding(PUBLISHER, AGENT)], [binding(SUBSCRIBER, AGENT)], OK),
        ([], [binding(SUBSCRIBER, AGENT)], WARNING),
        ([binding(PUBLISHER, AGENT)], [], WARNING),
        ([binding(PUBLISHER, AGENT + ".example.com")], [binding(SUBSCRIBER, AGENT)], WARNING),
    ],
)
def test_pubsub_itself_must_be_allowed_to_move_dead_letters(
    on_topic: Sequence[Binding], on_subscription: Sequence[Binding], verdict: Verdict
) -> None:
    assert pubsub.of_agent(on_topic, on_subscription).verdict is verdict
