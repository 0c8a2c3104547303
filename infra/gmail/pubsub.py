"""Google Cloud Pub/Sub: a streaming pull that stops pulling while we cannot take anything in."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import TimeoutError as NotYet
from typing import Any

import grpc
import structlog
from google.api_core.exceptions import AlreadyExists
from google.cloud import pubsub_v1

from domain.errors import LodestoneError
from infra.faults import reached

log = structlog.get_logger()

RETRY_EVERY = 2.0
CONNECT_SECONDS = 5.0
LOOK_EVERY = 0.2
CALL_SECONDS = 10.0
ONCE: Mapping[str, Any] = {"retry": None, "timeout": CALL_SECONDS}

STREAM_THREADS = (
    "Thread-ConsumeBidirectionalStream",
    "Thread-CallbackRequestDispatcher",
    "Thread-LeaseMaintainer",
    "Thread-Heartbeater",
)
ENDING_THREADS = ("Thread-RegularStreamShutdown", "Thread-OnRpcTerminated")
"""As Google's client names them; a stream has one of each of the first."""
LOST_AFTER = 2.0
STANDS_AFTER = 1.0
"""Seconds that a stream has lived: one whose credentials or subscription Google refuses has ended by then."""

ACK_SECONDS = 60
LEAST_BACKOFF, MOST_BACKOFF = 1, 60
"""Seconds that what goes back waits, longer each time, so that it does not come in a circle (W13)."""
ATTEMPTS = 100
"""As many as Google allows: an outage of ours returns a message a few times, what crashes us comes again and again."""

SETTINGS = ("ack_deadline_seconds", "expiration_policy", "retry_policy", "dead_letter_policy")


class PushNotTaken(LodestoneError):
    """What the callback needs is away: the message goes back and the stream is closed until it is there (W13)."""


class StreamLost(LodestoneError):
    """A thread of the stream has died and nothing ends the stream: it would never bring anything again."""


class OtherTopic(LodestoneError):
    """The subscription is there, and belongs to another topic, or to one that was deleted: that cannot be changed."""


class Subscription:
    """Pulls one subscription until `stopping` is set; what is being taken in is finished first.

    `take` gets a message's data; when it returns the message is acked, when it raises PushNotTaken nothing more
    is pulled until `ready` returns, which must not wait on when `stopping` is set. `take` must not raise
    anything else. `stands` is called when Google has let a stream in, each time.
    """

    def __init__(
        self,
        project: str,
        name: str,
        take: Callable[[bytes], None],
        ready: Callable[[], object],
        stopping: threading.Event,
        stands: Callable[[], object] = lambda: None,
    ) -> None:
        self._path = pubsub_v1.SubscriberClient.subscription_path(project, name)
        self._away = False
        self._take = take
        self._ready = ready
        self._stopping = stopping
        self._stands = stands
        self._unready = threading.Event()
        # The threads of a stream that is cut log their own end; how a stream ends we hear from itself.
        logging.getLogger("google.api_core.bidi").setLevel(logging.CRITICAL)

    def run(self) -> None:
        """Pull until stopped. A stream that ends is opened again; that it could not be is said each time.

        Raises StreamLost for one that neither ends nor lives.
        """
        while not self._stopping.is_set():
            self._ready()
            cut = threading.Event()
            client = self._connect(cut)
            if client is None:
                break
            self._unready.clear()
            try:
                self._pull(client, cut)
            except StreamLost:
                raise
            except Exception as error:  # whatever ended it: the client wraps some ends in a bare Exception
                log.warning("part.awaited", part="pubsub", error=type(error).__name__)
                self._stopping.wait(RETRY_EVERY)

    def _pull(self, client: Any, cut: threading.Event) -> None:
        """One stream, until it ends. The client stumbles over one that ends while it is being opened."""
        before = set(threading.enumerate())
        try:
            stream = client.subscribe(self._path, callback=self._received, await_callbacks_on_shutdown=True)
        except Exception:
            client.close()
            raise
        stream.add_done_callback(lambda _: client.close())
        threads = [one for one in threading.enumerate() if one not in before and one.name in STREAM_THREADS]
        try:
            self._watch(stream, threads, cut)
        finally:
            stream.cancel()

    def _connect(self, cut: threading.Event) -> Any:
        """A client with an open connection, None when stopped first; `cut` is set when it breaks.

        A new one each time and each few seconds: after an outage an old one lets up to two minutes pass between
        two tries, and its stream ten seconds.
        """
        while not self._stopping.is_set():
            client = pubsub_v1.SubscriberClient()
            channel = client.transport.grpc_channel
            channel.subscribe(lambda state: self._connectivity(state, cut))
            connected = grpc.channel_ready_future(channel)
            end = time.monotonic() + CONNECT_SECONDS
            while not self._stopping.is_set() and time.monotonic() < end:
                try:
                    connected.result(timeout=LOOK_EVERY)
                except grpc.FutureTimeoutError:
                    continue
                cut.clear()
                return client
            connected.cancel()
            client.close()
        return None

    def _watch(self, stream: Any, threads: Collection[threading.Thread], cut: threading.Event) -> None:
        well = opened = time.monotonic()
        stood = False
        while not (self._stopping.is_set() or self._unready.is_set()):
            if cut.is_set():
                return  # what is in hand is finished, and comes again when that cannot be said
            if all(thread.is_alive() for thread in threads) or _ends():
                well = time.monotonic()
            elif time.monotonic() - well > LOST_AFTER:
                raise StreamLost
            try:
                stream.result(timeout=LOOK_EVERY)
            except NotYet:
                if not stood and time.monotonic() - opened > STANDS_AFTER:
                    stood = True
                    self._stands()
                continue
        stream.cancel()
        stream.result()

    def _connectivity(self, state: grpc.ChannelConnectivity, cut: threading.Event) -> None:
        """The client reconnects in silence; the operator wants to know."""
        if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            cut.set()
            if not self._away:
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
        except PushNotTaken:
            self._unready.set()
            message.nack()
            return
        with reached("pubsub.ack"):
            message.ack()


def _ends() -> bool:
    """Whether a stream is being ended by the client, which waits for what was taken in."""
    return any(thread.name in ENDING_THREADS for thread in threading.enumerate())


def dead(name: str) -> str:
    """The topic, or its subscription, for what is taken in by nobody after so many tries."""
    return f"{name}-dead"


def wanted(project: str, topic: str, name: str) -> Any:
    """Our subscription as it should be. It never expires (FACTS §6)."""
    return pubsub_v1.types.Subscription(
        name=pubsub_v1.SubscriberClient.subscription_path(project, name),
        topic=pubsub_v1.PublisherClient.topic_path(project, topic),
        ack_deadline_seconds=ACK_SECONDS,
        expiration_policy={},
        retry_policy={
            "minimum_backoff": {"seconds": LEAST_BACKOFF},
            "maximum_backoff": {"seconds": MOST_BACKOFF},
        },
        dead_letter_policy={
            "dead_letter_topic": pubsub_v1.PublisherClient.topic_path(project, dead(topic)),
            "max_delivery_attempts": ATTEMPTS,
        },
    )


def wanted_dead(project: str, topic: str, name: str) -> Any:
    """The subscription that keeps the dead letters: without one they would be lost."""
    return pubsub_v1.types.Subscription(
        name=pubsub_v1.SubscriberClient.subscription_path(project, dead(name)),
        topic=pubsub_v1.PublisherClient.topic_path(project, dead(topic)),
        ack_deadline_seconds=ACK_SECONDS,
        expiration_policy={},
    )


def ensure_subscription(project: str, topic: str, name: str) -> tuple[str, ...]:
    """Make topic and subscription, and those for dead letters, where they are missing; returns which settings of
    an old subscription were changed.

    Each call is made once and has its time: whoever started this is told soon when Pub/Sub is away. Raises
    OtherTopic.
    """
    with pubsub_v1.PublisherClient() as publisher:
        for one in (dead(topic), topic):
            try:
                publisher.create_topic(name=publisher.topic_path(project, one), **ONCE)
            except AlreadyExists:
                log.debug("pubsub.found")
    with pubsub_v1.SubscriberClient() as subscriber:
        letters = _ensure(wanted_dead(project, topic, name), subscriber)
        changed = _ensure(wanted(project, topic, name), subscriber)
    return (*changed, *(f"{dead(name)}: {setting}" for setting in letters))


def _ensure(one: Any, subscriber: Any) -> tuple[str, ...]:
    try:
        subscriber.create_subscription(request=one, **ONCE)
    except AlreadyExists:
        log.debug("pubsub.found")
    else:
        return ()
    found = subscriber.get_subscription(subscription=one.name, **ONCE)
    if found.topic != one.topic:
        raise OtherTopic(found.topic)
    changed = differences(one, found)
    if changed:
        mask = {"paths": changed}
        subscriber.update_subscription(request={"subscription": one, "update_mask": mask}, **ONCE)
    return changed


def differences(wished: Any, found: Any) -> tuple[str, ...]:
    """The settings in which a subscription is not as we would make it."""
    ours, theirs = type(wished).pb(wished), type(found).pb(found)
    return tuple(name for name in SETTINGS if getattr(ours, name) != getattr(theirs, name))
