"""What the CRM's records may look like, whichever way they come: one set of checks for files and for messages."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime

from domain.addresses import canonical
from domain.contacts import Kind
from domain.crm import ContactRecord, DealRecord, Record, Records, UserRecord
from domain.labels import DealCategory

Value = str | Sequence[str]
"""Text, or for a field of LISTS its entries."""

FIELDS: Mapping[Records, tuple[str, ...]] = {
    Records.CONTACTS: ("id", "kind", "name", "emails", "assigned_to", "created_at"),
    Records.DEALS: ("id", "contact_ids", "stage", "category", "closing_date"),
    Records.USERS: ("id", "name", "emails"),
}
OPTIONAL: Mapping[Records, Mapping[str, Value]] = {
    Records.CONTACTS: {"visible_to": ()},
    Records.DEALS: {},
    Records.USERS: {"role": "", "roles_above": (), "may_connect": "true", "active": "true"},
}
"""Fields that may be absent, after those of FIELDS, and what they count as then."""

LISTS = frozenset({"emails", "contact_ids", "visible_to", "roles_above"})
YES_OR_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
MAX_ID = 255


class Unfit(Exception):
    """A record that cannot go in. The text names the field and never what stands in it (D2)."""


def read(kind: Records, values: Sequence[Value]) -> Record:
    """The record whose fields these are, in the order of FIELDS and then OPTIONAL; space around them does not
    count. Raises Unfit.
    """
    stripped = [
        value.strip() if isinstance(value, str) else [entry.strip() for entry in value] for value in values
    ]
    _check_text(entry for value in stripped for entry in ([value] if isinstance(value, str) else value))
    return _READ[kind](*stripped)


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
    contact_id: str,
    kind: str,
    name: str,
    emails: Sequence[str],
    assigned_to: str,
    created_at: str,
    visible_to: Sequence[str],
) -> ContactRecord:
    return ContactRecord(
        id=_id("id", contact_id),
        kind=_kind(kind),
        name=name,
        addresses=_addresses(emails),
        assigned_to=assigned_to or None,
        created_at=_moment(created_at),
        visible_to=_ids("visible_to", visible_to),
    )


def _deal(
    deal_id: str, contact_ids: Sequence[str], stage: str, category: str, closing_date: str
) -> DealRecord:
    return DealRecord(
        id=_id("id", deal_id),
        contact_ids=_ids("contact_ids", contact_ids),
        stage=stage,
        category=DealCategory.__members__.get(category.upper()),
        closing_date=_day(closing_date) if closing_date else None,
    )


def _user(
    user_id: str,
    name: str,
    emails: Sequence[str],
    role: str,
    roles_above: Sequence[str],
    may_connect: str,
    active: str,
) -> UserRecord:
    return UserRecord(
        id=_id("id", user_id),
        name=name,
        addresses=_addresses(emails),
        role=role or None,
        roles_above=_ids("roles_above", roles_above),
        may_connect=_yes_or_no("may_connect", may_connect),
        active=_yes_or_no("active", active),
    )


_READ: Mapping[Records, Callable[..., Record]] = {
    Records.CONTACTS: _contact,
    Records.DEALS: _deal,
    Records.USERS: _user,
}


def _id(field: str, text: str) -> str:
    if not text:
        raise Unfit(f"{field} is missing")
    if len(text) > MAX_ID:
        raise Unfit(f"{field} is longer than {MAX_ID} characters")
    return text


def _ids(field: str, entries: Sequence[str]) -> tuple[str, ...]:
    """Each once, in their order."""
    return tuple(dict.fromkeys(_id(f"{field}: entry {place}", one) for place, one in enumerate(entries, 1)))


def _yes_or_no(field: str, text: str) -> bool:
    """A word that is neither refuses the record: it might take a permission away, or give one."""
    try:
        return YES_OR_NO[text.lower()]
    except KeyError:
        raise Unfit(f"{field} is neither true nor false") from None


def _kind(text: str) -> Kind:
    try:
        return Kind(text.lower())
    except ValueError:
        raise Unfit("kind is neither contact nor lead") from None


def _addresses(entries: Sequence[str]) -> tuple[str, ...]:
    """Every address in its exact form, once. One that is none refuses the record: it might be a typing error
    that would go unnoticed for good."""
    found: dict[str, None] = {}
    for place, entry in enumerate(entries, 1):
        address = canonical(entry)
        if address is None:
            raise Unfit(f"emails: entry {place} is no address")
        found[address] = None
    return tuple(found)


def _moment(text: str) -> datetime:
    """ISO 8601; without a zone it is UTC, without a time the day's beginning."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Unfit("created_at is no ISO 8601 date or time") from None


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Unfit("closing_date is no ISO 8601 date") from None
