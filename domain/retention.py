"""How long what is kept is kept, and what a stretch of forgetting came to (D2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

After = tuple[int | str | datetime, ...]
"""Where a stretch ended: the key of the last row that was looked at. Empty at the beginning."""


@dataclass(frozen=True, slots=True)
class Retention:
    """In days. `mail` is what the ledger knows of a mail that is done with, and of one that a user has sent; of
    labelled mail id and category stay while sorting is on, so that it is never labelled again (E58).
    `notifications`: what the CRM shows, unless it is on its way to a channel still. `deleted`: the version of a
    deleted record, which voids older changes of it for as long as one may wait in the CRM's queue. `deliveries`: what
    no receiver has taken; it stays on its user's list.
    """

    mail: int = 35
    notifications: int = 365
    deleted: int = 90
    deliveries: int = 7


FEWEST, MOST = 25, 500
"""Rows that a stretch looks at."""

LONG = 0.2
"""Seconds: about what a stretch may take."""


def next_stretch(rows: int, seconds: float, most: int = MOST) -> int:
    """How many rows the next stretch looks at, after one of so many took so long. Others wait for a stretch, and so
    does the end of the process: on a slow or busy machine fewer rows are as long."""
    as_long = int(rows * LONG / seconds) if seconds > 0 else most
    return max(FEWEST, min(as_long, 2 * rows, most))


@dataclass(frozen=True, slots=True)
class Forgotten:
    """So many rows, and where to go on; None where nothing else is old. `channels`: how many each of them has lost."""

    rows: int
    after: After | None
    channels: Mapping[int, int] = field(default_factory=dict)
