"""The queue with leases, on a clock of the test's own."""

import queue
import threading
from typing import Any

import pytest

from infra.local.pubsub.entry import Puller
from infra.local.pubsub.subscription import Subscription
from infra.local.pubsub.wire import PubsubMessage, Wire
from infra.local.pubsub.wire import Subscription as Settings


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def subscription(clock: Clock) -> Subscription:
    return Subscription(Settings(name="projects/p/subscriptions/s"), clock=clock)


def put(subscription: Subscription, *texts: str) -> None:
    subscription.put([PubsubMessage(data=text.encode()) for text in texts])


def take(subscription: Subscription, puller: Puller | None = None, at_most: int = 1_000) -> list[Wire]:
    return subscription.take(puller or Puller(ack_seconds=10), at_most=at_most, wait_seconds=0)


def texts(batch: list[Wire]) -> list[str]:
    return [received.message.data.decode() for received in batch]


def test_messages_go_out_in_the_order_of_publishing(subscription: Subscription) -> None:
    put(subscription, "a", "b", "c")

    assert texts(take(subscription, at_most=2)) == ["a", "b"]
    assert texts(take(subscription)) == ["c"]


def test_a_message_comes_back_when_its_deadline_is_over_and_not_before(
    subscription: Subscription, clock: Clock
) -> None:
    put(subscription, "a")
    take(subscription)
    clock.now += 9.9
    assert take(subscription) == []
    clock.now += 0.1
    assert texts(take(subscription)) == ["a"]


def test_a_deadline_can_be_moved_on_again_and_again(subscription: Subscription, clock: Clock) -> None:
    put(subscription, "a")
    [received] = take(subscription)
    for _ in range(10):
        clock.now += 9
        subscription.modify(received.ack_id, 10)
        assert take(subscription) == []
    clock.now += 10
    assert texts(take(subscription)) == ["a"]


def test_a_deadline_can_be_moved_nearer(subscription: Subscription, clock: Clock) -> None:
    put(subscription, "a")
    [received] = take(subscription)
    subscription.modify(received.ack_id, 1)
    clock.now += 1
    assert texts(take(subscription)) == ["a"]


def test_the_acknowledgement_of_an_earlier_delivery_means_nothing(
    subscription: Subscription, clock: Clock
) -> None:
    put(subscription, "a")
    [first] = take(subscription)
    subscription.modify(first.ack_id, 0)
    [second] = take(subscription)
    subscription.acknowledge([first.ack_id])
    clock.now += 10
    assert texts(take(subscription)) == ["a"]
    assert first.ack_id != second.ack_id


def with_settings(clock: Clock, **settings: Any) -> Subscription:
    return Subscription(Settings(name="projects/p/subscriptions/s", **settings), clock=clock)


DEAD_LETTERS = {"dead_letter_topic": "projects/p/topics/dead", "max_delivery_attempts": 5}


def fail(subscription: Subscription, clock: Clock, times: int, *, by: str) -> list[int]:
    """The delivery attempts that came to nothing."""
    attempts = []
    for _ in range(times):
        [received] = take(subscription)
        attempts.append(received.delivery_attempt)
        if by == "nack":
            subscription.modify(received.ack_id, 0)
        else:
            clock.now += 10
    return attempts


@pytest.mark.parametrize("by", ["nack", "deadline"])
def test_a_message_that_fails_too_often_is_dead(clock: Clock, by: str) -> None:
    subscription = with_settings(clock, dead_letter_policy=DEAD_LETTERS)
    put(subscription, "a")

    assert fail(subscription, clock, 4, by=by) == [1, 2, 3, 4]
    assert subscription.take_dead() == []
    assert fail(subscription, clock, 1, by=by) == [5]
    assert take(subscription) == []
    [dead] = subscription.take_dead()
    assert (dead.message.data, dead.attempts) == (b"a", 5)
    assert subscription.take_dead() == []


def test_without_a_policy_nobody_counts_and_nothing_dies(subscription: Subscription, clock: Clock) -> None:
    put(subscription, "a")

    assert fail(subscription, clock, 20, by="nack") == [0] * 20
    assert subscription.take_dead() == []


def test_a_policy_that_is_taken_away_lets_the_dying_live(clock: Clock) -> None:
    subscription = with_settings(clock, dead_letter_policy=DEAD_LETTERS)
    put(subscription, "a")
    fail(subscription, clock, 5, by="nack")
    subscription.configure(Settings(name="projects/p/subscriptions/s"))

    assert subscription.take_dead() == []
    assert texts(take(subscription)) == ["a"]


def test_the_dead_that_could_not_leave_are_tried_again(clock: Clock) -> None:
    subscription = with_settings(clock, dead_letter_policy=DEAD_LETTERS)
    put(subscription, "a")
    fail(subscription, clock, 5, by="nack")
    subscription.give_back(subscription.take_dead())

    assert fail(subscription, clock, 1, by="nack") == [6]
    assert len(subscription.take_dead()) == 1


@pytest.mark.parametrize("by", ["nack", "deadline"])
def test_each_failure_doubles_the_wait_up_to_the_longest(clock: Clock, by: str) -> None:
    subscription = with_settings(
        clock, retry_policy={"minimum_backoff": {"seconds": 2}, "maximum_backoff": {"seconds": 7}}
    )
    put(subscription, "a")
    for wait in (2, 4, 7, 7):
        [received] = take(subscription)
        if by == "nack":
            subscription.modify(received.ack_id, 0)
        else:
            clock.now += 10
        assert take(subscription) == []
        clock.now += wait - 0.5
        assert take(subscription) == []
        clock.now += 0.5
    assert texts(take(subscription)) == ["a"]


def test_who_waits_for_a_deadline_learns_that_it_was_moved_nearer() -> None:
    subscription = Subscription(Settings(name="projects/p/subscriptions/s"))
    put(subscription, "a")
    [held] = take(subscription, Puller(ack_seconds=600))
    got: queue.Queue[list[Wire]] = queue.Queue()
    waiting = threading.Thread(target=lambda: got.put(subscription.take(Puller(ack_seconds=10))))
    waiting.start()
    with pytest.raises(queue.Empty):
        got.get(timeout=0.2)
    subscription.modify(held.ack_id, 1)

    assert texts(got.get(timeout=60)) == ["a"]
    waiting.join(60)


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        pytest.param(Puller(10), "abcde", id="no limit"),
        pytest.param(Puller(10, max_messages=-1, max_bytes=-1), "abcde", id="below zero is no limit"),
        pytest.param(Puller(10, max_messages=2), "ab", id="messages"),
        pytest.param(
            Puller(10, max_bytes=4), "ab", id="bytes: sending stops when the limit is reached or passed"
        ),
    ],
)
def test_a_stream_holds_no_more_than_its_limits(
    subscription: Subscription, stream: Puller, expected: str
) -> None:
    put(subscription, *"abcde")  # each is 3 bytes on the wire

    assert texts(take(subscription, stream)) == list(expected)


@pytest.mark.parametrize("how", ["acknowledged", "given back", "expired"])
def test_room_comes_back_with_each_message_that_leaves_the_hand(
    subscription: Subscription, clock: Clock, how: str
) -> None:
    put(subscription, "a", "b")
    stream = Puller(ack_seconds=10, max_messages=1)
    [received] = take(subscription, stream)
    assert take(subscription, stream) == []
    if how == "acknowledged":
        subscription.acknowledge([received.ack_id])
    elif how == "given back":
        subscription.modify(received.ack_id, 0)
    else:
        clock.now += 10
    assert texts(take(subscription, stream)) == ["b"]


def test_streams_take_even_shares(subscription: Subscription) -> None:
    one, other = Puller(ack_seconds=10), Puller(ack_seconds=10)
    subscription.join(one)
    subscription.join(other)
    put(subscription, *"abcd")

    assert texts(take(subscription, one)) == ["a", "b"]
    subscription.leave(other)
    assert texts(take(subscription, one)) == ["c", "d"]


def test_what_a_stream_held_when_it_ended_comes_back_at_its_deadline(
    subscription: Subscription, clock: Clock
) -> None:
    stream = Puller(ack_seconds=10)
    subscription.join(stream)
    put(subscription, "a", "b")
    [a, _] = take(subscription, stream)
    subscription.leave(stream)
    subscription.acknowledge([a.ack_id])  # the official client acknowledges after it has closed the stream
    assert take(subscription) == []
    clock.now += 10
    assert texts(take(subscription)) == ["b"]


def test_nothing_goes_to_a_stream_that_has_left(subscription: Subscription) -> None:
    stream = Puller(ack_seconds=10)
    subscription.leave(stream)
    put(subscription, "a")

    assert subscription.take(stream) == []
    assert texts(take(subscription)) == ["a"]


def test_a_batch_fits_into_a_plain_grpc_answer(subscription: Subscription) -> None:
    subscription.put([PubsubMessage(data=b"x" * 400_000) for _ in range(10)])

    assert len(take(subscription)) == 3


def test_who_waits_is_woken_by_a_message_and_by_the_end() -> None:
    subscription = Subscription(Settings(name="projects/p/subscriptions/s"))
    got: queue.Queue[list[Wire]] = queue.Queue()

    def wait_twice() -> None:
        puller = Puller(ack_seconds=10)
        got.put(subscription.take(puller))
        got.put(subscription.take(puller))

    waiting = threading.Thread(target=wait_twice)
    waiting.start()
    put(subscription, "a")
    assert texts(got.get(timeout=60)) == ["a"]
    subscription.close()
    assert got.get(timeout=60) == []
    waiting.join(60)
