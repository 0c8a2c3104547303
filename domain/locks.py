"""Being the only one at a mailbox's work of one kind (W1, W10)."""

from dataclasses import dataclass
from enum import StrEnum

from domain.ids import ChannelId, MailboxId


class LockKind(StrEnum):
    """What one run at a time is for. Redis keeps the words, for processes of the release before too."""

    SYNC = "sync"
    SORT = "sort"
    SEND = "send"
    WATCH = "watch"
    COMPARE = "compare"
    DELIVER = "deliver"
    """Of a channel, where all before are of a mailbox."""
    RESTART = "restart"
    """Of all mailboxes together: one watch is restarted at a time."""


@dataclass(frozen=True, slots=True)
class MailboxLock:
    """`generation` is the mailbox's dirty mark as it was on entering."""

    kind: LockKind
    of: MailboxId | ChannelId
    generation: int
    token: str
