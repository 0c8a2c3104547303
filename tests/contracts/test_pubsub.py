"""What Lodestone needs of Pub/Sub, asked of our local server and of Google's own emulator.

Nothing is asserted about a subscriber that comes back: the emulator keeps handing messages to a stream whose
client has died, and some arrive up to 120 s late.
"""

import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.cloud.pubsub_v1.types import BatchSettings, FlowControl
from google.pubsub_v1 import PublisherClient as PublisherCalls
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from google.pubsub_v1.types import PubsubMessage, ReceivedMessage

from infra.gmail.pubsub import ensure_subscription
from infra.local.pubsub import PubSubServer
from infra.local.pubsub.emulator import find_emulator, googles_emulator

PATIENCE = 60.0
A_WHILE = 0.3  # long enough for a message that should not come
OWN_AND_UNLIMITED = [  # as the official client makes its channels
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
]


@contextmanager
def our_server(_: Path) -> Iterator[str]:
    with PubSubServer() as server:
        yield server.host


@pytest.fixture(scope="module", params=[our_server, googles_emulator], ids=["ours", "googles"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param is googles_emulator and find_emulator() is None:
        pytest.skip("Google's Pub/Sub emulator is not here (see find_emulator for where it is looked for)")
    with request.param(tmp_path_factory.mktemp("pubsub")) as address:
        yield address


@dataclass
class Room:
    """A project of its own with one topic and one subscription, and the official clients.

    `publisher` makes the calls themselves, `background` batches them in a thread.
    """

    publisher: Any
    background: Any
    subscriber: Any
    project: str
    topic: str
    subscription: str

    def elsewhere(self) -> "Room":
        """Where nothing has been created."""
        return replace(self, topic=self.topic + "x", subscription=self.subscription + "x")

    def create_subscription(self, name: str, **settings: Any) -> None:
        self.subscriber.create_subscription(request={"name": name, "topic": self.topic, **settings})

    def with_subscription(self, name: str, **settings: Any) -> "Room":
        """The same with one more subscription in place of the first."""
        there = replace(self, subscription=f"{self.project}/subscriptions/{name}")
        there.create_subscription(there.subscription, **settings)
        return there

    def with_dead_letters(self, **settings: Any) -> tuple["Room", "Room"]:
        """A subscription whose messages die after five attempts, and the place where they go then."""
        graves = replace(self, topic=f"{self.project}/topics/dead")
        self.publisher.create_topic(name=graves.topic)
        policy = {"dead_letter_topic": graves.topic, "max_delivery_attempts": 5}
        mortal = self.with_subscription("mortal", dead_letter_policy=policy, **settings)
        return mortal, graves.with_subscription("graves")

    def update(self, *paths: str, **settings: Any) -> Any:
        return self.subscriber.update_subscription(
            request={
                "subscription": {"name": self.subscription, **settings},
                "update_mask": {"paths": paths},
            }
        )

    def update_dead_letters(self, topic: str, attempts: int) -> Any:
        policy = {"dead_letter_topic": topic, "max_delivery_attempts": attempts}
        return self.update("dead_letter_policy", dead_letter_policy=policy)

    def publish(self, *texts: str) -> list[str]:
        messages = [PubsubMessage(data=text.encode()) for text in texts]
        return list(self.publisher.publish(topic=self.topic, messages=messages).message_ids)

    def pull(self, at_most: int = 10, *, within: float = PATIENCE) -> list[ReceivedMessage]:
        """The first that come. A pull without messages ends in an empty answer, early or late, or in the
        caller's deadline, as Google pleases."""
        end = time.monotonic() + within
        while (rest := end - time.monotonic()) > 0:
            try:
                answer = self.subscriber.pull(
                    subscription=self.subscription, max_messages=at_most, timeout=rest, retry=None
                )
            except exceptions.DeadlineExceeded:
                break
            if answer.received_messages:
                return list(answer.received_messages)
            time.sleep(0.05)
        return []

    def pull_until(self, count: int) -> list[ReceivedMessage]:
        """Pub/Sub may give fewer than there are."""
        got: list[ReceivedMessage] = []
        end = time.monotonic() + PATIENCE
        while len(got) < count and time.monotonic() < end:
            got += self.pull(count - len(got))
        return got

    def ack(self, *messages: ReceivedMessage) -> None:
        self.subscriber.acknowledge(subscription=self.subscription, ack_ids=[m.ack_id for m in messages])

    def hold(self, message: ReceivedMessage, seconds: int) -> None:
        self.subscriber.modify_ack_deadline(
            subscription=self.subscription, ack_ids=[message.ack_id], ack_deadline_seconds=seconds
        )

    def subscribe(self, callback: Callable[[Any], None], subscriber: Any = None, **options: Any) -> Any:
        client = subscriber or self.subscriber
        return client.subscribe(self.subscription, callback, await_callbacks_on_shutdown=True, **options)


def subscriber_client(host: str, stack: ExitStack) -> Any:
    channel = stack.enter_context(grpc.insecure_channel(host, options=OWN_AND_UNLIMITED))
    return SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def room(host: str, clients: ExitStack) -> Room:
    channel = clients.enter_context(grpc.insecure_channel(host))
    transport = PublisherGrpcTransport(channel=channel)
    publisher = PublisherCalls(transport=transport)
    background = PublisherClient(BatchSettings(max_latency=0.001), transport=transport)
    clients.callback(background.stop)
    project = f"projects/p{uuid.uuid4().hex[:12]}"
    room = Room(
        publisher,
        background,
        subscriber_client(host, clients),
        project,
        f"{project}/topics/gmail",
        f"{project}/subscriptions/ours",
    )
    publisher.create_topic(name=room.topic)
    room.create_subscription(room.subscription)
    return room


def test_a_published_message_arrives_whole(room: Room) -> None:
    message = PubsubMessage(data=b'{"historyId": 7}', attributes={"kind": "push"})

    [message_id] = room.publisher.publish(topic=room.topic, messages=[message]).message_ids
    [received] = room.pull()

    assert received.message.data == message.data
    assert received.message.attributes == {"kind": "push"}
    assert received.message.message_id == message_id
    assert abs(received.message.publish_time.timestamp() - time.time()) < PATIENCE


def test_an_acknowledged_message_is_gone(room: Room) -> None:
    room.publish("one")
    [received] = room.pull()
    room.ack(received)
    room.ack(received)  # twice is no error
    room.hold(received, 0)  # and this is too late

    assert room.pull(within=A_WHILE) == []


def test_a_nack_brings_a_message_back_at_once(room: Room) -> None:
    [message_id] = room.publish("one")
    [first] = room.pull()
    room.hold(first, 0)
    [second] = room.pull()

    assert second.message.message_id == message_id


def test_a_deadline_that_passes_brings_a_message_back(room: Room) -> None:
    room.publish("one")
    [first] = room.pull()
    room.hold(first, 1)
    began = time.monotonic()
    [second] = room.pull()

    assert second.message.message_id == first.message.message_id
    assert second.ack_id != first.ack_id
    assert 0.9 <= time.monotonic() - began < PATIENCE


def test_a_message_in_hand_is_not_handed_out_twice(room: Room) -> None:
    room.publish("one")
    [first] = room.pull()
    room.hold(first, 3)
    room.hold(first, 60)

    assert room.pull(within=3 + A_WHILE) == []


def test_a_stream_gets_what_is_published_before_and_after_it_opens(room: Room) -> None:
    got: queue.Queue[str] = queue.Queue()

    def callback(message: Any) -> None:
        got.put(message.data.decode())
        message.ack()

    room.publish("before")
    stream = room.subscribe(callback)
    first = got.get(timeout=PATIENCE)
    room.background.publish(room.topic, b"after").result(PATIENCE)
    second = got.get(timeout=PATIENCE)
    stream.cancel()
    stream.result(PATIENCE)

    assert (first, second) == ("before", "after")
    assert room.pull(within=A_WHILE) == []


def test_what_a_stream_nacks_comes_again(room: Room) -> None:
    seen: list[str] = []
    done = threading.Event()

    def callback(message: Any) -> None:
        seen.append(message.message_id)
        if len(seen) == 1:
            message.nack()
        else:
            message.ack()
            done.set()

    [message_id] = room.publish("one")
    stream = room.subscribe(callback)
    assert done.wait(PATIENCE)
    stream.cancel()
    stream.result(PATIENCE)

    assert seen == [message_id, message_id]


def test_a_nack_and_a_passed_deadline_are_attempts_and_the_fifth_is_the_last(room: Room) -> None:
    mortal, graves = room.with_dead_letters()
    before = time.time()
    [message_id] = mortal.publish("poison")
    attempts = []
    for seconds in (0, 1, 0, 1, 0):
        [received] = mortal.pull()
        attempts.append(received.delivery_attempt)
        mortal.hold(received, seconds)
    assert mortal.pull(within=A_WHILE) == []  # only now does Google's emulator see that it is dead
    [dead] = graves.pull()

    assert attempts == [1, 2, 3, 4, 5]
    assert dead.message.data == b"poison"
    assert dead.message.message_id != message_id
    attributes = dict(dead.message.attributes)
    published = datetime.fromisoformat(attributes.pop("CloudPubSubDeadLetterSourceTopicPublishTime"))
    assert attributes == {
        "CloudPubSubDeadLetterSourceDeliveryCount": "5",
        "CloudPubSubDeadLetterSourceSubscription": "mortal",
        "CloudPubSubDeadLetterSourceSubscriptionProject": room.project.removeprefix("projects/"),
    }
    assert abs(published.timestamp() - before) < PATIENCE
    assert [m.message.data for m in room.pull()] == [b"poison"]  # another subscription's life is its own


def test_attempts_are_counted_on_a_stream_too(room: Room) -> None:
    mortal, graves = room.with_dead_letters()
    attempts: queue.Queue[int] = queue.Queue()

    def callback(message: Any) -> None:
        attempts.put(message.delivery_attempt)
        message.nack()

    mortal.publish("poison")
    stream = mortal.subscribe(callback)
    [dead] = graves.pull()
    stream.cancel()
    stream.result(PATIENCE)

    assert dead.message.data == b"poison"
    assert [attempts.get_nowait() for _ in range(attempts.qsize())] == [1, 2, 3, 4, 5]


def test_an_acknowledged_message_never_dies(room: Room) -> None:
    mortal, graves = room.with_dead_letters()
    mortal.publish("good")
    for _ in range(4):
        [received] = mortal.pull()
        mortal.hold(received, 0)
    [received] = mortal.pull()
    mortal.ack(received)

    assert received.delivery_attempt == 5
    assert graves.pull(within=A_WHILE) == []


def test_without_a_dead_letter_policy_attempts_are_not_counted(room: Room) -> None:
    room.publish("one")
    for _ in range(7):
        [received] = room.pull()
        assert received.delivery_attempt == 0
        room.hold(received, 0)


def test_a_policy_can_be_given_and_taken_away_later(room: Room) -> None:
    mortal, _ = room.with_dead_letters()
    policy = {"dead_letter_topic": f"{room.project}/topics/dead", "max_delivery_attempts": 7}
    changed = room.update("dead_letter_policy", "ack_deadline_seconds", dead_letter_policy=policy)
    cleared = mortal.update("dead_letter_policy")

    assert changed.dead_letter_policy.max_delivery_attempts == 7
    assert changed.ack_deadline_seconds == 10
    assert not cleared.dead_letter_policy
    assert mortal.subscriber.get_subscription(subscription=mortal.subscription) == cleared


def test_a_retry_policy_makes_a_nacked_message_wait(room: Room) -> None:
    """Google's emulator gives the first nack back at once."""
    policy = {"minimum_backoff": {"seconds": 1}, "maximum_backoff": {"seconds": 2}}
    slow = room.with_subscription("slow", retry_policy=policy)
    slow.publish("one")
    began = time.monotonic()
    for _ in range(3):
        [received] = slow.pull()
        slow.hold(received, 0)
    slow.pull()

    assert 1.5 < time.monotonic() - began < 4 * PATIENCE


def test_a_nack_does_not_hold_up_what_is_new(room: Room) -> None:
    policy = {"minimum_backoff": {"seconds": 60}, "maximum_backoff": {"seconds": 60}}
    slow = room.with_subscription("slow", retry_policy=policy)
    slow.publish("bad")
    for within in (PATIENCE, A_WHILE):  # the emulator gives the first nack back at once
        for received in slow.pull(within=within):
            slow.hold(received, 0)
    slow.publish("new")

    assert [m.message.data for m in slow.pull()] == [b"new"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param({}, (10, 600), id="the defaults"),
        pytest.param({"minimum_backoff": {"seconds": 20}}, (20, 600), id="one of the two"),
        pytest.param({"minimum_backoff": {}, "maximum_backoff": {}}, (0, 0), id="none"),
    ],
)
def test_a_retry_policy_is_completed(room: Room, policy: dict[str, Any], expected: tuple[int, int]) -> None:
    made = room.with_subscription("slow", retry_policy=policy)
    found = room.subscriber.get_subscription(subscription=made.subscription).retry_policy

    assert (found.minimum_backoff.seconds, found.maximum_backoff.seconds) == expected


def test_a_message_may_be_as_large_as_google_says(room: Room) -> None:
    [message_id] = room.publish("x" * 9_900_000)
    got: queue.Queue[Any] = queue.Queue()
    stream = room.subscribe(got.put)
    message = got.get(timeout=PATIENCE)
    message.ack()
    stream.cancel()
    stream.result(PATIENCE)

    assert (message.message_id, len(message.data)) == (message_id, 9_900_000)


def test_every_message_comes_whatever_the_order(room: Room) -> None:
    """Without ordering keys none is promised, and none is asserted."""
    sent = [f"{number:03}" for number in range(500)]
    for start in range(0, len(sent), 50):
        room.publish(*sent[start : start + 50])

    assert sorted(m.message.data.decode() for m in room.pull_until(len(sent))) == sent


@pytest.mark.rule("W13")
def test_lodestones_own_subscription_is_made_once_and_lasts(
    room: Room, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
    project = room.project.removeprefix("projects/")
    for _ in range(2):
        ensure_subscription(project, "pushes", "lodestone")
    found = room.subscriber.get_subscription(subscription=f"{room.project}/subscriptions/lodestone")

    assert found.topic == f"{room.project}/topics/pushes"
    assert found.ack_deadline_seconds == 60
    assert not found.expiration_policy.ttl
    assert (found.retry_policy.minimum_backoff.seconds, found.retry_policy.maximum_backoff.seconds) == (1, 60)
    assert found.dead_letter_policy.dead_letter_topic == f"{room.project}/topics/pushes-dead"
    assert found.dead_letter_policy.max_delivery_attempts == 100
    dead = room.subscriber.get_subscription(subscription=f"{room.project}/subscriptions/lodestone-dead")
    assert dead.topic == f"{room.project}/topics/pushes-dead"
    assert not dead.expiration_policy.ttl


def test_two_streams_share_the_messages(room: Room, host: str, clients: ExitStack) -> None:
    taken: queue.Queue[tuple[str, str]] = queue.Queue()

    def taker(name: str) -> Callable[[Any], None]:
        def callback(message: Any) -> None:
            message.ack()
            taken.put((message.message_id, name))

        return callback

    streams = [room.subscribe(taker("one")), room.subscribe(taker("two"), subscriber_client(host, clients))]
    published: list[str] = []
    got: list[tuple[str, str]] = []
    end = time.monotonic() + PATIENCE
    while len({name for _, name in got}) < 2 and time.monotonic() < end:  # until both are open
        published += [message_id for _ in range(20) for message_id in room.publish(*"abcde")]
        got += [taken.get(timeout=PATIENCE) for _ in published[len(got) :]]
    for stream in streams:
        stream.cancel()
        stream.result(PATIENCE)

    assert sorted(message_id for message_id, _ in got) == sorted(published)
    assert {name for _, name in got} == {"one", "two"}


def test_a_subscriber_has_no_more_in_hand_than_it_asked_for(room: Room) -> None:
    """The official client sees to that too: Google's emulator ignores the limit in the stream's request."""
    in_hand: queue.Queue[Any] = queue.Queue()
    stream = room.subscribe(in_hand.put, flow_control=FlowControl(max_messages=3))
    room.publish(*"abcde")
    messages = [in_hand.get(timeout=PATIENCE) for _ in range(3)]
    with pytest.raises(queue.Empty):
        in_hand.get(timeout=A_WHILE)
    for message in messages[:2]:
        message.ack()
    messages += [in_hand.get(timeout=PATIENCE) for _ in range(2)]
    for message in messages[2:]:
        message.ack()
    stream.cancel()
    stream.result(PATIENCE)

    assert {message.data for message in messages} == {b"a", b"b", b"c", b"d", b"e"}


def test_every_subscription_gets_every_message_from_its_creation_on(room: Room) -> None:
    room.publish("early")
    later = room.with_subscription("later")
    room.publish("late")

    assert {m.message.data for m in room.pull_until(2)} == {b"early", b"late"}
    assert [m.message.data for m in later.pull_until(1)] == [b"late"]
    assert later.pull(within=A_WHILE) == []


def test_what_exists_can_be_looked_up_listed_and_deleted(room: Room) -> None:
    publisher, subscriber = room.publisher, room.subscriber
    assert publisher.get_topic(topic=room.topic).name == room.topic
    assert [topic.name for topic in publisher.list_topics(project=room.project)] == [room.topic]
    found = subscriber.get_subscription(subscription=room.subscription)
    assert (found.topic, found.ack_deadline_seconds) == (room.topic, 10)
    assert [s.name for s in subscriber.list_subscriptions(project=room.project)] == [room.subscription]

    publisher.delete_topic(topic=room.topic)
    assert subscriber.get_subscription(subscription=room.subscription).topic == "_deleted-topic_"
    subscriber.delete_subscription(subscription=room.subscription)
    assert list(publisher.list_topics(project=room.project)) == []
    assert list(subscriber.list_subscriptions(project=room.project)) == []


REFUSALS: dict[str, tuple[type[Exception], Callable[[Room], object]]] = {
    "a topic twice": (exceptions.AlreadyExists, lambda r: r.publisher.create_topic(name=r.topic)),
    "a subscription twice": (exceptions.AlreadyExists, lambda r: r.create_subscription(r.subscription)),
    "publish to no topic": (exceptions.NotFound, lambda r: r.elsewhere().publish("x")),
    "get no topic": (exceptions.NotFound, lambda r: r.publisher.get_topic(topic=r.topic + "x")),
    "delete no topic": (exceptions.NotFound, lambda r: r.publisher.delete_topic(topic=r.topic + "x")),
    "subscribe to no topic": (
        exceptions.NotFound,
        lambda r: r.elsewhere().create_subscription(r.subscription + "y"),
    ),
    "pull from no subscription": (exceptions.NotFound, lambda r: r.elsewhere().pull()),
    "stream from no subscription": (
        exceptions.NotFound,
        lambda r: r.elsewhere().subscribe(print).result(PATIENCE),
    ),
    "a bad topic name": (exceptions.InvalidArgument, lambda r: r.publisher.create_topic(name="gmail")),
    "a name that is Google's": (
        exceptions.InvalidArgument,
        lambda r: r.publisher.create_topic(name=f"{r.project}/topics/goog1"),
    ),
    "an empty message": (exceptions.InvalidArgument, lambda r: r.publish("")),
    "pull no message": (exceptions.InvalidArgument, lambda r: r.pull(0)),
    "a deadline over 600 s": (
        exceptions.InvalidArgument,
        lambda r: r.create_subscription(r.subscription + "x", ack_deadline_seconds=601),
    ),
    "too few attempts": (exceptions.OutOfRange, lambda r: r.update_dead_letters(r.topic, 4)),
    "too many attempts": (exceptions.OutOfRange, lambda r: r.update_dead_letters(r.topic, 101)),
    "dead letters to no topic": (exceptions.NotFound, lambda r: r.update_dead_letters(r.topic + "x", 5)),
    "a back-off over 600 s": (
        exceptions.InvalidArgument,
        lambda r: r.update("retry_policy", retry_policy={"maximum_backoff": {"seconds": 601}}),
    ),
    "a back-off that shrinks": (
        exceptions.InvalidArgument,
        lambda r: r.update("retry_policy", retry_policy={"maximum_backoff": {"seconds": 5}}),
    ),
    "an update of nothing": (exceptions.InvalidArgument, lambda r: r.update()),
    "an update of an unknown field": (exceptions.InvalidArgument, lambda r: r.update("colour")),
    "another topic": (exceptions.InvalidArgument, lambda r: r.update("topic", topic=r.topic)),
    "update no subscription": (exceptions.NotFound, lambda r: r.elsewhere().update("labels")),
    "1,001 messages at once": (exceptions.InvalidArgument, lambda r: r.publish(*["x"] * 1_001)),
    "acknowledge nothing": (exceptions.InvalidArgument, lambda r: r.ack()),
    "acknowledge at no subscription": (
        exceptions.NotFound,
        lambda r: r.elsewhere().ack(ReceivedMessage(ack_id="x")),
    ),
    "a new deadline below zero": (
        exceptions.InvalidArgument,
        lambda r: r.hold(ReceivedMessage(ack_id="x"), -1),
    ),
    "a new deadline over 600 s": (
        exceptions.InvalidArgument,
        lambda r: r.hold(ReceivedMessage(ack_id="x"), 601),
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_is_refused(room: Room, case: str) -> None:
    expected, call = REFUSALS[case]
    with pytest.raises(expected):
        call(room)


def test_deleting_the_subscription_ends_its_streams(room: Room) -> None:
    stream = room.subscribe(lambda message: message.ack())
    time.sleep(A_WHILE)
    room.subscriber.delete_subscription(subscription=room.subscription)

    with pytest.raises(exceptions.NotFound):
        stream.result(PATIENCE)
