"""What may be kept of a mail, for how long, and what a stretch of forgetting came to (D2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.connections import Mode


class Data(StrEnum):
    """What there is to keep, row by row of D2."""

    MESSAGE_ID = "D2-1"
    AUTHOR = "D2-2"
    RECEIVED_AT = "D2-3"
    CONTENT = "D2-4"
    FACTS = "D2-5"
    CONNECTION = "D2-6"


class Admission(StrEnum):
    """Whether two-way sync takes a mail in (D7)."""

    NOT_THIS_MODE = "not_this_mode"
    REFUSED = "refused"
    ADMITTED = "admitted"


NOTHING = frozenset({Data.CONNECTION})
"""Nothing of any mail: what is kept of a connection as such."""

ENDED = NOTHING | {Data.MESSAGE_ID, Data.FACTS}
"""Of mail that somebody's feature has looked at and left: its id, and what became of it."""

_THREE_DETAILS = ENDED | {Data.AUTHOR, Data.RECEIVED_AT}


def kept(mode: Mode, admission: Admission, *, magnet: bool) -> frozenset[Data]:
    """D2's column: what may be kept of a mail for a connection of this mode, with MailMagnet on or off for it.

    What D7 does not admit is as in the LIVE columns, but for its id and what became of it.
    """
    if mode is not Mode.LIVE and admission is Admission.ADMITTED:
        return frozenset(Data)
    if magnet:
        return _THREE_DETAILS
    return NOTHING if mode is Mode.LIVE else ENDED


After = tuple[int | str | datetime, ...]
"""Where a stretch ended: the key of the last row that was looked at. Empty at the beginning."""


@dataclass(frozen=True, slots=True)
class Retention:
    """In days. `mail` is what the ledger knows of a mail that is done with, and of one that a user has sent; of
    labelled mail id and category stay while sorting is on, so that it is never labelled again (E58).
    `notifications`: what the CRM shows, unless it is on its way to a channel still. `deleted`: the version of a
    deleted record, which voids older changes of it for as long as one may wait in the CRM's queue; longer where records
    that were merged into it are known still. `deliveries`: what no receiver has taken; it stays on its user's list.
    `merged`: that a record was merged into another, when nothing of all this can name it any more.
    """

    mail: int = 35
    notifications: int = 365
    deleted: int = 90
    deliveries: int = 7

    @property
    def merged(self) -> int:
        return max(self.mail, self.notifications, self.deleted)


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
