"""The daily comparison of a mailbox's own list with the ledger: what has history never shown (E108)?"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

REACH = timedelta(days=2)
"""So far back goes the list. Beyond it, mail that the ledger has not is none that was overlooked."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SLOTS = 1_440


@dataclass(frozen=True, slots=True)
class Compared:
    """What the list has named, and of that what only a comparison has found; `at` is when."""

    mails: int = 0
    late: int = 0
    at: datetime | None = None

    @property
    def recall(self) -> float | None:
        """The share of the mail that was seen before, from 0 to 1; None without a mail."""
        return 1 - self.late / self.mails if self.mails else None


@dataclass(frozen=True, slots=True)
class Missing:
    """What a page of the list has that the ledger has not: mail that is `new`, and mail that it believes in Spam or
    Trash, `rescued` from there since. `late` counts what an earlier comparison has found."""

    new: tuple[str, ...]
    rescued: tuple[str, ...]
    late: int


def period(
    began: datetime, synced_at: datetime | None, now: datetime, settle_after: timedelta
) -> tuple[datetime, datetime] | None:
    """From when until when mail was received that the ledger must have: since the features `began` (D3-7), and long
    enough before the last look for history to have told of it. None when there is no such time yet."""
    if synced_at is None:
        return None
    first, last = max(began, now - REACH), synced_at - settle_after
    return (first, last) if first < last else None


def next_at(mailbox_id: int, now: datetime, every: timedelta) -> datetime:
    """The mailbox's own time of the day, so that a hundred thousand never come together."""
    slot = every * (mailbox_id * 61 % _SLOTS) / _SLOTS
    rounds = (now - _EPOCH - slot) // every + 1
    return _EPOCH + slot + rounds * every
