"""Checks the fields of the CRM's records, for files and for messages alike."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo

from domain.crm.contacts import ContactKind
from domain.crm.deals import DealCategory
from domain.crm.merges import Merge
from domain.crm.records import (
    ContactRecord,
    DealRecord,
    Record,
    RecordKind,
    UserRecord,
    category_word,
    day_of,
    start_of,
)
from domain.errors import LodestoneError
from domain.mail.addresses import canonical

Value = str | Sequence[str]
"""The text of a field, or the entries of a field of LISTS."""

CATEGORY_HELP = (
    "; `--category WORD=LOST`, or `lodestone settings set category WORD LOST`, says what a word counts as"
)
"""What to do about a word that is no category."""

FIELDS: Mapping[RecordKind, tuple[str, ...]] = {
    RecordKind.CONTACTS: ("id", "kind", "name", "emails", "assigned_to", "created_at"),
    RecordKind.DEALS: ("id", "contact_ids", "stage", "category", "closing_date"),
    RecordKind.USERS: ("id", "name", "emails"),
}
OPTIONAL: Mapping[RecordKind, Mapping[str, Value]] = {
    RecordKind.CONTACTS: {"visible_to": (), "merged_from": ()},
    RecordKind.DEALS: {},
    RecordKind.USERS: {
        "role": "",
        "roles_above": (),
        "may_connect": "true",
        "active": "true",
        "locations": (),
    },
}
"""Fields that may be absent, and their values then. They follow those of FIELDS."""

_EMAILS = {kind: fields.index("emails") for kind, fields in FIELDS.items() if "emails" in fields}
LISTS = frozenset({"emails", "contact_ids", "visible_to", "roles_above", "locations", "merged_from"})
YES_OR_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
MAX_ID = 255
MOST_MERGED = 1_000
_LONGEST_DATE = len("2026-03-31")
HAS_TIME = re.compile("%[HIMSfTXRcsp]")
"""Finds a time of day in a date format."""


class Unfit(LodestoneError):
    """A record that is refused. The text names the field, never its value (D2).

    `word` is the unknown word for a category, where that is the reason. Only the operator may see it.
    """

    def __init__(self, text: str, word: str | None = None) -> None:
        super().__init__(text)
        self.word = word


@dataclass(frozen=True, slots=True)
class Customs:
    """How the organisation writes categories, dates and times. Functions are called only when a record needs them."""

    category: Callable[[str], DealCategory | None] = lambda word: None
    """The category that a word counts as; None for an unknown word (E9)."""

    zone: Callable[[], tzinfo] = lambda: UTC
    date_format: str | None = None
    """A format of strptime; None means ISO 8601 (E106)."""


PLAIN = Customs()


@dataclass(frozen=True, slots=True)
class Understood:
    """A record, and a line about each part that was left out."""

    record: Record
    left_out: tuple[str, ...]


def read(kind: RecordKind, values: Sequence[Value], customs: Customs = PLAIN) -> Understood:
    """The record with these values, which are in the order of FIELDS and then OPTIONAL.

    Space around a value does not count. Raises Unfit.
    """
    stripped: list[Value] = [
        value.strip() if isinstance(value, str) else [entry.strip() for entry in value] for value in values
    ]
    _check_text(entry for value in stripped for entry in ([value] if isinstance(value, str) else value))
    left_out: tuple[str, ...] = ()
    if (place := _EMAILS.get(kind)) is not None:
        stripped[place], left_out = _addresses(stripped[place])
    return Understood(_READ[kind](customs, *stripped), left_out)


def read_id(text: str) -> str:
    """The id of a record. Raises Unfit."""
    stripped = text.strip()
    _check_text([stripped])
    return _id("id", stripped)


def _check_text(values: Iterable[str]) -> None:
    text = "".join(values)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unfit("the record is not UTF-8") from None
    if "\0" in text:
        raise Unfit("the record holds a NUL character")


def _contact(
    customs: Customs,
    contact_id: str,
    kind: str,
    name: str,
    emails: Sequence[str],
    assigned_to: str,
    created_at: str,
    visible_to: Sequence[str],
    merged_from: Sequence[str],
) -> ContactRecord:
    return ContactRecord(
        id=_id("id", contact_id),
        kind=_kind(kind),
        name=name,
        addresses=tuple(emails),
        assigned_to=assigned_to or None,
        created_at=_moment(created_at, customs),
        visible_to=_ids("visible_to", visible_to),
        merged_from=_losers("merged_from", contact_id, merged_from),
    )


def _deal(
    customs: Customs,
    deal_id: str,
    contact_ids: Sequence[str],
    stage: str,
    category: str,
    closing_date: str,
) -> DealRecord:
    return DealRecord(
        id=_id("id", deal_id),
        contact_ids=_ids("contact_ids", contact_ids),
        stage=stage,
        category=_category(category, customs) if category else None,
        closing_date=_day(closing_date, customs) if closing_date else None,
    )


def _user(
    customs: Customs,
    user_id: str,
    name: str,
    emails: Sequence[str],
    role: str,
    roles_above: Sequence[str],
    may_connect: str,
    active: str,
    locations: Sequence[str],
) -> UserRecord:
    return UserRecord(
        id=_id("id", user_id),
        name=name,
        addresses=tuple(emails),
        role=role or None,
        roles_above=_ids("roles_above", roles_above),
        may_connect=_yes_or_no("may_connect", may_connect),
        active=_yes_or_no("active", active),
        locations=_ids("locations", locations),
    )


_READ: Mapping[RecordKind, Callable[..., Record]] = {
    RecordKind.CONTACTS: _contact,
    RecordKind.DEALS: _deal,
    RecordKind.USERS: _user,
}


def _id(field: str, text: str) -> str:
    if not text:
        raise Unfit(f"{field} is missing")
    if len(text) > MAX_ID:
        raise Unfit(f"{field} is longer than {MAX_ID} characters")
    return text


def _ids(field: str, entries: Sequence[str]) -> tuple[str, ...]:
    """Each id once, in the order of the entries."""
    return tuple(dict.fromkeys(_id(f"{field}: entry {place}", one) for place, one in enumerate(entries, 1)))


def read_merge(survivor: str, losers: Sequence[str], version: int) -> Merge:
    """The merge of `losers` into `survivor`. Raises Unfit."""
    found = _losers("merged_ids", survivor := read_id(survivor), losers)
    if not found:
        raise Unfit("merged_ids is empty")
    return Merge(survivor, found, version)


def _losers(field: str, survivor: str, entries: Sequence[str]) -> tuple[str, ...]:
    """The ids of the merged records: at most MOST_MERGED, so that one transaction takes them."""
    _check_text(entries)
    found = _ids(field, [one.strip() for one in entries])
    if survivor in found:
        raise Unfit(f"{field} names the record itself")
    if len(found) > MOST_MERGED:
        raise Unfit(f"{field} names more than {MOST_MERGED} records")
    return found


def _yes_or_no(field: str, text: str) -> bool:
    """Any other word refuses the record, because a guess could give or take a permission."""
    try:
        return YES_OR_NO[text.lower()]
    except KeyError:
        raise Unfit(f"{field} is neither true nor false") from None


def _kind(text: str) -> ContactKind:
    try:
        return ContactKind(text.lower())
    except ValueError:
        raise Unfit("kind is neither contact nor lead") from None


def _category(text: str, customs: Customs) -> DealCategory:
    """An unknown word refuses the record: counted as OPEN, it would make open deals of lost ones (E9)."""
    found = DealCategory.__members__.get(text.upper()) or customs.category(category_word(text))
    if found is None:
        raise Unfit(f"category is none of {', '.join(DealCategory)}", word=text)
    return found


def _addresses(entries: Value) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Each address once, in its exact form, and a line about each entry that is no address.

    Without the line nobody would notice a typing error. Raises Unfit when no entry is an address.
    """
    found = [canonical(entry) for entry in entries]
    bad = [f"emails: entry {place} is no address" for place, one in enumerate(found, 1) if one is None]
    good = tuple(dict.fromkeys(one for one in found if one is not None))
    if bad and not good:
        raise Unfit(bad[0])
    return good, tuple(f"{text} and was left out" for text in bad)


def _moment(text: str, customs: Customs) -> datetime:
    """A date means the start of the organisation's day (E106); a time without a zone is UTC."""
    try:
        moment = _read_time(text, customs)
        if not isinstance(moment, datetime):
            return start_of(moment, customs.zone())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Unfit(f"created_at is no {_wanted(customs)} or time") from None


def _day(text: str, customs: Customs) -> date:
    try:
        found = _read_time(text, customs)
        if not isinstance(found, datetime):
            return found
        return day_of(found, customs.zone() if found.tzinfo else UTC)
    except (ValueError, OverflowError):
        raise Unfit(f"closing_date is no {_wanted(customs)}") from None


def _read_time(text: str, customs: Customs) -> date | datetime:
    """A datetime, or a date when no time of day is written. Raises ValueError."""
    if customs.date_format is not None:
        found = datetime.strptime(text, customs.date_format)  # noqa: DTZ007 - E106 says what no zone means
        return found if HAS_TIME.search(customs.date_format) else found.date()
    return date.fromisoformat(text) if len(text) <= _LONGEST_DATE else datetime.fromisoformat(text)


def _wanted(customs: Customs) -> str:
    return "ISO 8601 date" if customs.date_format is None else f"date as {customs.date_format} writes it"
