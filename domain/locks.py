"""Locks: one process at a time does the work of one kind on a mailbox (W1, W10)."""

from dataclasses import dataclass
from enum import StrEnum

from domain.ids import ChannelId, MailboxId


class LockKind(StrEnum):
    """The kinds of work that have a lock. The values stay: they are in Redis' keys, also for the previous release."""

    SYNC = "sync"
    SORT = "sort"
    SEND = "send"
    WATCH = "watch"
    COMPARE = "compare"
    DELIVER = "deliver"
    """The lock of a channel; the others before it are of a mailbox."""
    RESTART = "anew"
    """Of all mailboxes together: one watch is restarted at a time."""


@dataclass(frozen=True, slots=True)
class MailboxLock:
    """A lock that its holder has taken. `generation` is the mailbox's dirty mark at that moment."""

    kind: LockKind
    of: MailboxId | ChannelId
    generation: int
    token: str
