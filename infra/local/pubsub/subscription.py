"""One subscription: its waiting messages, their leases, and their return.

Deadlines and leases: https://cloud.google.com/pubsub/docs/lease-management. A message leaves when
it is acknowledged, or when it has failed too often: then the broker moves it to the dead-letter topic. Messages go out
in `_hand_out` only and return in `_put_back` only.
"""

import heapq
import itertools
import math
import secrets
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from infra.local.pubsub.entry import Entry, Lease, Puller
from infra.local.pubsub.faults import Faults
from infra.local.pubsub.journal import ACKNOWLEDGED, ATTEMPTS, Journal
from infra.local.pubsub.kept import attempts
from infra.local.pubsub.settings import backoff_seconds
from infra.local.pubsub.wire import AcknowledgeRequest, ReceivedMessage, Wire

BATCH_MESSAGES = 1_000
BATCH_BYTES = 1_000_000  # a plain gRPC channel takes answers of up to 4 MiB
STALE_EXPIRIES = 1_000


class Subscription:
    """A queue with leases, safe to use from any thread. `settings` is Pub/Sub's Subscription resource."""

    def __init__(
        self,
        settings: Wire,
        *,
        faults: Faults | None = None,
        journal: Journal | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.closed = False
        self._faults = faults or Faults()
        self._meter = self._faults.meter
        self._journal = journal
        self._clock = clock
        self._changed = threading.Condition()
        self._ready: deque[Entry] = deque()
        self._held_back: list[tuple[float, int, Entry]] = []  # a heap, by the time they are ready
        self._dead: list[Entry] = []
        self._leases: dict[str, Lease] = {}
        self._expiries: list[tuple[float, str]] = []  # a heap; entries of ended leases are stale
        self._streams: set[Puller] = set()
        self._prefix = secrets.token_hex(4)  # so that ids of an earlier subscription mean nothing here
        self._numbers = itertools.count(1)
        self.configure(settings)

    def configure(self, settings: Wire) -> None:
        """Set the settings for every later delivery. Messages on their way to the dead letters get another try."""
        with self._changed:
            self.settings = settings
            self._max_attempts = settings.dead_letter_policy.max_delivery_attempts
            self._backoff = backoff_seconds(settings)
            self._ready.extend(self._dead)
            self._dead.clear()
            self._changed.notify_all()

    def restore(self, entries: Iterable[Entry]) -> None:
        """Add the messages that an earlier server had not had acknowledged."""
        with self._changed:
            self._ready.extend(entries)

    def put(self, messages: Iterable[Wire]) -> None:
        """Add newly published messages, in the order of publishing."""
        with self._changed:
            entries = (Entry(message, message.ByteSize()) for message in messages)
            if self._faults.on:
                for entry in entries:
                    self._hold_back(entry, self._faults.strike("late", "reorder") or 0.0)
            else:
                self._ready.extend(entries)
            self._changed.notify_all()

    def join(self, stream: Puller) -> None:
        """Let the stream get its share of messages from now on."""
        with self._changed:
            self._streams.add(stream)

    def leave(self, puller: Puller) -> None:
        """Send nothing more to this puller. Its messages come back at their deadlines, as at Google: the official
        client acknowledges its last messages after it has closed the stream."""
        with self._changed:
            puller.gone = True
            self._streams.discard(puller)
            self._changed.notify_all()

    def open(self) -> None:
        """Open again after close(): calls wait again."""
        with self._changed:
            self.closed = False

    def close(self) -> None:
        """End all waiting calls, because the subscription is deleted or the server stops."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def backlog(self) -> int:
        """The number of unacknowledged messages; a doubled one counts twice."""
        with self._changed:
            return len(self._ready) + len(self._held_back) + len(self._dead) + len(self._leases)

    def take(
        self, puller: Puller, *, at_most: int = BATCH_MESSAGES, wait_seconds: float = math.inf
    ) -> list[Wire]:
        """The ReceivedMessages for this puller, as soon as there are any.

        Empty when the time is over, the puller has left or the subscription is closed.
        """
        end = self._clock() + wait_seconds
        with self._changed:
            while not puller.gone and not self.closed:
                self._wake()
                if batch := self._hand_out(puller, at_most):
                    return batch
                wait = min(end, self._next_change()) - self._clock()
                if self._clock() >= end:
                    break
                self._changed.wait(None if wait == math.inf else max(wait, 0.0))
        return []

    def acknowledge(self, ack_ids: Iterable[str]) -> None:
        """Remove these messages for good. Past and unknown ids are ignored."""
        with self._changed:
            known = [ack_id for ack_id in ack_ids if ack_id in self._leases]
            self._record_end(self._leases[ack_id].entry for ack_id in known)
            ended = sum(self._end_lease(ack_id) is not None for ack_id in known)
            self._meter.note("acked", ended)
            if self._ready:
                self._changed.notify_all()

    def modify(self, ack_id: str, seconds: int) -> None:
        """Hold the message for `seconds` from now; 0 gives it back. Unknown ids are ignored."""
        with self._changed:
            if seconds == 0:
                if lease := self._end_lease(ack_id):
                    self._meter.note("nacked")
                    self._put_back(lease.entry)
                    self._changed.notify_all()
            elif lease := self._leases.get(ack_id):
                before = lease.until
                self._hold(ack_id, lease, seconds)
                if lease.until < before:
                    self._changed.notify_all()  # who waits, waits for the old deadline

    def take_dead(self) -> list[Entry]:
        """Take out the messages that have failed as often as the dead-letter policy allows."""
        with self._changed:
            if self._wake():
                self._changed.notify_all()
            dead, self._dead = self._dead, []
            return dead

    def give_back(self, dead: Iterable[Entry]) -> None:
        """Give back messages that could not be moved to the dead letters; they get another try."""
        with self._changed:
            self._ready.extend(dead)
            self._changed.notify_all()

    def bury(self, dead: Iterable[Entry]) -> None:
        """Record that these messages have moved to the dead-letter topic."""
        with self._changed:
            self._record_end(dead)

    def _hand_out(self, puller: Puller, at_most: int) -> list[Wire]:
        batch: list[Wire] = []
        entries: list[Entry] = []
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
            received = ReceivedMessage(ack_id=ack_id, message=entry.message)
            if self._max_attempts:
                entry.attempts += 1
                received.delivery_attempt = entry.attempts
            entries.append(entry)
            batch.append(received)
        if batch:
            self._meter.note("delivered", len(batch))
            self._record_attempts(entries)
            self._double(entries)
        return batch

    def _double(self, entries: Iterable[Entry]) -> None:
        if not self._faults.on:
            return
        for entry in entries:
            if not entry.doubled and (held := self._faults.strike("double")) is not None:
                entry.doubled = True
                self._hold_back(replace(entry), held)

    def _put_back(self, entry: Entry) -> None:
        entry.failures += 1
        if 0 < self._max_attempts <= entry.attempts:
            self._dead.append(entry)
        elif self._backoff:
            least, longest = self._backoff
            self._hold_back(entry, min(longest, least * 2.0 ** min(entry.failures - 1, 20)))
        else:
            self._ready.append(entry)

    def _hold_back(self, entry: Entry, seconds: float) -> None:
        if seconds:
            heapq.heappush(self._held_back, (self._clock() + seconds, next(self._numbers), entry))
        else:
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

    def _wake(self) -> bool:
        """What is due by now: deadlines that have passed, messages that were held back long enough.

        Whether there is more to hand out than before."""
        now, before = self._clock(), len(self._ready)
        while self._next_expiry() <= now:
            if lease := self._end_lease(heapq.heappop(self._expiries)[1]):
                self._meter.note("expired")
                self._put_back(lease.entry)
        while self._held_back and self._held_back[0][0] <= now:
            self._ready.append(heapq.heappop(self._held_back)[2])
        return len(self._ready) > before

    def _next_change(self) -> float:
        return min(self._next_expiry(), self._held_back[0][0] if self._held_back else math.inf)

    def _next_expiry(self) -> float:
        while self._expiries:
            until, ack_id = self._expiries[0]
            lease = self._leases.get(ack_id)
            if lease and lease.until == until:
                return until
            heapq.heappop(self._expiries)
        return math.inf

    def _record_end(self, entries: Iterable[Entry]) -> None:
        if self._journal and (ids := [entry.message.message_id for entry in entries]):
            self._journal.write(
                ACKNOWLEDGED, AcknowledgeRequest(subscription=self.settings.name, ack_ids=ids)
            )

    def _record_attempts(self, entries: Iterable[Entry]) -> None:
        if not (self._journal and self._max_attempts):
            return
        by_count: defaultdict[int, list[str]] = defaultdict(list)
        for entry in entries:
            by_count[entry.attempts].append(entry.message.message_id)
        for count, ids in by_count.items():
            self._journal.write(ATTEMPTS, attempts(self.settings.name, ids, count))
