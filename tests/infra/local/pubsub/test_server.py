"""The server as its clients and its supervisor meet it; what all Pub/Subs do is in tests/contracts."""

import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from infra.local.ports import LOOPBACK
from infra.local.pubsub import PubsubControl, PubSubServer, pubsub_or_start, wire

ROOT = Path(__file__).parents[4]
TOPIC, SUBSCRIPTION = "projects/p/topics/gmail", "projects/p/subscriptions/ours"
PATIENCE = 60.0


class Client:
    """The bare calls."""

    def __init__(self, host: str) -> None:
        self.host = host
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
        self.channel = grpc.insecure_channel(host, options=options)

    def call(self, method: str, request: wire.Wire, response: Any = wire.Empty) -> wire.Wire:
        stub = self.channel.unary_unary(
            f"/google.pubsub.v1.{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,
        )
        return stub(request, timeout=PATIENCE, wait_for_ready=True)

    def prepare(self) -> None:
        self.call("Publisher/CreateTopic", wire.Topic(name=TOPIC), wire.Topic)
        self.call(
            "Subscriber/CreateSubscription",
            wire.Subscription(name=SUBSCRIPTION, topic=TOPIC),
            wire.Subscription,
        )

    def publish(self, *texts: str) -> None:
        messages = [wire.PubsubMessage(data=text.encode()) for text in texts]
        self.call("Publisher/Publish", wire.PublishRequest(topic=TOPIC, messages=messages))

    def pull(self, subscription: str = SUBSCRIPTION) -> list[wire.Wire]:
        request = wire.PullRequest(subscription=subscription, max_messages=1_000)
        return list(self.call("Subscriber/Pull", request, wire.PullResponse).received_messages)

    def ack(self, *ack_ids: str) -> None:
        self.call(
            "Subscriber/Acknowledge", wire.AcknowledgeRequest(subscription=SUBSCRIPTION, ack_ids=ack_ids)
        )


class Stream:
    """A streaming pull by hand."""

    def __init__(self, client: Client, **first: Any) -> None:
        self._requests: queue.Queue[wire.Wire | None] = queue.Queue()
        self.messages: queue.Queue[wire.Wire] = queue.Queue()
        self.send(**{"subscription": SUBSCRIPTION, "stream_ack_deadline_seconds": 10, **first})
        self._call = client.channel.stream_stream(
            "/google.pubsub.v1.Subscriber/StreamingPull",
            request_serializer=wire.StreamingPullRequest.SerializeToString,
            response_deserializer=wire.StreamingPullResponse.FromString,
        )(iter(self._requests.get, None), wait_for_ready=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def send(self, **fields: Any) -> None:
        self._requests.put(wire.StreamingPullRequest(**fields))

    def _read(self) -> None:
        try:
            for response in self._call:
                for received in response.received_messages:
                    self.messages.put(received)
        except grpc.RpcError:
            pass
        self._requests.put(None)

    def get(self, seconds: float = PATIENCE) -> wire.Wire:
        return self.messages.get(timeout=seconds)

    def end(self) -> grpc.StatusCode:
        self._reader.join(PATIENCE)
        code: grpc.StatusCode = self._call.code()
        return code

    def cancel(self) -> None:
        self._call.cancel()
        self._reader.join(PATIENCE)


@pytest.fixture
def server() -> Iterator[PubSubServer]:
    with PubSubServer() as running:
        yield running


@pytest.fixture
def client(server: PubSubServer) -> Iterator[Client]:
    made = Client(server.host)
    made.prepare()
    with made.channel:
        yield made


def test_a_stream_is_sent_no_more_than_its_first_request_says(client: Client) -> None:
    stream = Stream(client, max_outstanding_messages=3)
    client.publish(*"abcde")
    first = [stream.get() for _ in range(3)]
    with pytest.raises(queue.Empty):
        stream.get(0.3)
    client.ack(first[0].ack_id)
    fourth = stream.get()
    stream.send(ack_ids=[first[1].ack_id])
    fifth = stream.get()
    stream.cancel()

    assert [m.message.data for m in (*first, fourth, fifth)] == [b"a", b"b", b"c", b"d", b"e"]


def test_deadlines_can_be_changed_on_the_stream(client: Client) -> None:
    stream = Stream(client)
    client.publish("a")
    first = stream.get()
    stream.send(modify_deadline_ack_ids=[first.ack_id], modify_deadline_seconds=[0])
    second = stream.get()
    stream.cancel()

    assert second.message.message_id == first.message.message_id


@pytest.mark.parametrize(
    "later",
    [
        pytest.param({"subscription": SUBSCRIPTION}, id="the subscription again"),
        pytest.param({"max_outstanding_messages": 5}, id="another limit"),
        pytest.param({"stream_ack_deadline_seconds": 5}, id="a deadline under 10 s"),
        pytest.param({"modify_deadline_ack_ids": ["a"]}, id="an id without its seconds"),
        pytest.param({"modify_deadline_ack_ids": ["a"], "modify_deadline_seconds": [-1]}, id="below zero"),
    ],
)
def test_a_later_request_that_is_wrong_ends_the_stream(client: Client, later: dict[str, Any]) -> None:
    stream = Stream(client)
    stream.send()  # a heartbeat
    stream.send(**later)

    assert stream.end() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_stream_must_say_its_deadline(client: Client) -> None:
    assert Stream(client, stream_ack_deadline_seconds=0).end() is grpc.StatusCode.INVALID_ARGUMENT


def test_what_is_not_built_says_its_name(client: Client) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        client.call("Subscriber/Seek", wire.PullRequest(subscription=SUBSCRIPTION))

    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "/google.pubsub.v1.Subscriber/Seek is not supported" in refused.value.details()


def test_a_pull_that_nobody_waits_for_any_more_takes_nothing(client: Client) -> None:
    pull = client.channel.unary_unary(
        "/google.pubsub.v1.Subscriber/Pull",
        request_serializer=wire.PullRequest.SerializeToString,
        response_deserializer=wire.PullResponse.FromString,
    ).future(wire.PullRequest(subscription=SUBSCRIPTION, max_messages=1))
    time.sleep(0.2)
    pull.cancel()
    time.sleep(0.2)
    client.publish("a")

    assert [received.message.data for received in client.pull()] == [b"a"]


def test_an_outage_ends_streams_and_loses_nothing(server: PubSubServer, client: Client) -> None:
    stream = Stream(client)
    client.publish("in hand")
    held = stream.get()
    host = server.host
    server.stop()
    assert stream.end() is grpc.StatusCode.UNAVAILABLE
    server.start()
    client.publish("after")

    assert server.host == host
    assert [received.message.data for received in client.pull()] == [b"after"]
    client.ack(held.ack_id)


def test_a_port_that_is_taken_is_said_so(server: PubSubServer) -> None:
    port = int(server.host.rpartition(":")[2])
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
        PubSubServer(port=port).start()


def test_the_emulator_that_is_given_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    with pubsub_or_start() as host:
        assert host == "127.0.0.1:1"


def test_a_server_is_started_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    with pubsub_or_start() as host, Client(host).channel as channel:
        grpc.channel_ready_future(channel).result(PATIENCE)


def test_acknowledged_messages_leave_nothing_in_memory(client: Client) -> None:
    sizes = []
    for rounds in (20, 40):  # the first are for the threads and their heaps
        for _ in range(rounds):
            client.publish(*["x" * 1_000] * 500)
            client.ack(*[received.ack_id for received in client.pull()])
        sizes.append(psutil.Process().memory_info().rss)

    assert sizes[1] - sizes[0] < 12_000_000


@contextmanager
def started(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and the line with which it says that it is ready; it is killed when it has not ended."""
    with subprocess.Popen(
        [sys.executable, "-m", "infra.local.pubsub", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("kept", [False, True], ids=["memory", "folder"])
def test_the_process_says_when_it_is_ready_and_stops_quietly(
    how: signal.Signals, kept: bool, tmp_path: Path, port: int
) -> None:
    data = ("--data", str(tmp_path)) if kept else ()
    with started("--port", str(port), *data) as (process, ready):
        client = Client(f"{LOOPBACK}:{port}")
        client.prepare()
        stream = Stream(client)
        client.publish("a")
        stream.get()
        process.send_signal(how)
        rest, errors = process.communicate(timeout=PATIENCE)
    stream.cancel()
    client.channel.close()

    assert ready == f"Pub/Sub is ready on {LOOPBACK}:{port}\n"
    assert (process.returncode, rest, errors) == (0, "", "")


def test_what_a_killed_process_had_is_there_again_on_its_port(tmp_path: Path, port: int) -> None:
    words = ("--port", str(port), "--data", str(tmp_path))
    with started(*words):
        client = Client(f"{LOOPBACK}:{port}")
        client.prepare()
        stream = Stream(client)
        client.publish(*"abc")
        first = [stream.get() for _ in range(3)]
        client.ack(first[1].ack_id)
    with started(*words) as (again, ready):
        left = client.pull()
        again.terminate()
        _, errors = again.communicate(timeout=PATIENCE)
    stream.cancel()
    client.channel.close()

    assert ready == f"Pub/Sub is ready on {LOOPBACK}:{port}\n"
    assert [received.message for received in left] == [first[0].message, first[2].message]
    assert errors == ""


def test_a_process_refuses_a_damaged_journal_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"something else")
    with started("--port", "0", "--data", str(tmp_path)) as (process, ready):
        _, errors = process.communicate(timeout=PATIENCE)

    assert (process.returncode, ready) == (1, "")
    assert errors == f"{tmp_path}/journal is damaged at byte 0: move it away to start with nothing.\n"


def test_a_client_that_dies_with_messages_in_hand_gets_no_more_and_they_come_back(client: Client) -> None:
    host = client.host
    code = f"""if True:
        from tests.infra.local.pubsub.test_server import Client, Stream
        stream = Stream(Client({host!r}), max_outstanding_messages=2)
        print(stream.get().ack_id, stream.get().ack_id, flush=True)
        stream.get(600)
    """
    client.publish(*"ab")
    dying = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert dying.stdout is not None
    in_hand = dying.stdout.readline().split()
    dying.kill()
    dying.communicate()
    survivor = Stream(client)
    client.publish("c")
    after = survivor.get()
    survivor.send(modify_deadline_ack_ids=in_hand, modify_deadline_seconds=[0, 0])  # so as not to wait 10 s
    back = {survivor.get().message.data for _ in in_hand}
    survivor.cancel()

    assert after.message.data == b"c"
    assert back == {b"a", b"b"}


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"\x00\xff" * 5_000, id="bytes"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", id="another protocol"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 5_000, id="broken frames"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_garbage_on_the_port_disturbs_nobody(client: Client, garbage: bytes) -> None:
    stream = Stream(client)
    address, _, port = client.host.rpartition(":")
    for _ in range(20):
        with socket.create_connection((address, int(port)), timeout=PATIENCE) as connection:
            connection.sendall(garbage)
    client.publish("a")
    received = stream.get()
    stream.cancel()

    assert received.message.data == b"a"


@pytest.mark.parametrize("method", ["Publisher/Publish", "Subscriber/Pull", "Subscriber/Acknowledge"])
def test_a_request_that_is_no_message_is_refused(client: Client, method: str) -> None:
    call = client.channel.unary_unary(f"/google.pubsub.v1.{method}")
    with pytest.raises(grpc.RpcError):
        call(b"\xff" * 1_000, timeout=PATIENCE)
    client.publish("a")

    assert len(client.pull()) == 1


def test_the_largest_message_arrives_and_one_byte_more_is_refused(client: Client) -> None:
    largest = 10_000_000 - 5  # and what protobuf adds
    client.publish("x" * largest)
    with pytest.raises(grpc.RpcError) as refused:
        client.publish("x" * (largest + 1))
    stream = Stream(client)
    received = stream.get()
    stream.cancel()

    assert len(received.message.data) == largest
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_request_beyond_every_limit_leaves_the_server_alive(client: Client) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        client.publish("x" * 30_000_000)
    client.publish("a")

    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len(client.pull()) == 1


def test_thousands_of_subscriptions_each_get_the_message_and_come_back(tmp_path: Path) -> None:
    names = [f"projects/p/subscriptions/s{number:05}" for number in range(2_000)]
    with PubSubServer(data=tmp_path) as server:
        client = Client(server.host)
        client.prepare()
        for name in names:
            request = wire.Subscription(name=name, topic=TOPIC)
            client.call("Subscriber/CreateSubscription", request, wire.Subscription)
        client.publish("a")
        server.stop()
        server.start()
        for name in names[::500]:
            request = wire.PullRequest(subscription=name, max_messages=5)
            answer = client.call("Subscriber/Pull", request, wire.PullResponse)
            assert [received.message.data for received in answer.received_messages] == [b"a"]
        client.channel.close()


def test_a_dead_letter_leaves_though_nobody_pulls(client: Client) -> None:
    graves = "projects/p/subscriptions/graves"
    dead_letter_topic = "projects/p/topics/dead"
    client.call("Publisher/CreateTopic", wire.Topic(name=dead_letter_topic), wire.Topic)
    for settings in (
        wire.Subscription(name=graves, topic=dead_letter_topic),
        wire.Subscription(
            name=SUBSCRIPTION + "-2", topic=TOPIC, dead_letter_policy={"dead_letter_topic": dead_letter_topic}
        ),
    ):
        client.call("Subscriber/CreateSubscription", settings, wire.Subscription)
    client.publish("a")
    for _ in range(5):
        [received] = client.pull(SUBSCRIPTION + "-2")
        client.call(
            "Subscriber/ModifyAckDeadline",
            wire.ModifyAckDeadlineRequest(subscription=SUBSCRIPTION + "-2", ack_ids=[received.ack_id]),
        )

    assert [received.message.data for received in client.pull(graves)] == [b"a"]
    assert PubsubControl(client.host).counters().dead_lettered == 1
