"""Marks, locks and wake-ups: a hint, never the truth (W1, W13)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from domain.events import Event
from domain.ids import ChannelId, MailboxId
from domain.locks import LockKind, MailboxLock


class Queue(Protocol):
    """Dirty marks, locks and wake-ups of mailboxes (W1). All of it is a hint and may be lost (W13)."""

    def mark_dirty(self, kind: LockKind, of: MailboxId | ChannelId) -> bool:
        """Mark the mailbox; True when it was clean, so that a job has to be woken."""

    def acquire(self, kind: LockKind, of: MailboxId | ChannelId, seconds: float) -> MailboxLock | None:
        """Take the lock for up to `seconds`; None when it is held already."""

    def extend(self, lock: MailboxLock, seconds: float) -> bool:
        """Hold the lock for `seconds` from now; False when it is no longer ours."""

    def release(self, lock: MailboxLock, *, done: bool) -> bool:
        """Give the lock back. The mailbox is clean when `done` and not marked since; returns whether it is dirty."""

    def stalled(self, kind: LockKind, older_than: float, limit: int) -> Sequence[int]:
        """Up to `limit` dirty mailboxes that no job has taken for `older_than` seconds; that time starts again."""

    def backlog(self, queue: str) -> int:
        """How many jobs are queued and not yet taken."""

    def spend(self, slot: int, spent: Mapping[MailboxId, int]) -> Mapping[MailboxId, tuple[int, ...]]:
        """Add units to what all processes have spent in this slot (domain.quota), by mailbox.

        Returns for each mailbox the last minute slot by slot, the oldest first; empty when Redis is away.
        """

    def spent(self, slot: int, mailbox_ids: Collection[MailboxId]) -> Mapping[MailboxId, int] | None:
        """By mailbox the units of the last minute; None when Redis is away."""

    def say_once(self, what: str, seconds: float) -> bool:
        """True for the first caller in `seconds`; False when Redis is away."""

    def emit(self, event: Event, copies: int = 1) -> None:
        """Queue the jobs that the event wakes (workers/jobs.py). To be called after the commit, never before."""
