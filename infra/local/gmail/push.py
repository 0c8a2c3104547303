"""Notifications to Pub/Sub, as users.watch causes them (FACTS §1): at most one a second and mailbox.

Publishing happens on a thread of its own; no request ever waits for Pub/Sub.
"""

import json
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

PUBLISH = "/google.pubsub.v1.Publisher/Publish"
CALL_TIMEOUT = 5.0
BACKLOG = 50_000
AT_ONCE = 500
CHANNEL_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
]

Note = Callable[..., None]
"""Counts what became of a notification: "pushes_published", "…_throttled", "…_lost", "…_failed"."""


class Push:
    """`host` is the emulator's HOST:PORT, None for no Pub/Sub at all."""

    def __init__(self, host: str | None, note: Note, interval: float = 1.0) -> None:
        self.interval = interval
        self.lost = False
        self._host = host
        self._note = note
        self._queue: queue.Queue[tuple[str, bytes] | None] = queue.Queue(BACKLOG)
        self._last: dict[str, float] = {}
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Open the channel and start the publishing thread."""
        if self._host:
            self._thread = threading.Thread(target=self._run, name="gmail-push", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Publish what is queued, within a few seconds, and end the thread."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(CALL_TIMEOUT)
            self._thread = None

    def notify(self, address: str, topic: str, history_id: int, *, at_once: bool = False) -> None:
        """Queue one notification; drops it within `interval` of the last, unless `at_once`."""
        now = time.monotonic()
        if self.lost:
            self._note("pushes_lost")
        elif not at_once and now - self._last.get(address, -self.interval) < self.interval:
            self._note("pushes_throttled")
        else:
            self._last[address] = now
            data = json.dumps({"emailAddress": address, "historyId": history_id}, separators=(",", ":"))
            self._enqueue(topic, data.encode())

    def _enqueue(self, topic: str, data: bytes) -> None:
        try:
            if self._host:
                self._queue.put_nowait((topic, data))
                return
        except queue.Full:
            log.warning("local gmail: more than %d notifications wait for Pub/Sub", BACKLOG)
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
            self._note("pushes_published", count)
        except refused as error:
            self._note("pushes_failed", count)
            log.warning("local gmail: %d notifications to %s dropped: %s", count, request.topic, error)

    def _next(self) -> dict[str, list[bytes]]:
        """What is queued now, by topic, after waiting for a first; empty at the end."""
        items = [self._queue.get()]
        while items[-1] is not None and len(items) < AT_ONCE:
            try:
                items.append(self._queue.get_nowait())
            except queue.Empty:
                break
        if items[-1] is None and len(items) > 1:
            self._queue.put(None)  # the end comes after what was queued before it
        batch: dict[str, list[bytes]] = {}
        for topic, data in filter(None, items):
            batch.setdefault(topic, []).append(data)
        return batch
