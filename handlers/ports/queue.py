"""Marks, locks and wake-ups: a hint, never the truth (W1, W13)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from domain.events import Event
from domain.locks import LockKind, MailboxLock


class Queue(Protocol):
    """Dirty marks and locks per mailbox (W1). A hint: nothing here is the truth (W13)."""

    def mark_dirty(self, kind: LockKind, mailbox_id: int) -> bool:
        """Raise the generation; True when the mailbox was clean, so that somebody must be woken."""

    def acquire(self, kind: LockKind, mailbox_id: int, seconds: float) -> MailboxLock | None:
        """Take the lock for so many seconds at most, None when somebody else holds it."""

    def extend(self, lock: MailboxLock, seconds: float) -> bool:
        """The lock for so many seconds more; False when it is no longer ours."""

    def release(self, lock: MailboxLock, *, done: bool) -> bool:
        """Give the lock back; when done and no mark came since, clean. True when it is dirty still."""

    def stalled(self, kind: LockKind, older_than: float, limit: int) -> Sequence[int]:
        """Dirty mailboxes without a run that were last asked for so many seconds ago; asked for again from now."""

    def backlog(self, queue: str) -> int:
        """How many jobs are queued and not yet taken."""

    def spend(self, slot: int, spent: Mapping[int, int]) -> Mapping[int, tuple[int, ...]]:
        """Add to what all processes have spent of Google's units in this slot (domain.quota), by mailbox; returns for
        each what was spent in the last minute, slot by slot, the oldest first. Nothing when Redis is away."""

    def spent(self, slot: int, mailbox_ids: Collection[int]) -> Mapping[int, int] | None:
        """What was spent in the last minute; None when Redis is away."""

    def say_once(self, what: str, seconds: float) -> bool:
        """Whether nobody has said it for so many seconds; False when Redis is away."""

    def emit(self, event: Event, copies: int = 1) -> None:
        """Wake those who wait for the event (workers/jobs.py). Called after the commit, never before."""
