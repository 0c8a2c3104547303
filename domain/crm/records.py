"""The CRM's records as they come in: contacts, deals and users (E8, E9, E12, E20)."""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum

from domain.crm.contacts import ContactKind
from domain.crm.deals import DealCategory

SEPARATORS = (" ::: ", ";", ",", "\r", "\n")
"""What separates several values in a cell of a file."""

_SEPARATOR = re.compile("[;,\r\n]| ::: ")
_MOST_PARTS = 5
"""The most parts that the separators within one id may make."""


class RecordKind(StrEnum):
    """The kinds of records that the CRM sends."""

    CONTACTS = "contacts"
    DEALS = "deals"
    USERS = "users"


@dataclass(frozen=True, slots=True)
class ContactRecord:
    """A contact or lead; without an address no mail can match it (E20).

    `visible_to` are the users who may open it besides the assigned one; empty means all users (D13). `merged_from` are
    records that were merged into this one (E71), or the lead that it was.
    """

    id: str
    kind: ContactKind
    name: str
    addresses: tuple[str, ...]
    assigned_to: str | None
    created_at: datetime
    visible_to: tuple[str, ...] = ()
    merged_from: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows of the database it takes."""
        return 1 + len(self.addresses) + len(self.visible_to)


@dataclass(frozen=True, slots=True)
class DealRecord:
    """A deal with its main contact and those with a role in it; `category` is None when its stage has none."""

    id: str
    contact_ids: tuple[str, ...]
    stage: str
    category: DealCategory | None
    closing_date: date | None

    @property
    def counts_as(self) -> DealCategory:
        """A stage without category counts as OPEN (E9)."""
        return self.category or DealCategory.OPEN

    @property
    def rows(self) -> int:
        """How many rows of the database it takes."""
        return 1 + len(self.contact_ids)


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A user of the CRM, whose addresses are insiders (D3 row 9).

    `may_connect`: his profile grants the mail-integration permission (Z6). `roles_above` are the roles of his
    superiors in the hierarchy (D13). `locations` are names of the organisation's locations that he is a member of;
    empty means all (T1).
    """

    id: str
    name: str
    addresses: tuple[str, ...]
    role: str | None = None
    roles_above: tuple[str, ...] = ()
    may_connect: bool = True
    active: bool = True
    locations: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows of the database it takes."""
        return 1 + len(self.addresses)


Record = ContactRecord | DealRecord | UserRecord


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one record; `record` is None when it was deleted.

    `version` grows with each change of the record, so that a change that comes late or twice is recognised.
    `left_out` says which parts of the record are not kept, without their content.
    """

    kind: RecordKind
    id: str
    version: int
    record: Record | None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that is refused: the line it begins on and why, without its content (D2).

    `id` is its id as far as it could be read, so that a refused record does not count as absent. `word` is the unknown
    word for a category, where that is the reason (E9).
    """

    line: int
    reason: str
    id: str | None = None
    word: str | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """A record of which a part is left out: its first line and why, without the content (D2)."""

    line: int
    reason: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Unread:
    """From `line` on records cannot be told from text, so that `lines` lines are not read."""

    line: int
    lines: int
    reason: str


Row = Record | Refusal | Remark | Unread


@dataclass(frozen=True, slots=True)
class Outdated:
    """A record that is older here than in the CRM, because a change of it was refused, and why (E9)."""

    kind: RecordKind
    id: str
    since: datetime
    reason: str


def category_word(text: str) -> str:
    """A word for a category in the form in which such words are compared (E9)."""
    return " ".join(text.split()).casefold()


def day_of(moment: datetime, zone: tzinfo) -> date:
    """The date that a moment stands for, where a date is meant (E106).

    Midnight UTC is how programs write a date. Any other moment with an offset is the organisation's date then.
    """
    midnight_utc = moment.utcoffset() == timedelta() and moment.time() == time.min
    return moment.date() if moment.tzinfo is None or midnight_utc else moment.astimezone(zone).date()


def start_of(day: date, zone: tzinfo) -> datetime:
    """When the day begins for the organisation (E106)."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def entries(cell: str, whole: Container[str] = ()) -> tuple[str, ...]:
    """The values of a cell that holds several (E107).

    A value that is known `whole` is not split at the separators in it; the longest known one counts.
    """
    parts = _SEPARATOR.split(cell)
    found = parts if not whole or len(parts) == 1 else _joined(cell, whole)
    return tuple(entry for part in found if (entry := part.strip()))


def _joined(cell: str, whole: Container[str]) -> Iterator[str]:
    ends = [(found.start(), found.end()) for found in _SEPARATOR.finditer(cell)] + [(len(cell), len(cell))]
    begin = first = 0
    while first < len(ends):
        most = min(len(ends), first + _MOST_PARTS)
        known = (last for last in range(most - 1, first, -1) if cell[begin : ends[last][0]].strip() in whole)
        last = next(known, first)
        yield cell[begin : ends[last][0]]
        begin, first = ends[last][1], last + 1


def has_separator(text: str) -> bool:
    """Whether a cell with this one value would be read as several."""
    return _SEPARATOR.search(text) is not None
