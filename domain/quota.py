"""A provider's units: their purposes, their limits, and which purpose goes first when they run short (FACTS §4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from enum import StrEnum
from types import MappingProxyType

from domain.ids import MailboxId

PROJECT = MailboxId(0)
"""Stands for all mailboxes together where units are counted by mailbox."""

SLOT = 10
"""Seconds of a slot. A minute counts as the running slot and the six before it, so never as less than 60 s."""

SLOTS = 7

NEAR = 0.8
"""The share of the units of a minute or a day from which on a log line says so."""


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
    COPY = "copy"


@dataclass(frozen=True, slots=True)
class Quota:
    """A provider's limits in units, and the units that reading a mail costs. The day begins at midnight in `zone`."""

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
        Purpose.COPY: 0.75,
        Purpose.COMPARE: 0.6,
    }
)
"""The share of a minute's units that may be spent when work of a purpose begins: new mail goes before users' wishes,
they go before a sweep and before files that are copied, and a comparison comes last."""

SHARES_OF_DAY: Mapping[Purpose, float] = MappingProxyType({Purpose.SWEEP: 0.95, Purpose.COMPARE: 0.9})
"""The same share of the project's day, where the provider limits days. The other purposes go on: beyond the day the
provider charges or refuses."""

ALWAYS_ASKS = frozenset({Purpose.USER, Purpose.SEND, Purpose.WATCH, Purpose.COPY, Purpose.COMPARE})
"""Rare or expensive purposes: other processes' spending is looked up each time."""

QUANTUM = 50
"""Other purposes exchange spending with other processes after each QUANTUM-th part of a mailbox's minute, and each time
once half of a limit is spent."""


def slots_to_wait(spent: Sequence[int], asked: int, most: float) -> int:
    """How many slots must end before `asked` units fit under `most`; 0 when they do now.

    `spent` has the last minute slot by slot, the oldest first, without `asked`. When nothing has been spent, `asked`
    always fits.
    """
    total = sum(spent)
    for number, units in enumerate(spent):
        if total + asked <= most or not total:
            return number
        total -= units
    return len(spent)


@dataclass(frozen=True, slots=True)
class Spending:
    """Units spent in a day, by purpose. `minute`: those of the last minute, None when they are not known."""

    by_purpose: Mapping[Purpose, int]
    minute: int | None = None

    @property
    def day(self) -> int:
        return sum(self.by_purpose.values())
