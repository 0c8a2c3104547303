"""What may be kept of a mail and for how long, and the deletion of old rows in stretches (D2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.connections.connections import Mode


class Data(StrEnum):
    """The rows of D2. Those that have a table of their own in it are kept where the content is."""

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
"""Nothing of any mail, only the connection itself."""

ENDED = NOTHING | {Data.MESSAGE_ID, Data.FACTS}
"""Of mail that a feature has looked at and left: its id and its outcome."""

_THREE_DETAILS = ENDED | {Data.AUTHOR, Data.RECEIVED_AT}


def kept(mode: Mode, admission: Admission, *, magnet: bool) -> frozenset[Data]:
    """D2's column: what may be kept of a mail for a connection of this mode, with MailMagnet on or off for it.

    Mail that D7 does not admit is kept as in the LIVE columns, with its id and its outcome in any case.
    """
    if mode is not Mode.LIVE and admission is Admission.ADMITTED:
        return frozenset(Data)
    if magnet:
        return _THREE_DETAILS
    return NOTHING if mode is Mode.LIVE else ENDED


After = tuple[int | str | datetime, ...]
"""The key of the last row that a stretch has looked at. Empty before the first stretch."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long rows are kept, in days.

    `mail`: the ledger's rows of a finished mail and of a sent one, and events. Of labelled mail, id and category
    stay while sorting is on, so that it is never labelled again (E58). `notifications`: those on users' lists,
    except those that still wait for a channel. `deleted`: the version of a deleted record, which voids older
    changes that may still wait in the CRM's queue; it stays longer while a merge into the record is known.
    `deliveries`: those that no receiver has taken; the notification stays on the user's list. `merged`: a merge,
    until no kept row can name its records.
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
    """How many rows the next stretch looks at, after a stretch of `rows` rows took `seconds`.

    Other transactions and the end of the process wait for a stretch, so that a slow machine gets fewer rows.
    """
    as_long = int(rows * LONG / seconds) if seconds > 0 else most
    return max(FEWEST, min(as_long, 2 * rows, most))


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A stretch: the number of deleted rows, and the key after which the next one begins, None when it was the last.

    `channels`: the number of deliveries that each channel has lost.
    """

    rows: int
    after: After | None
    channels: Mapping[int, int] = field(default_factory=dict)
