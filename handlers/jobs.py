"""What a job is. All of them stand in one table, workers/jobs.py."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domain.events import Event
from domain.ledger import Step
from domain.locks import LockKind
from domain.quota import Purpose
from handlers.ports.store import Transaction

MAIL = "mail"
"""The queue of most jobs: one queue asks Redis once."""

UPKEEP = "upkeep"
"""So that a day's renewals never delay a mail. What a user sends does not wait behind a burst of what he gets, and
takes one thread per mailbox at most."""

OUTSIDE = "outside"
"""The notifier takes these jobs and no other, so that a slow receiver outside never holds a worker's thread (I5)."""


@dataclass(frozen=True, slots=True)
class Due:
    """By the clock: `redrive` names up to so many whose moment has come, and sets the next one, so many seconds later,
    in case the job is lost. `name` is its transaction's. It waits while units run short for its `purpose`.
    """

    name: str
    event: Callable[[int], Event]
    redrive: Callable[[Transaction, int, float], Sequence[int]]
    purpose: Purpose | None = None
    ticks: int = 1
    """Of the sweep, from one look to the next."""


@dataclass(frozen=True, slots=True)
class Job:
    """`name` is the actor's and stands in the queue: another one would strand what waits under the old.

    How the sweep asks for it, and again for what the queue has lost (W13): when it is `due`; by the `step` of the
    ledger that it takes; by `redrive`, which names up to so many for whom something waits that nobody works on, and
    sets when they are looked at again; and by what is `marked` as dirty for it in Redis.
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
