"""The streaming pull over outages: whatever ends a stream, the next one is opened."""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.types import PubsubMessage

from infra.gmail.pubsub import PushNotTaken, Subscription, ensure_subscription
from infra.local.ports import wait_until
from infra.local.pubsub import PubsubControl, PubSubServer, wire

PATIENCE = 60.0


@contextmanager
def pulling(take: Callable[[bytes], None], ready: Callable[[], object] = lambda: None) -> Iterator[None]:
    """A subscription in a thread, as the dispatcher has it in its process."""
    stopping = threading.Event()
    thread = threading.Thread(target=Subscription("p", "ours", take, ready, stopping).run)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()


def publish(host: str, data: bytes) -> None:
    with grpc.insecure_channel(host, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        publisher.publish(topic="projects/p/topics/gmail", messages=[PubsubMessage(data=data)])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PubSubServer]:
    with PubSubServer() as running:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", running.host)
        ensure_subscription("p", "gmail", "ours")
        yield running


@pytest.mark.rule("E82", "I1")
def test_after_an_outage_messages_come_again(server: PubSubServer) -> None:
    got: queue.Queue[bytes] = queue.Queue()
    with pulling(got.put):
        for number in (b"1", b"2", b"3"):
            publish(server.host, number)
            while got.get(timeout=PATIENCE) != number:
                pass  # one whose acknowledgement the outage took along
            server.stop()
            server.start()


@pytest.mark.rule("W13")
def test_what_cannot_be_taken_in_goes_back_once_and_waits_until_it_can(server: PubSubServer) -> None:
    """No circle of deliveries and nacks: nothing is pulled before `ready` returns."""
    got: queue.Queue[bytes] = queue.Queue()
    away, calls = threading.Event(), 0

    def take(data: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            away.set()
            raise PushNotTaken
        got.put(data)

    back = threading.Event()
    with pulling(take, ready=lambda: back.wait(PATIENCE) if away.is_set() else None):
        publish(server.host, b"a")
        assert away.wait(PATIENCE)
        assert wait_until(lambda: PubsubControl(server.host).counters().nacked == 1)
        nacked = PubsubControl(server.host).counters()
        back.set()
        assert got.get(timeout=PATIENCE) == b"a"

    assert (nacked.delivered, calls) == (1, 2)


class Ending:
    """A grpc.GenericRpcHandler: a Pub/Sub whose every stream ends at once with this status."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self.streams = threading.Semaphore(0)
        self._code = code

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        if not details.method.endswith("/StreamingPull"):
            return None

        def end(_: Iterator[bytes], context: Any) -> Iterator[bytes]:
            self.streams.release()
            if self._code is not grpc.StatusCode.OK:
                context.abort(self._code, "enough")
            yield wire.StreamingPullResponse().SerializeToString()

        return grpc.stream_stream_rpc_method_handler(end)


@pytest.mark.rule("E82")
@pytest.mark.parametrize(
    "code", ["OK", "CANCELLED", "NOT_FOUND", "PERMISSION_DENIED", "UNAVAILABLE", "INTERNAL"]
)
def test_whatever_ends_a_stream_the_next_is_opened(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ending = Ending(grpc.StatusCode[code])
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((ending,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{port}")
    with pulling(lambda _: None):
        assert all(ending.streams.acquire(timeout=PATIENCE) for _ in range(3))
    server.stop(None).wait()
