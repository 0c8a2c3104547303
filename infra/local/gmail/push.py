"""Notifications to Pub/Sub, as users.watch causes them (FACTS §1): at most one a second and mailbox.

One thread publishes, so no request waits for Pub/Sub. A notification that Pub/Sub does not take within seconds, or that
finds the queue full, is dropped, as Gmail does.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count, islice
from typing import Any

from infra.local.gmail.control.faults import Faults
from infra.local.gmail.http.errors import ApiError, no_publisher, no_topic

log = logging.getLogger(__name__)

PUBLISH = "/google.pubsub.v1.Publisher/Publish"
GET_TOPIC = "/google.pubsub.v1.Publisher/GetTopic"
CALL_TIMEOUT = 5.0
BACKLOG = 50_000
AT_ONCE = 500
CHANNEL_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
]

Note = Callable[..., None]
"""Counts how a notification ended: "pushes_published", "…_throttled", "…_lost", "…_failed"."""


@dataclass(slots=True)
class Item:
    """A notification that waits; `data` is empty once it is on its way."""

    topic: str
    data: bytes


class Push:
    """Publishes notifications. `host` is the emulator's HOST:PORT, None without Pub/Sub."""

    def __init__(self, host: str | None, note: Note, faults: Faults, interval: float = 1.0) -> None:
        self.interval = interval
        self.lost = False
        self._host = host
        self._note = note
        self._faults = faults
        self._news = threading.Condition()
        self._waiting: list[tuple[float, int, Item]] = []
        self._number = count()
        self._held: dict[str, Item] = {}
        self._last: dict[str, float] = {}
        self._ending = self._away = False
        self._thread: threading.Thread | None = None
        self._asking: Any = None

    def start(self) -> None:
        """Open the channel and start the publishing thread."""
        if self._host:
            self._thread = threading.Thread(target=self._run, name="gmail-push", daemon=True)
            self._thread.start()

    def refusal(self, topic: str) -> Callable[[str], ApiError] | None:
        """Makes the error that refuses a watch on the topic. None when it is allowed, and while Pub/Sub is away."""
        if not self._host:
            return None
        import grpc
        from google.pubsub_v1.types import GetTopicRequest

        with self._news:
            if self._asking is None:
                self._asking = grpc.insecure_channel(self._host, options=CHANNEL_OPTIONS)
        ask = self._asking.unary_unary(GET_TOPIC, request_serializer=GetTopicRequest.serialize)
        try:
            ask(GetTopicRequest(topic=topic), timeout=CALL_TIMEOUT)
        except grpc.RpcError as error:
            refused: Mapping[Any, Callable[[str], ApiError]] = {
                grpc.StatusCode.NOT_FOUND: no_topic,
                grpc.StatusCode.PERMISSION_DENIED: no_publisher,
            }
            return refused.get(error.code())
        return None

    def stop(self) -> None:
        """Publish the queue within a few seconds, unless Pub/Sub is away, and end the thread."""
        if self._thread is not None:
            with self._news:
                self._ending = True
                self._news.notify()
            self._thread.join(CALL_TIMEOUT)
            self._thread = None
        if self._asking is not None:
            self._asking.close()
            self._asking = None

    def notify(self, address: str, topic: str, history_id: int, *, at_once: bool = False) -> None:
        """Queue one notification; drops it within `interval` of the last, unless `at_once`."""
        now = time.monotonic()
        with self._news:
            if self.lost or self._faults.struck("lose_push", address):
                self._note("pushes_lost")
            elif not at_once and now - self._last.get(address, -self.interval) < self.interval:
                self._note("pushes_throttled")
            else:
                self._last[address] = now
                data = json.dumps({"emailAddress": address, "historyId": history_id}, separators=(",", ":"))
                self._queue(address, Item(topic, data.encode()), now)
                self._news.notify()

    def _queue(self, address: str, item: Item, now: float) -> None:
        """In its turn, or as the faults will have it: later, twice, after the one that comes next."""
        if not self._faults:
            self._put(now, item)
            return
        earlier = self._held.pop(address, None)
        late = self._faults.struck("late_push", address)
        due = now + late.delay if late else now
        if held := self._faults.struck("reorder_push", address):
            self._held[address] = item
            due = now + held.delay
        self._put(due, item)
        if self._faults.struck("double_push", address):
            self._put(due, Item(item.topic, item.data))
        if earlier and earlier.data:
            self._put(due, Item(earlier.topic, earlier.data))
            earlier.data = b""

    def _put(self, due: float, item: Item) -> None:
        if self._host and len(self._waiting) < BACKLOG:
            heappush(self._waiting, (due, next(self._number), item))
        else:
            self._note("pushes_failed")

    def _run(self) -> None:
        import grpc
        from google.pubsub_v1.types import PublishRequest, PublishResponse

        with grpc.insecure_channel(self._host, options=CHANNEL_OPTIONS) as channel:
            publish = channel.unary_unary(
                PUBLISH,
                request_serializer=PublishRequest.serialize,
                response_deserializer=PublishResponse.deserialize,
            )
            while batch := self._next():
                for topic, data in batch.items():
                    request = PublishRequest(topic=topic, messages=[{"data": item} for item in data])
                    self._publish(publish, request, len(data), grpc.RpcError)

    def _publish(
        self, publish: Callable[..., Any], request: Any, count: int, refused: type[Exception]
    ) -> None:
        try:
            publish(request, timeout=CALL_TIMEOUT)
        except refused as error:
            self._note("pushes_failed", count)
            if not self._away:
                log.warning("local gmail: notifications to %s are dropped: %s", request.topic, error)
            self._away = True
        else:
            self._note("pushes_published", count)
            self._away = False

    def _next(self) -> dict[str, list[bytes]]:
        """What is due, by topic, after waiting for a first; empty at the end."""
        with self._news:
            while not (self._ending and self._away):
                items = list(islice(self._due(), AT_ONCE))
                batch: dict[str, list[bytes]] = {}
                for item in items:
                    batch.setdefault(item.topic, []).append(item.data)
                    item.data = b""
                if batch or self._ending:
                    return batch
                first = self._waiting[0][0] - time.monotonic() if self._waiting else None
                self._news.wait(first)
            return {}

    def _due(self) -> Iterator[Item]:
        while self._waiting and (self._ending or self._waiting[0][0] <= time.monotonic()):
            item = heappop(self._waiting)[2]
            if item.data:
                yield item
