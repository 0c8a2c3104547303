"""A provider's units: what they go on, how many there are, and who goes first when they run short (FACTS §4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from enum import StrEnum
from types import MappingProxyType

from domain.ids import MailboxId

PROJECT = MailboxId(0)
"""Stands for all mailboxes together where units are counted by mailbox."""

SLOT = 10
"""Seconds that are counted as one; a minute is the slot that runs and the six before it, so never less."""

SLOTS = 7

NEAR = 0.8
"""The share of a minute or a day at which it is said in the log."""


class Purpose(StrEnum):
    """What units are spent on."""

    PUSH = "push"
    SWEEP = "sweep"
    MATCH = "match"
    SORT = "sort"
    WATCH = "watch"
    COMPARE = "compare"
    USER = "user"
    SEND = "send"


@dataclass(frozen=True, slots=True)
class Quota:
    """What a provider gives, in units, and what a mail costs to be read. Its day begins at midnight in `zone`."""

    mailbox_minute: int
    project_minute: int
    read: int
    project_day: int | None = None
    zone: tzinfo = UTC

    def day(self, now: datetime) -> date:
        """The day that a moment counts for."""
        return now.astimezone(self.zone).date()


SHARES: Mapping[Purpose, float] = MappingProxyType(
    {
        Purpose.PUSH: 0.95,
        Purpose.MATCH: 0.95,
        Purpose.SORT: 0.95,
        Purpose.USER: 0.85,
        Purpose.SEND: 0.85,
        Purpose.SWEEP: 0.75,
        Purpose.WATCH: 0.75,
        Purpose.COMPARE: 0.6,
    }
)
"""Of a minute, how much may be gone when something begins: what has just come goes before the user's wish, that
before a sweep, and a comparison comes last."""

SHARES_OF_DAY: Mapping[Purpose, float] = MappingProxyType({Purpose.SWEEP: 0.95, Purpose.COMPARE: 0.9})
"""Of the project's day, where it has one. What is new and what a user wants goes on: beyond the day the provider
charges or refuses."""

ALWAYS_ASKS = frozenset({Purpose.USER, Purpose.SEND, Purpose.WATCH, Purpose.COMPARE})
"""Rare or dear: what other processes have spent is looked up each time."""

QUANTUM = 50
"""What is more frequent tells others of what it has spent, and asks them, once in this part of a minute's units."""


def slots_to_wait(spent: Sequence[int], asked: int, most: float) -> int:
    """How many slots must end before `asked` units fit under `most`; 0 when they do now.

    `spent` is the last minute's, `asked` not in it, slot by slot, the oldest first. When nothing else has been
    spent they fit, however little there is.
    """
    total = sum(spent)
    for number, units in enumerate(spent):
        if total + asked <= most or not total:
            return number
        total -= units
    return len(spent)


@dataclass(frozen=True, slots=True)
class Spending:
    """What was spent in a day, by purpose; `minute` is what went in the last minute, None where nobody knows."""

    by_purpose: Mapping[Purpose, int]
    minute: int | None = None

    @property
    def day(self) -> int:
        return sum(self.by_purpose.values())
