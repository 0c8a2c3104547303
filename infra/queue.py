"""Dirty marks and locks of mailboxes in Redis (W1), and the way to the actors.

All of it may be lost at any moment: the ledger and the sweep rebuild it (W13).
"""

import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice

from redis import Redis
from redis.exceptions import RedisError

from domain.events import Event
from domain.ids import ChannelId, MailboxId
from domain.locks import LockKind, MailboxLock
from domain.quota import SLOT, SLOTS
from infra.faults import reached

BACKLOG = "lodestone:queue:"
"""The prefix of the keys under which Dramatiq keeps queued jobs (workers/broker.py)."""

_MARK = """
local generation = redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
if generation > 1 then return 0 end
redis.call('ZADD', KEYS[2], redis.call('TIME')[1], ARGV[1])
return 1
"""

_ENTER = """
if not redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3]) then return -1 end
return tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0)
"""

_KEEP = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

_LEAVE = """
if redis.call('GET', KEYS[3]) == ARGV[2] then redis.call('DEL', KEYS[3]) end
local generation = redis.call('HGET', KEYS[1], ARGV[1])
if not generation then return 0 end
if generation ~= ARGV[3] then return 1 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 0
"""

_STALLED = """
local now = tonumber(redis.call('TIME')[1])
local asked = redis.call('ZRANGE', KEYS[1], '-inf', now - ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
local free = {}
for _, id in ipairs(asked) do
    redis.call('ZADD', KEYS[1], now, id)
    if redis.call('EXISTS', ARGV[3] .. id) == 0 then free[#free + 1] = id end
end
return free
"""


_SPEND = """
local now = KEYS[#KEYS]
local found = {}
for at = 2, #ARGV, 2 do
    if ARGV[at + 1] ~= '0' then redis.call('HINCRBY', now, ARGV[at], ARGV[at + 1]) end
    local slots = {}
    for i, key in ipairs(KEYS) do slots[i] = redis.call('HGET', key, ARGV[at]) or '0' end
    found[#found + 1] = slots
end
redis.call('EXPIRE', now, ARGV[1])
return found
"""

UNITS_AT_ONCE = 500
"""Mailboxes in one call. Redis does nothing else during a call."""


class RedisQueue:
    """Implements handlers.ports.queue.Queue with a script per call. `send` hands an event to the broker.

    `takes` says whether the emitting thread will do the event's jobs itself. Calls raise RedisError, unless the port
    says what they return when Redis is away.
    """

    def __init__(
        self, redis: Redis, send: Callable[[Event], None], takes: Callable[[Event], bool] = lambda _: False
    ) -> None:
        self.redis = redis
        self._send = send
        self._takes = takes
        self._mark = redis.register_script(_MARK)
        self._enter = redis.register_script(_ENTER)
        self._keep = redis.register_script(_KEEP)
        self._leave = redis.register_script(_LEAVE)
        self._spend = redis.register_script(_SPEND)
        self._stalled = redis.register_script(_STALLED)

    def mark_dirty(self, kind: LockKind, of: MailboxId | ChannelId) -> bool:
        """Raises the mailbox's generation: 1 means that the mailbox was clean."""
        with reached("queue.mark"):
            return bool(self._mark(keys=_marks(kind), args=[of]))

    def acquire(self, kind: LockKind, of: MailboxId | ChannelId, seconds: float) -> MailboxLock | None:
        token = uuid.uuid4().hex
        keys = [_marks(kind)[0], _lock(kind, of)]
        with reached("queue.enter"):
            generation = int(self._enter(keys=keys, args=[of, token, round(seconds * 1000)]))
        return None if generation < 0 else MailboxLock(kind, of, generation, token)

    def extend(self, lock: MailboxLock, seconds: float) -> bool:
        keys = [_lock(lock.kind, lock.of)]
        with reached("queue.keep"):
            return bool(self._keep(keys=keys, args=[lock.token, round(seconds * 1000)]))

    def release(self, lock: MailboxLock, *, done: bool) -> bool:
        """Clears the mark only when `done` and the generation is still that of the lock."""
        keys = [*_marks(lock.kind), _lock(lock.kind, lock.of)]
        seen = lock.generation if done else -1
        with reached("queue.leave"):
            return bool(self._leave(keys=keys, args=[lock.of, lock.token, seen]))

    def stalled(self, kind: LockKind, older_than: float, limit: int) -> Sequence[int]:
        """Up to `limit` dirty mailboxes without a lock that were last asked for `older_than` seconds ago or earlier.

        The time of asking becomes now, also for mailboxes with a lock.
        """
        with reached("queue.stalled"):
            found = self._stalled(keys=[_marks(kind)[1]], args=[older_than, limit, _lock(kind, "")])
        return [int(mailbox_id) for mailbox_id in found]

    def backlog(self, queue: str) -> int:
        return int(self.redis.llen(BACKLOG + queue))

    def spend(self, slot: int, spent: Mapping[MailboxId, int]) -> dict[MailboxId, tuple[int, ...]]:
        keys = [f"lodestone:units:{slot - back}" for back in reversed(range(SLOTS))]
        found: dict[MailboxId, tuple[int, ...]] = {}
        try:
            for some in _some(spent):
                args = [part for item in some for part in item]
                sums = self._spend(keys=keys, args=[(SLOTS + 2) * SLOT, *args])
                found |= {one: tuple(map(int, last)) for (one, _), last in zip(some, sums, strict=True)}
        except RedisError:
            return {}
        return found

    def spent(self, slot: int, mailbox_ids: Collection[MailboxId]) -> dict[MailboxId, int] | None:
        found = self.spend(slot, dict.fromkeys(mailbox_ids, 0))
        return {one: sum(slots) for one, slots in found.items()} if found or not mailbox_ids else None

    def say_once(self, what: str, seconds: float) -> bool:
        try:
            return bool(self.redis.set(f"lodestone:said:{what}", "", nx=True, px=round(seconds * 1000)))
        except RedisError:
            return False

    def emit(self, event: Event, copies: int = 1) -> None:
        """Several copies go to the broker, so that they are worked on side by side. `takes` may keep a single one."""
        if copies == 1 and self._takes(event):
            return
        for _ in range(copies):
            with reached("queue.emit"):
                self._send(event)

    def leads(self, token: str, seconds: float) -> bool:
        """Whether this process leads the sweep, or leads it from now on, for up to `seconds`."""
        key = "lodestone:clock"
        if self.redis.set(key, token, nx=True, px=round(seconds * 1000)):
            return True
        if self.redis.get(key) != token.encode():
            return False
        return bool(self.redis.pexpire(key, round(seconds * 1000)))


def _some(spent: Mapping[MailboxId, int]) -> Iterator[list[tuple[MailboxId, int]]]:
    rest = iter(spent.items())
    while some := list(islice(rest, UNITS_AT_ONCE)):
        yield some


def _marks(kind: LockKind) -> list[str]:
    return [f"lodestone:dirty:{kind}", f"lodestone:asked:{kind}"]


def _lock(kind: LockKind, of: MailboxId | ChannelId | str) -> str:
    return f"lodestone:turn:{kind}:{of}"
