"""One subscription: what waits, who holds what until when, and what comes back.

Deadlines and leases: https://cloud.google.com/pubsub/docs/lease-management. A message leaves only by
acknowledgement. `_hand_out` is the one place where messages go out and `_put_back` the one place where
they return; what is to happen to a delivery (dead letter, doubling, another order) belongs there.
"""

import heapq
import itertools
import math
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from infra.local.pubsub.wire import ReceivedMessage, Wire

BATCH_MESSAGES = 1_000
BATCH_BYTES = 1_000_000  # a plain gRPC channel takes answers of up to 4 MiB
STALE_EXPIRIES = 1_000


@dataclass(slots=True)
class Entry:
    """A message on its way through one subscription."""

    message: Wire
    size: int


@dataclass(slots=True, eq=False)
class Puller:
    """Who takes messages: one stream, or one pull call. A limit of 0 is none."""

    ack_seconds: int
    max_messages: int = 0
    max_bytes: int = 0
    held_messages: int = 0
    held_bytes: int = 0
    gone: bool = False

    def has_room(self) -> bool:
        """Google stops sending at the limit, whatever the size of the message that reached it."""
        return not (0 < self.max_messages <= self.held_messages or 0 < self.max_bytes <= self.held_bytes)


@dataclass(slots=True)
class Lease:
    """A delivery that is neither acknowledged nor given back."""

    entry: Entry
    puller: Puller
    until: float


class Subscription:
    """A queue with leases, safe to use from any thread. `settings` is Pub/Sub's Subscription resource."""

    def __init__(self, settings: Wire, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.closed = False
        self._clock = clock
        self._changed = threading.Condition()
        self._ready: deque[Entry] = deque()
        self._leases: dict[str, Lease] = {}
        self._expiries: list[tuple[float, str]] = []  # a heap; entries of ended leases are stale
        self._streams: set[Puller] = set()
        self._prefix = secrets.token_hex(4)  # so that ids of an earlier subscription mean nothing here
        self._numbers = itertools.count(1)

    def put(self, messages: Iterable[Wire]) -> None:
        """Newly published messages, in the order of publishing."""
        with self._changed:
            self._ready.extend(Entry(message, message.ByteSize()) for message in messages)
            self._changed.notify_all()

    def join(self, stream: Puller) -> None:
        """From now on this stream gets its share."""
        with self._changed:
            self._streams.add(stream)

    def leave(self, puller: Puller) -> None:
        """Nothing more goes to this puller. What it holds comes back at its deadlines, as at Google:
        the official client acknowledges its last messages after it has closed the stream."""
        with self._changed:
            puller.gone = True
            self._streams.discard(puller)
            self._changed.notify_all()

    def open(self) -> None:
        """After close(): calls wait again."""
        with self._changed:
            self.closed = False

    def close(self) -> None:
        """Ends every waiting call: the subscription is deleted or the server stops."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def take(
        self, puller: Puller, *, at_most: int = BATCH_MESSAGES, wait_seconds: float = math.inf
    ) -> list[Wire]:
        """ReceivedMessages, as soon as there are any for this puller.

        Empty when the time is over, the puller has left or the subscription is closed.
        """
        end = self._clock() + wait_seconds
        with self._changed:
            while not puller.gone and not self.closed:
                self._expire()
                if batch := self._hand_out(puller, at_most):
                    return batch
                wait = min(end, self._next_expiry()) - self._clock()
                if self._clock() >= end:
                    break
                self._changed.wait(None if wait == math.inf else max(wait, 0.0))
        return []

    def acknowledge(self, ack_ids: Iterable[str]) -> None:
        """Done for good. Ids that are past or unknown are ignored."""
        with self._changed:
            for ack_id in ack_ids:
                self._end_lease(ack_id)
            if self._ready:
                self._changed.notify_all()

    def modify(self, ack_id: str, seconds: int) -> None:
        """Hold the message that many seconds from now; 0 gives it back. Unknown ids are ignored."""
        with self._changed:
            if seconds == 0:
                if lease := self._end_lease(ack_id):
                    self._put_back(lease.entry)
                    self._changed.notify_all()
            elif lease := self._leases.get(ack_id):
                self._hold(ack_id, lease, seconds)

    def _hand_out(self, puller: Puller, at_most: int) -> list[Wire]:
        batch: list[Wire] = []
        size = 0
        share = (
            math.ceil(len(self._ready) / max(len(self._streams), 1)) if puller in self._streams else at_most
        )
        while self._ready and len(batch) < min(share, at_most) and size < BATCH_BYTES and puller.has_room():
            entry = self._ready.popleft()
            size += entry.size
            ack_id = f"{self._prefix}-{next(self._numbers)}"
            puller.held_messages += 1
            puller.held_bytes += entry.size
            self._hold(ack_id, Lease(entry, puller, 0.0), puller.ack_seconds)
            batch.append(ReceivedMessage(ack_id=ack_id, message=entry.message))
        return batch

    def _put_back(self, entry: Entry) -> None:
        self._ready.append(entry)

    def _hold(self, ack_id: str, lease: Lease, seconds: int) -> None:
        lease.until = self._clock() + seconds
        self._leases[ack_id] = lease
        heapq.heappush(self._expiries, (lease.until, ack_id))
        if len(self._expiries) > 2 * len(self._leases) + STALE_EXPIRIES:
            self._expiries = [(lease.until, ack_id) for ack_id, lease in self._leases.items()]
            heapq.heapify(self._expiries)

    def _end_lease(self, ack_id: str) -> Lease | None:
        lease = self._leases.pop(ack_id, None)
        if lease:
            lease.puller.held_messages -= 1
            lease.puller.held_bytes -= lease.entry.size
        return lease

    def _expire(self) -> None:
        while self._next_expiry() <= self._clock():
            if lease := self._end_lease(heapq.heappop(self._expiries)[1]):
                self._put_back(lease.entry)

    def _next_expiry(self) -> float:
        while self._expiries:
            until, ack_id = self._expiries[0]
            lease = self._leases.get(ack_id)
            if lease and lease.until == until:
                return until
            heapq.heappop(self._expiries)
        return math.inf
