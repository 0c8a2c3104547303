"""What a job is. The table of all jobs is workers/jobs.py."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domain.events import Event
from domain.ledger import Step
from domain.locks import LockKind
from domain.quota import Purpose
from handlers.ports.store import Transaction

MAIL = "mail"
"""The queue of most jobs; a worker asks Redis once for each queue."""

UPKEEP = "upkeep"
"""A queue of its own for renewals and for mail that users send: neither delays incoming mail or waits behind it."""

OUTSIDE = "outside"
"""The notifier's queue, so that a slow receiver never holds a worker's thread (I5)."""


@dataclass(frozen=True, slots=True)
class Due:
    """A job that the clock asks for.

    `redrive(tx, limit, seconds)` names up to `limit` ids that are due, and makes them due again `seconds` later, in
    case the job is lost. `name` is its transaction's. Nothing is asked for while units run short for `purpose`.
    """

    name: str
    event: Callable[..., Event]
    redrive: Callable[[Transaction, int, float], Sequence[int]]
    purpose: Purpose | None = None
    ticks: int = 1
    """Ticks of the sweep from one look to the next."""


@dataclass(frozen=True, slots=True)
class Job:
    """A handler with its queue and what asks for it.

    `name` is the actor's and stands in queued messages: when it changes, the messages under the old name are lost.
    The sweep asks for a job when it is `due`. It asks again for what the queue has lost (W13): by the `step` of the
    ledger that the job takes, by `redrive`, which names up to `limit` ids with work that has no owner, and by the
    mailboxes that are `marked` dirty for it in Redis.
    """

    name: str
    handler: Callable[..., None]
    woken_by: type[Event]
    queue: str = MAIL
    goes_on: bool = False
    """Whether the thread that asks for it once does it next (workers/onward.py)."""
    due: Due | None = None
    step: Step | None = None
    redrive: Callable[[Transaction, int], Sequence[int]] | None = None
    marked: LockKind | None = None

    def event_of(self, one: int) -> Event:
        """What wakes it for this mailbox, channel or connection."""
        event: Callable[..., Event] = self.woken_by
        return event(one)
