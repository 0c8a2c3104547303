"""Redis: which mailboxes are dirty, who is at work on which (W1), and the way to the actors.

All of it may be lost at any moment: the ledger and the sweep rebuild it (W13).
"""

import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice

from redis import Redis
from redis.exceptions import RedisError

from domain.events import Event
from domain.locks import LockKind, MailboxLock
from domain.quota import SLOT, SLOTS
from infra.faults import reached

BACKLOG = "lodestone:queue:"
"""Where Dramatiq keeps the jobs of a queue that nobody has fetched (workers/broker.py)."""

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
"""Mailboxes in one call: Redis does nothing else meanwhile."""


class RedisQueue:
    """The hints that there is work. `send` hands an event to the broker; every call may raise RedisError.

    `takes` says of an event whether who emits it is going to do himself what it asks for.
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

    def mark_dirty(self, kind: LockKind, mailbox_id: int) -> bool:
        """Raise the generation; True when the mailbox was clean, so that somebody must be woken."""
        with reached("queue.mark"):
            return bool(self._mark(keys=_marks(kind), args=[mailbox_id]))

    def acquire(self, kind: LockKind, mailbox_id: int, seconds: float) -> MailboxLock | None:
        """Take the lock for so many seconds at most, None when somebody else holds it."""
        token = uuid.uuid4().hex
        keys = [_marks(kind)[0], _lock(kind, mailbox_id)]
        with reached("queue.enter"):
            generation = int(self._enter(keys=keys, args=[mailbox_id, token, round(seconds * 1000)]))
        return None if generation < 0 else MailboxLock(kind, mailbox_id, generation, token)

    def extend(self, lock: MailboxLock, seconds: float) -> bool:
        """The lock for so many seconds more; False when it is no longer ours."""
        keys = [_lock(lock.kind, lock.mailbox_id)]
        with reached("queue.keep"):
            return bool(self._keep(keys=keys, args=[lock.token, round(seconds * 1000)]))

    def release(self, lock: MailboxLock, *, done: bool) -> bool:
        """Give the lock back; when done and no mark came since, clean. True when it is dirty still."""
        keys = [*_marks(lock.kind), _lock(lock.kind, lock.mailbox_id)]
        seen = lock.generation if done else -1
        with reached("queue.leave"):
            return bool(self._leave(keys=keys, args=[lock.mailbox_id, lock.token, seen]))

    def stalled(self, kind: LockKind, older_than: float, limit: int) -> Sequence[int]:
        """Dirty mailboxes without a run that were last asked for so many seconds ago; asked for again from now."""
        with reached("queue.stalled"):
            found = self._stalled(keys=[_marks(kind)[1]], args=[older_than, limit, _lock(kind, "")])
        return [int(mailbox_id) for mailbox_id in found]

    def backlog(self, queue: str) -> int:
        """How many jobs are queued and not yet taken."""
        return int(self.redis.llen(BACKLOG + queue))

    def spend(self, slot: int, spent: Mapping[int, int]) -> dict[int, tuple[int, ...]]:
        """Add to what all processes have spent in this slot; returns each mailbox's last minute, the oldest slot
        first. Nothing when Redis is away."""
        keys = [f"lodestone:units:{slot - back}" for back in reversed(range(SLOTS))]
        found: dict[int, tuple[int, ...]] = {}
        try:
            for some in _some(spent):
                args = [part for item in some for part in item]
                sums = self._spend(keys=keys, args=[(SLOTS + 2) * SLOT, *args])
                found |= {one: tuple(map(int, last)) for (one, _), last in zip(some, sums, strict=True)}
        except RedisError:
            return {}
        return found

    def spent(self, slot: int, mailbox_ids: Collection[int]) -> dict[int, int] | None:
        """What was spent in the last minute; None when Redis is away."""
        found = self.spend(slot, dict.fromkeys(mailbox_ids, 0))
        return {one: sum(slots) for one, slots in found.items()} if found or not mailbox_ids else None

    def say_once(self, what: str, seconds: float) -> bool:
        """Whether nobody has said it for so many seconds."""
        try:
            return bool(self.redis.set(f"lodestone:said:{what}", "", nx=True, px=round(seconds * 1000)))
        except RedisError:
            return False

    def emit(self, event: Event, copies: int = 1) -> None:
        """Wake those who wait for the event. Called after the commit, never before. Copies are to be worked on side
        by side."""
        if copies == 1 and self._takes(event):
            return
        for _ in range(copies):
            with reached("queue.emit"):
                self._send(event)

    def leads(self, token: str, seconds: float) -> bool:
        """Whether this process is, or now becomes, the one that keeps the clock."""
        key = "lodestone:clock"
        if self.redis.set(key, token, nx=True, px=round(seconds * 1000)):
            return True
        if self.redis.get(key) != token.encode():
            return False
        return bool(self.redis.pexpire(key, round(seconds * 1000)))


def _some(spent: Mapping[int, int]) -> Iterator[list[tuple[int, int]]]:
    rest = iter(spent.items())
    while some := list(islice(rest, UNITS_AT_ONCE)):
        yield some


def _marks(kind: LockKind) -> list[str]:
    return [f"lodestone:dirty:{kind}", f"lodestone:asked:{kind}"]


def _lock(kind: LockKind, mailbox_id: int | str) -> str:
    return f"lodestone:turn:{kind}:{mailbox_id}"
