"""The ledger's values: the steps that a message goes through, and how long a failed one waits (E87, W3, W4)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from domain.crm.categories import Category
from domain.crm.contacts import MatchedBy
from domain.ids import ConnectionId
from domain.outcomes import Outcome

BATCH_SIZE = 25
"""Messages that are matched together. How many of them share a request is the adapter's."""

TRIES = 8
"""After this many tries a message is set aside, and its mailbox goes on (E88)."""

ALONE_AFTER = 2
"""After this many tries in a batch a message is tried alone, so that it uses up no other message's tries (W3)."""

LONGEST_WAIT = timedelta(seconds=64)
LONGEST_WAIT_ALONE = timedelta(hours=1)


class Step(StrEnum):
    """The steps of the pipeline. MATCH is done once for all connections of a mailbox (I7). COPY keeps what a mail of a
    conversation holds, GATHER looks for the rest of its thread (E103)."""

    MATCH = "match"
    ANNOUNCE = "announce"
    SORT = "sort"
    COPY = "copy"
    GATHER = "gather"


FAILED = {
    Step.MATCH: Outcome.MATCH_FAILED,
    Step.ANNOUNCE: Outcome.LABEL_FAILED,
    Step.SORT: Outcome.LABEL_FAILED,
    Step.COPY: Outcome.SYNC_FAILED,
    Step.GATHER: Outcome.SYNC_FAILED,
}
"""The outcome of a mail that has used up the tries of a step (E88). Mail that is not announced is not sorted (I5)."""


class State(StrEnum):
    """`BLOCKED` waits for an earlier step (I5). `SET_ASIDE` has used up its tries (E88)."""

    BLOCKED = "blocked"
    WAITING = "waiting"
    DONE = "done"
    SET_ASIDE = "set_aside"


class StepKey(NamedTuple):
    """The message and the connection of a step. The connection is 0 for MATCH, which is done for all connections."""

    message_id: str
    connection_id: ConnectionId


@dataclass(frozen=True, slots=True)
class Claim:
    """One step of one message, ours until the lease ends (W2). `connection_id` is as in StepKey."""

    message_id: str
    connection_id: ConnectionId
    attempts: int

    @property
    def key(self) -> StepKey:
        return StepKey(self.message_id, self.connection_id)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a step cost: its share of the quota units, the seconds of its batch, the number of messages in the batch."""

    units: float
    seconds: float
    shared_by: int


@dataclass(frozen=True, slots=True)
class Link:
    """What the ledger keeps of a mail whose author is on a record of the CRM (D2, LIVE with MailMagnet on).

    `in_inbox`: the mail was in the Inbox when it was matched. `via_list`: its author was found by E100. `labelled`: the
    outcome of its label, if the matching knew it.
    """

    contact_id: str
    contact_address: str
    matched_by: MatchedBy
    author: str
    received_at: datetime
    in_inbox: bool = True
    via_list: bool = False
    labelled: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Sortable:
    """Linked mail that waits to be sorted. `intended`: the categories that earlier tries meant for it, the last one
    first (W5). `touched`: the user has put a CRM label on it or removed one (I6)."""

    link: Link
    intended: tuple[Category, ...]
    touched: bool


@dataclass(frozen=True, slots=True)
class Planned:
    """A step as matching decides it: waiting, blocked, or done at once with an outcome."""

    step: Step
    state: State
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Ahead:
    """The steps that wait in a mailbox. A step is `coming` when it is being worked on or is ready for its first try,
    and `ready` when it could be claimed now."""

    coming: frozenset[Step]
    ready: frozenset[Step]


UNREADY_WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))
"""Waits before a mailbox that lets us in with no grant is tried again. The last one repeats."""

LABEL_WAITS = (timedelta(seconds=5), timedelta(seconds=55))
"""Waits before a label that exists but is not shown is asked for again. After the last it counts as refused (E67)."""


def unready_wait(refusals: int) -> timedelta:
    """The wait after this refusal, when there were `refusals` before it."""
    return UNREADY_WAITS[min(refusals, len(UNREADY_WAITS) - 1)]


def wait_before(attempt: int, jitter: float) -> timedelta:
    """1 s, doubling to 64 s, spread by `jitter` (0 to 1) over the upper half, as the provider asks (FACTS §4)."""
    longest = min(LONGEST_WAIT, timedelta(seconds=2.0 ** min(attempt, 10) / 2))
    return longest * (0.5 + jitter / 2)


def wait_alone(attempt: int) -> timedelta:
    """15 s, three times as long at each try, an hour at most: for a mail that was asked for alone.

    Nothing says whether the mail or the provider is in trouble, so the tries are spread over more time than an outage
    takes (E87). The mail holds up no other (E88).
    """
    return min(LONGEST_WAIT_ALONE, timedelta(seconds=5 * 3.0 ** min(attempt, 10)))
