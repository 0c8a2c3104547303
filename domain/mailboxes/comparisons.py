"""The daily comparison of a mailbox's list with the ledger finds mail that history has not shown (E108)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from domain.ids import MailboxId

REACH = timedelta(days=2)
"""How far back the list goes. Older mail that the ledger does not have was not overlooked."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SLOTS = 1_440


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison: how many mails the list has, how many of them only a comparison has found, and its time."""

    mails: int = 0
    late: int = 0
    at: datetime | None = None

    @property
    def recall(self) -> float | None:
        """The share of the mails that were known before, from 0 to 1; None without a mail."""
        return 1 - self.late / self.mails if self.mails else None


@dataclass(frozen=True, slots=True)
class Missing:
    """The mail of a page that the ledger lacks: `new` mail, and mail that the ledger has in Spam or Trash and that was
    `rescued` since. `late` counts the mails that an earlier comparison has found."""

    new: tuple[str, ...]
    rescued: tuple[str, ...]
    late: int


def period(
    began: datetime, synced_at: datetime | None, now: datetime, settle_after: timedelta
) -> tuple[datetime, datetime] | None:
    """The time of receipt of the mail that the ledger must have: from its first to before its last moment.

    It begins when the features `began` (D3-7), and ends `settle_after` before the last sync, so that history has told
    of the mail. None when there is no such time yet.
    """
    if synced_at is None:
        return None
    first, last = max(began, now - REACH), synced_at - settle_after
    return (first, last) if first < last else None


def next_at(mailbox_id: MailboxId, now: datetime, every: timedelta) -> datetime:
    """When the mailbox is compared next: at its own time of the day, so that a hundred thousand are spread over it."""
    slot = every * (mailbox_id * 61 % _SLOTS) / _SLOTS
    rounds = (now - _EPOCH - slot) // every + 1
    return _EPOCH + slot + rounds * every
