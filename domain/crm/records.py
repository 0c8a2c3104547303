"""The CRM's records as they come in: contacts, deals and users (E8, E9, E12, E20)."""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum

from domain.crm.contacts import ContactKind
from domain.crm.deals import DealCategory

SEPARATORS = (" ::: ", ";", ",", "\r", "\n")
"""Between several values in a cell of a file."""

_SEPARATOR = re.compile("[;,\r\n]| ::: ")
_MOST_PARTS = 5
"""Separators within one id, and one more."""


class RecordKind(StrEnum):
    """The kinds of records that the CRM hands us."""

    CONTACTS = "contacts"
    DEALS = "deals"
    USERS = "users"


@dataclass(frozen=True, slots=True)
class ContactRecord:
    """A contact or lead. One without any address is a record all the same: nothing can match it (E20).

    `visible_to` are the users who may open it besides the assigned one (D13); everybody where nobody is named.
    `merged_from` are records that have become this one: merged contacts (E71), or the lead that it was.
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
    """A deal and everybody who is its main contact or has a role in it; `category` None when its stage has none."""

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
    superiors in the hierarchy (D13). `locations` are names of those of the organisation's that he is a member of; of
    all where none is named (T1).
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
    """What has become of one record; `record` is None when it was deleted.

    `version` grows with every change of the record, so that what comes late or twice is known for what it is.
    `left_out` says what of the record does not go in, never what stood there.
    """

    kind: RecordKind
    id: str
    version: int
    record: Record | None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that does not go in: the line it begins on and why, never what stood there (D2).

    `id` is what could be read of its id: a record that is refused is not one that is absent. `word` is its word
    for a category where that is what nobody knows (E9): the CRM's own, nobody's data.
    """

    line: int
    reason: str
    id: str | None = None
    word: str | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """A record that goes in, but for what is said here: its first line and why, never what stood there (D2)."""

    line: int
    reason: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Unread:
    """From the record on that begins on `line` nobody can tell records from text: so many lines are not read."""

    line: int
    lines: int
    reason: str


Row = Record | Refusal | Remark | Unread


@dataclass(frozen=True, slots=True)
class Outdated:
    """A record of which a change was refused, and why: what we know of it is older than what the CRM knows (E9)."""

    kind: RecordKind
    id: str
    since: datetime
    reason: str


def category_word(text: str) -> str:
    """The form in which words for categories are compared (E9)."""
    return " ".join(text.split()).casefold()


def day_of(moment: datetime, zone: tzinfo) -> date:
    """A moment where a date is meant (E106): midnight UTC is how programs write a date, any other moment with an
    offset is the day it is for the organisation."""
    midnight_utc = moment.utcoffset() == timedelta() and moment.time() == time.min
    return moment.date() if moment.tzinfo is None or midnight_utc else moment.astimezone(zone).date()


def start_of(day: date, zone: tzinfo) -> datetime:
    """When the day begins for the organisation (E106)."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def entries(cell: str, whole: Container[str] = ()) -> tuple[str, ...]:
    """The values of a cell that holds several (E107). One that is known `whole` is not split at the separators in
    it: the longest that is known counts."""
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
    """Whether a cell with this one value would be taken for several."""
    return _SEPARATOR.search(text) is not None
