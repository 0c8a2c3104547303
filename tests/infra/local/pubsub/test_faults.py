"""Trouble on demand: what may happen to a message, and that the meter says so."""

from collections import Counter

import grpc
import pytest

from infra.local.pubsub import PubsubControl, PubsubControlError, PubSubServer, wire
from infra.local.pubsub.broker import Broker
from infra.local.pubsub.entry import Puller
from infra.local.pubsub.faults import KINDS, Faults

TOPIC, SUBSCRIPTION = "projects/p/topics/gmail", "projects/p/subscriptions/ours"
PATIENCE = 60.0
HELD = 1.0
"""Seconds that a message is held back: longer than a machine with other work takes from one line to the next."""


@pytest.fixture
def broker() -> Broker:
    made = Broker()
    made.create_topic(wire.Topic(name=TOPIC))
    made.create_subscription(wire.Subscription(name=SUBSCRIPTION, topic=TOPIC))
    return made


def publish(broker: Broker, *texts: str) -> None:
    broker.publish(TOPIC, [wire.PubsubMessage(data=text.encode()) for text in texts])


def pull(broker: Broker, *, count: int = 1_000, seconds: float = 0.0) -> list[wire.Wire]:
    """Up to so many deliveries, each acknowledged; less when nothing comes for so long."""
    subscription = broker.subscription(SUBSCRIPTION)
    got: list[wire.Wire] = []
    while len(got) < count and (batch := subscription.take(Puller(600), wait_seconds=seconds)):
        subscription.acknowledge(received.ack_id for received in batch)
        got += batch
    return got


def texts(received: list[wire.Wire]) -> list[str]:
    return [one.message.data.decode() for one in received]


def counted(broker: Broker, *names: str) -> list[int]:
    snapshot = broker.faults.meter.snapshot()
    return [snapshot[name] for name in names]


def test_a_doubled_message_comes_twice_under_one_id_and_no_third_time(broker: Broker) -> None:
    broker.faults.add("double")
    publish(broker, *"abc")
    received = pull(broker)

    assert Counter(texts(received)) == {"a": 2, "b": 2, "c": 2}
    assert len({one.message.message_id for one in received}) == 3
    assert len({one.ack_id for one in received}) == 6
    assert counted(broker, "published", "delivered", "doubled", "acked") == [3, 6, 3, 6]


def test_the_second_of_two_may_come_after_the_first_was_acknowledged(broker: Broker) -> None:
    broker.faults.add("double", seconds=HELD)
    publish(broker, "a")

    assert texts(pull(broker)) == ["a"]
    assert texts(pull(broker, count=1, seconds=PATIENCE)) == ["a"]
    assert broker.backlog() == 0


def test_a_doubled_message_that_is_nacked_is_not_doubled_again(broker: Broker) -> None:
    broker.faults.add("double")
    publish(broker, "a")
    subscription = broker.subscription(SUBSCRIPTION)
    for _ in range(10):
        for received in subscription.take(Puller(600), wait_seconds=0):
            subscription.modify(received.ack_id, 0)

    assert broker.backlog() == 2


def test_reordered_messages_are_overtaken_and_all_come(broker: Broker) -> None:
    broker.faults.add("reorder", share=0.5, seed=7, seconds=HELD)
    sent = [f"{number:03}" for number in range(50)]
    publish(broker, *sent)
    got = texts(pull(broker, count=50, seconds=PATIENCE))

    assert sorted(got) == sent
    assert got != sent
    assert 0 < counted(broker, "reordered")[0] < 50


def test_late_messages_come_after_their_time(broker: Broker) -> None:
    broker.faults.add("late", seconds=HELD)
    publish(broker, "a")
    broker.faults.clear()
    publish(broker, "b")

    assert texts(pull(broker)) == ["b"]
    assert texts(pull(broker, count=1, seconds=PATIENCE)) == ["a"]
    assert counted(broker, "late") == [1]


def test_lost_messages_are_published_and_never_come(broker: Broker) -> None:
    broker.faults.add("lose", share=0.5, seed=1)
    publish(broker, *(str(number) for number in range(100)))
    [lost] = counted(broker, "lost")

    assert 0 < lost < 100
    assert len(pull(broker)) == 100 - lost == broker.faults.meter.snapshot()["delivered"]
    assert counted(broker, "published") == [100]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_strikes_the_same_messages(kind: str) -> None:
    def struck(seed: int) -> list[float | None]:
        faults = Faults()
        faults.add(kind, share=0.3, seed=seed)
        return [faults.strike(kind) for _ in range(200)]

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert 30 < sum(held is not None for held in struck(1)) < 90


def test_faults_are_switched_on_and_off_while_the_server_runs() -> None:
    with PubSubServer() as server:
        control = PubsubControl(server.host)
        control.fault("lose", share=0.5, seed=3)
        control.fault("late", seconds=1.5)
        assert [(fault["kind"], fault["share"], fault["seconds"]) for fault in control.faults()] == [
            ("lose", 0.5, 0.0),
            ("late", 1.0, 1.5),
        ]
        control.clear_faults()
        assert control.faults() == []


def test_the_counters_are_read_and_reset_from_outside() -> None:
    with PubSubServer() as server, grpc.insecure_channel(server.host) as channel:
        for method, request in (
            ("Publisher/CreateTopic", wire.Topic(name=TOPIC)),
            ("Subscriber/CreateSubscription", wire.Subscription(name=SUBSCRIPTION, topic=TOPIC)),
            (
                "Publisher/Publish",
                wire.PublishRequest(topic=TOPIC, messages=[{"data": b"a"}, {"data": b"b"}]),
            ),
            ("Subscriber/Pull", wire.PullRequest(subscription=SUBSCRIPTION, max_messages=1)),
        ):
            channel.unary_unary(f"/google.pubsub.v1.{method}")(request.SerializeToString(), timeout=PATIENCE)
        control = PubsubControl(server.host)
        before = control.counters()
        control.reset_counters()
        after = control.counters()

    assert (before.published, before.delivered, before.acked, before.waiting) == (2, 1, 0, 2)
    assert (after.published, after.delivered, after.waiting) == (0, 0, 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"kind": "burn"}, "unknown fault burn; known: double, late, lose, reorder", id="kind"),
        pytest.param({"kind": "lose", "share": 1.5}, "share must be", id="more than all"),
        pytest.param({"kind": "late", "seconds": -1}, "not below 0", id="earlier than now"),
    ],
)
def test_an_impossible_fault_is_refused_in_one_line(options: dict[str, object], words: str) -> None:
    with PubSubServer() as server, pytest.raises(PubsubControlError, match=words) as refused:
        PubsubControl(server.host).fault(**options)  # type: ignore[arg-type]

    assert "\n" not in str(refused.value)


def test_a_server_that_is_away_is_said_so_in_one_line() -> None:
    with pytest.raises(PubsubControlError, match="counters") as refused:
        PubsubControl("127.0.0.1:1").counters()

    assert "\n" not in str(refused.value)
