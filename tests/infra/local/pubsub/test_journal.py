"""State over a restart, on the same folder: what comes back, and what is refused."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.local.pubsub import checks, wire
from infra.local.pubsub.broker import Broker
from infra.local.pubsub.entry import Puller
from infra.local.pubsub.journal import MAGIC, Journal, JournalError

TOPIC, DEAD, SUBSCRIPTION = (
    "projects/p/topics/gmail",
    "projects/p/topics/dead",
    "projects/p/subscriptions/ours",
)


@contextmanager
def server(folder: Path) -> Iterator[Broker]:
    """A broker on the folder until it dies; nothing is said to it about that."""
    journal = Journal(folder)
    try:
        yield Broker(journal)
    finally:
        journal.close()


def prepare(broker: Broker, **settings: object) -> None:
    broker.create_topic(wire.Topic(name=TOPIC, labels={"a": "b"}))
    broker.create_topic(wire.Topic(name=DEAD))
    broker.create_subscription(wire.Subscription(name=SUBSCRIPTION, topic=TOPIC, **settings))


def publish(broker: Broker, *texts: str) -> None:
    broker.publish(TOPIC, [wire.PubsubMessage(data=text.encode()) for text in texts])


def take(broker: Broker, at_most: int = 1_000, name: str = SUBSCRIPTION) -> list[wire.Wire]:
    return broker.subscription(name).take(Puller(600), at_most=at_most, wait_seconds=0)


def texts(received: list[wire.Wire]) -> list[str]:
    return [one.message.data.decode() for one in received]


def test_everything_unacknowledged_comes_again_in_its_order_and_nothing_else(tmp_path: Path) -> None:
    with server(tmp_path) as broker:
        prepare(broker, ack_deadline_seconds=77)
        publish(broker, *"abcd")
        a, b, _ = take(broker, 3)
        broker.subscription(SUBSCRIPTION).acknowledge([b.ack_id])
    with server(tmp_path) as broker:
        assert broker.topic(TOPIC).labels == {"a": "b"}
        assert broker.subscription(SUBSCRIPTION).settings.ack_deadline_seconds == 77
        publish(broker, "e")
        received = take(broker)
        assert texts(received) == ["a", "c", "d", "e"]
        assert received[0].message == a.message
        broker.subscription(SUBSCRIPTION).acknowledge([a.ack_id])  # of the life before: means nothing
        broker.subscription(SUBSCRIPTION).acknowledge([received[1].ack_id])
    with server(tmp_path) as broker:
        assert texts(take(broker)) == ["a", "d", "e"]


def test_what_was_deleted_and_changed_stays_so(tmp_path: Path) -> None:
    other = SUBSCRIPTION + "-2"
    with server(tmp_path) as broker:
        prepare(broker)
        broker.create_subscription(wire.Subscription(name=other, topic=TOPIC))
        publish(broker, "a")
        broker.update_subscription(
            wire.UpdateSubscriptionRequest(
                subscription={"name": SUBSCRIPTION, "ack_deadline_seconds": 99},
                update_mask={"paths": ["ack_deadline_seconds"]},
            )
        )
        broker.delete_subscription(other)
        broker.delete_topic(TOPIC)
    for _ in range(2):
        with server(tmp_path) as broker:
            settings = broker.subscription(SUBSCRIPTION).settings
            assert (settings.topic, settings.ack_deadline_seconds) == ("_deleted-topic_", 99)
            assert texts(take(broker)) == ["a"]
            for gone in (lambda: broker.topic(TOPIC), lambda: broker.subscription(other)):
                with pytest.raises(checks.StatusError, match="not found"):
                    gone()


def test_a_topic_made_again_does_not_find_its_old_subscriptions(tmp_path: Path) -> None:
    with server(tmp_path) as broker:
        prepare(broker)
        broker.delete_topic(TOPIC)
        broker.create_topic(wire.Topic(name=TOPIC))
        publish(broker, "a")
    with server(tmp_path) as broker:
        publish(broker, "b")
        assert take(broker) == []
        broker.delete_subscription(SUBSCRIPTION)


def test_delivery_attempts_are_kept_and_dead_letters_stay_dead(tmp_path: Path) -> None:
    graves = "projects/p/subscriptions/graves"
    policy = {"dead_letter_topic": DEAD, "max_delivery_attempts": 5}
    with server(tmp_path) as broker:
        prepare(broker, dead_letter_policy=policy)
        broker.create_subscription(wire.Subscription(name=graves, topic=DEAD))
        publish(broker, "a")
    for attempt in (1, 2, 3, 4, 5):
        with server(tmp_path) as broker:
            [received] = take(broker)
            assert received.delivery_attempt == attempt
            if attempt == 5:
                broker.subscription(SUBSCRIPTION).modify(received.ack_id, 0)
                broker.bury()
    with server(tmp_path) as broker:
        assert take(broker) == []
        [dead] = take(broker, name=graves)
        assert dead.message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"


def test_a_lost_message_stays_lost_and_a_late_one_comes_at_once(tmp_path: Path) -> None:
    with server(tmp_path) as broker:
        prepare(broker)
        broker.faults.add("lose")
        publish(broker, "a")
        broker.faults.clear()
        broker.faults.add("late", seconds=600)
        publish(broker, "b")
        assert take(broker) == []
    with server(tmp_path) as broker:
        assert texts(take(broker)) == ["b"]


def test_a_start_leaves_only_what_is_still_needed(tmp_path: Path) -> None:
    with server(tmp_path) as broker:
        prepare(broker)
        for _ in range(20):
            publish(broker, *["x" * 1_000] * 100)
            broker.subscription(SUBSCRIPTION).acknowledge(one.ack_id for one in take(broker))
        publish(broker, "rest")
    before = (tmp_path / "journal").stat().st_size
    with server(tmp_path) as broker:
        pass
    after = (tmp_path / "journal").stat().st_size
    with server(tmp_path) as broker:
        assert texts(take(broker)) == ["rest"]

    assert before > 2_000_000
    assert after < 1_000


def test_a_record_that_a_kill_cut_short_is_dropped(tmp_path: Path) -> None:
    with server(tmp_path) as broker:
        prepare(broker)
        publish(broker, "a")
        whole = (tmp_path / "journal").stat().st_size
        publish(broker, "b")
    content = (tmp_path / "journal").read_bytes()
    for end in range(whole, len(content)):
        (tmp_path / "journal").write_bytes(content[:end])
        with server(tmp_path) as broker:
            assert texts(take(broker)) == ["a"]
            publish(broker, "c")
            assert texts(take(broker)) == ["c"]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: b"x" + content[1:], id="another file"),
        pytest.param(lambda content: b"", id="emptied"),
        pytest.param(lambda content: content[: len(MAGIC)] + b"\0" * 99, id="zeros"),
        pytest.param(lambda content: content.replace(b"topics/gmail", b"topics/gmial", 1), id="a message"),
        pytest.param(
            lambda content: content[: len(MAGIC) + 1] + b"\xff" + content[len(MAGIC) + 2 :], id="a length"
        ),
        pytest.param(lambda content: content[: len(MAGIC)] + content[len(MAGIC) + 40 :], id="a piece gone"),
    ],
)
def test_a_damaged_journal_is_refused_in_one_line_and_left_alone(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    with server(tmp_path) as broker:
        prepare(broker)
        publish(broker, "a")
    file = tmp_path / "journal"
    damaged = damage(file.read_bytes())
    file.write_bytes(damaged)

    with pytest.raises(JournalError, match="is damaged at byte") as refused, server(tmp_path):
        pass
    assert "\n" not in str(refused.value)
    assert file.read_bytes() == damaged


def test_a_folder_serves_one_server_at_a_time(tmp_path: Path) -> None:
    with server(tmp_path), pytest.raises(JournalError, match="in use by another Pub/Sub"), server(tmp_path):
        pass
    with server(tmp_path):
        pass
