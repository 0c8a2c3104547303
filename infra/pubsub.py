"""Google Cloud Pub/Sub: a streaming pull that stops pulling while we cannot take anything in."""

import threading
from collections.abc import Callable
from concurrent.futures import TimeoutError as NotYet
from typing import Any

import grpc
import structlog
from google.api_core.exceptions import AlreadyExists, GoogleAPICallError
from google.cloud import pubsub_v1

from infra.faults import reached

log = structlog.get_logger()

RETRY_EVERY = 2.0


class Unready(Exception):
    """What the callback needs is away: the message goes back and the stream is closed until it is there (W13)."""


class Subscription:
    """Pulls one subscription until `stopping` is set; what is being taken in is finished first.

    `take` gets a message's data; when it returns the message is acked, when it raises Unready nothing more
    is pulled until `ready` returns, which must not wait on when `stopping` is set. `take` must not raise
    anything else.
    """

    def __init__(
        self,
        project: str,
        name: str,
        take: Callable[[bytes], None],
        ready: Callable[[], object],
        stopping: threading.Event,
    ) -> None:
        self._client = pubsub_v1.SubscriberClient()
        self._away = False
        self._client.transport.grpc_channel.subscribe(self._connectivity)
        self._path = self._client.subscription_path(project, name)
        self._take = take
        self._ready = ready
        self._stopping = stopping
        self._unready = threading.Event()

    def run(self) -> None:
        """Pull until stopped. A stream that ends is opened again; that it could not be is said each time."""
        while not self._stopping.is_set():
            self._ready()
            if self._stopping.is_set():
                break
            self._unready.clear()
            stream = self._client.subscribe(
                self._path, callback=self._received, await_callbacks_on_shutdown=True
            )
            try:
                self._watch(stream)
            except GoogleAPICallError as error:
                log.warning("part.awaited", part="pubsub", error=type(error).__name__)
                self._stopping.wait(RETRY_EVERY)
            finally:
                stream.cancel()
        self._client.close()

    def _watch(self, stream: Any) -> None:
        while not (self._stopping.is_set() or self._unready.is_set()):
            try:
                stream.result(timeout=0.2)
            except NotYet:
                continue
        stream.cancel()
        stream.result()

    def _connectivity(self, state: grpc.ChannelConnectivity) -> None:
        """The client reconnects in silence; the operator wants to know."""
        if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE and not self._away:
            self._away = True
            log.warning("part.awaited", part="pubsub", error=state.name)
        elif state is grpc.ChannelConnectivity.READY and self._away:
            self._away = False
            log.info("part.returned", part="pubsub")

    def _received(self, message: Any) -> None:
        """Never raises: an exception here would nack and end the stream (FACTS §6)."""
        if self._unready.is_set():
            message.nack()
            return
        try:
            self._take(message.data)
        except Unready:
            self._unready.set()
            message.nack()
            return
        with reached("pubsub.ack"):
            message.ack()


def ensure_subscription(project: str, topic: str, name: str) -> None:
    """Make topic and subscription where they are missing, the subscription without expiry (FACTS §6)."""
    with pubsub_v1.PublisherClient() as publisher:
        path = publisher.topic_path(project, topic)
        _unless_there(lambda: publisher.create_topic(name=path))
    with pubsub_v1.SubscriberClient() as subscriber:
        request = {
            "name": subscriber.subscription_path(project, name),
            "topic": path,
            "ack_deadline_seconds": 60,
            "expiration_policy": {},
        }
        _unless_there(lambda: subscriber.create_subscription(request=request))


def _unless_there(create: Callable[[], object]) -> None:
    try:
        create()
    except AlreadyExists:
        log.debug("pubsub.found")
