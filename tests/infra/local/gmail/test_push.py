"""Notifications: what users.watch publishes, and how seldom."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import grpc
import pytest
from google.pubsub_v1.types import PublishRequest, PublishResponse

from infra.local.gmail import GmailControl, GmailServer
from infra.local.gmail.mailbox import Watch
from infra.local.gmail.push import BACKLOG
from infra.local.ports import wait_until

ANA = "ana@example.com"
TOPIC = "projects/lodestone/topics/gmail"
RAW = b"From: bob@client.example\r\nSubject: x\r\n\r\n"
INTERVAL = 2.0
"""Seconds in which a machine with other work delivers a few mails too."""
Json = dict[str, Any]


class Topic:
    """A Pub/Sub that only remembers what was published."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Json]] = []
        self._news = threading.Condition()

    def publish(self, request: PublishRequest, context: grpc.ServicerContext) -> PublishResponse:
        with self._news:
            self.published += [(request.topic, json.loads(message.data)) for message in request.messages]
            self._news.notify_all()
        return PublishResponse(message_ids=["1"] * len(request.messages))

    def after(self, count: int) -> list[Json]:
        """What was published, once there are so many."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.published) >= count, timeout=60), self.published
            return [data for _, data in self.published]


def publisher(topic: Topic) -> grpc.GenericRpcHandler:
    handler = grpc.unary_unary_rpc_method_handler(
        topic.publish,
        request_deserializer=PublishRequest.deserialize,
        response_serializer=PublishResponse.serialize,
    )
    return grpc.method_handlers_generic_handler("google.pubsub.v1.Publisher", {"Publish": handler})


@pytest.fixture(scope="module")
def pubsub() -> Iterator[tuple[str, Topic]]:
    topic = Topic()
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads, handlers=[publisher(topic)])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}", topic
        server.stop(grace=None).wait()


@pytest.fixture
def topic(pubsub: tuple[str, Topic]) -> Topic:
    pubsub[1].published.clear()
    return pubsub[1]


@pytest.fixture
def server(pubsub: tuple[str, Topic]) -> Iterator[GmailServer]:
    """In this file the local Gmail has a Pub/Sub."""
    with GmailServer(pubsub_host=pubsub[0], push_interval=0) as server:
        yield server


def watch(users: Any, **body: Any) -> Any:
    return users.watch(userId="me", body={"topicName": TOPIC, **body})


def test_a_watch_publishes_at_once_and_then_every_change(
    users: Any, control: GmailControl, topic: Topic
) -> None:
    answer = watch(users).execute()
    assert topic.after(1) == [{"emailAddress": ANA, "historyId": int(answer["historyId"])}]
    week = 7 * 24 * 3600
    assert week - 60 < int(answer["expiration"]) / 1000 - time.time() <= week
    delivered = control.deliver(ANA, RAW)
    control.change_labels(ANA, [delivered.id], add=["STARRED"])
    users.messages().modify(userId="me", id=delivered.id, body={"removeLabelIds": ["INBOX"]}).execute()
    history_ids = [data["historyId"] for data in topic.after(4)]
    assert history_ids[1] == delivered.history_id
    assert history_ids == sorted(set(history_ids))
    assert {name for name, _ in topic.published} == {TOPIC}
    assert control.dump(ANA).watched_topic == TOPIC


def test_after_a_renaming_the_new_address_is_told(users: Any, control: GmailControl, topic: Topic) -> None:
    watch(users).execute()
    control.rename_mailbox(ANA, "ana.maria@example.com")
    control.deliver("ana.maria@example.com", RAW)
    assert [data["emailAddress"] for data in topic.after(2)] == [ANA, "ana.maria@example.com"]


def test_without_a_watch_nothing_is_published(users: Any, control: GmailControl, topic: Topic) -> None:
    control.deliver(ANA, RAW)
    watch(users).execute()
    users.stop(userId="me").execute()
    control.deliver(ANA, RAW)
    watch(users).execute()
    assert len(topic.after(2)) == 2


def test_the_first_goes_at_once_and_the_excess_is_dropped(
    users: Any, control: GmailControl, topic: Topic
) -> None:
    watch(users).execute()
    control.push(interval=INTERVAL)
    topic.after(1)
    time.sleep(INTERVAL)
    for _ in range(5):
        control.deliver(ANA, RAW)
    assert len(topic.after(2)) == 2
    assert control.counters().pushes["throttled"] == 4
    time.sleep(INTERVAL)
    control.deliver(ANA, RAW)
    assert len(topic.after(3)) == 3


def test_pushes_can_be_lost(users: Any, control: GmailControl, topic: Topic) -> None:
    watch(users).execute()
    fault = control.fault("lose_push", mailbox=ANA)
    control.deliver(ANA, RAW)
    control.clear_faults(fault)
    control.push(lost=True)
    control.deliver(ANA, RAW)
    control.push(lost=False)
    last = control.deliver(ANA, RAW)
    assert [data["historyId"] for data in topic.after(2)][1:] == [last.history_id]
    assert control.counters().pushes["lost"] == 2


def test_a_late_push_comes_after_those_that_are_in_time(
    users: Any, control: GmailControl, topic: Topic
) -> None:
    watch(users).execute()
    control.fault("late_push", mailbox=ANA, times=1, delay=INTERVAL)
    late, soon = control.deliver(ANA, RAW), control.deliver(ANA, RAW)
    assert [data["historyId"] for data in topic.after(3)][1:] == [soon.history_id, late.history_id]


def test_a_push_comes_twice(users: Any, control: GmailControl, topic: Topic) -> None:
    watch(users).execute()
    control.fault("double_push", mailbox=ANA, times=1)
    twice, once = control.deliver(ANA, RAW), control.deliver(ANA, RAW)
    ids = [data["historyId"] for data in topic.after(4)]
    assert ids[1:] == [twice.history_id, twice.history_id, once.history_id]
    assert wait_until(lambda: control.counters().pushes["published"] == 4)


def test_a_push_is_overtaken_by_the_next_of_its_mailbox(
    users: Any, control: GmailControl, topic: Topic
) -> None:
    watch(users).execute()
    control.create_mailbox("bea@example.com")
    control.fault("reorder_push", mailbox=ANA, times=1, delay=60)
    first = control.deliver(ANA, RAW)
    control.deliver("bea@example.com", RAW)
    second = control.deliver(ANA, RAW)
    third = control.deliver(ANA, RAW)
    ids = [data["historyId"] for data in topic.after(4)][1:]
    assert ids == [second.history_id, first.history_id, third.history_id]


def test_a_push_that_nothing_overtakes_comes_in_the_end(
    users: Any, control: GmailControl, topic: Topic
) -> None:
    watch(users).execute()
    control.fault("reorder_push", delay=0.2)
    only = control.deliver(ANA, RAW)
    assert topic.after(2)[1]["historyId"] == only.history_id
    control.clear_faults()
    after = control.deliver(ANA, RAW)
    assert [data["historyId"] for data in topic.after(3)][1:] == [only.history_id, after.history_id]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"labelIds": ["SENT"], "labelFilterBehavior": "include"}, False),
        ({"labelIds": ["INBOX"], "labelFilterBehavior": "include"}, True),
        ({"labelIds": ["INBOX"], "labelFilterBehavior": "exclude"}, False),
        ({"labelIds": ["SENT"], "labelFilterAction": "exclude"}, True),
    ],
)
def test_label_filters(body: Json, told: bool, users: Any, control: GmailControl, topic: Topic) -> None:
    watch(users, **body).execute()
    control.deliver(ANA, RAW)
    users.stop(userId="me").execute()
    watch(users).execute()
    assert len(topic.after(3 if told else 2)) == (3 if told else 2)


def test_one_topic_at_a_time(
    users: Any, refused: Callable[[Any], tuple[int, str]], topic: Topic, control: GmailControl
) -> None:
    watch(users).execute()
    watch(users).execute()
    other = "projects/lodestone/topics/other"
    assert refused(watch(users, topicName=other)) == (400, "invalidArgument")
    users.stop(userId="me").execute()
    watch(users, topicName=other).execute()
    topic.after(3)
    assert [name for name, _ in topic.published] == [TOPIC, TOPIC, other]
    assert refused(watch(users, topicName="gmail")) == (400, "invalidArgument")
    assert refused(watch(users, topicName="")) == (400, "invalidArgument")
    assert refused(watch(users, topicName=other, labelIds=["Label_9"])) == (400, "invalidArgument")


@pytest.fixture
def deaf() -> Iterator[str]:
    """A Pub/Sub that takes connections and never says a word, as one that hangs."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("away", ["nobody there", "nobody answers"])
def test_a_pubsub_that_is_away_holds_nobody_up(
    away: str, deaf: str, document: Json, caplog: pytest.LogCaptureFixture
) -> None:
    host = "127.0.0.1:1" if away == "nobody there" else deaf
    with GmailServer(pubsub_host=host, push_interval=0) as server:
        control = GmailControl(server.url)
        server.create_mailbox(ANA)
        mailbox = server.world.mailbox(ANA)
        mailbox.watch = Watch(TOPIC, int(time.time() * 1000) + 60_000)
        threads = threading.active_count()
        for _ in range(3):
            dropped = control.counters().pushes["failed"]
            for _ in range(BACKLOG // 2):
                server.world.push.notify(mailbox.address, TOPIC, mailbox.history_id)
            control.deliver(ANA, RAW)
            assert len(server.world.push._waiting) <= BACKLOG
            deadline = time.monotonic() + 60
            while control.counters().pushes["failed"] == dropped:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        assert threading.active_count() <= threads + 2  # the control's own connections
        assert control.counters().pushes["published"] == 0
    assert len([r for r in caplog.records if "are dropped" in r.message]) == 1


def test_pushes_go_on_when_pubsub_is_back(document: Json) -> None:
    topic = Topic()
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with GmailServer(pubsub_host=f"127.0.0.1:{port}", push_interval=0) as server:
        push, control = server.world.push, GmailControl(server.url)
        push.notify(ANA, TOPIC, 1)
        deadline = time.monotonic() + 60
        while not control.counters().pushes["failed"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with ThreadPoolExecutor(2) as threads:
            pubsub = grpc.server(threads, handlers=[publisher(topic)])
            pubsub.add_insecure_port(f"127.0.0.1:{port}")
            pubsub.start()
            while not topic.published:
                assert time.monotonic() < deadline
                push.notify(ANA, TOPIC, 2)
                time.sleep(0.02)
            pubsub.stop(grace=None).wait()
    assert {data["historyId"] for _, data in topic.published} == {2}
