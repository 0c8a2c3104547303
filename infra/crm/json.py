"""Reads the CRM's changes from JSON, in the format of docs/CRM.md."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.crm.merges import Merge
from domain.crm.records import Change, RecordKind, Refusal, Remark
from infra.crm.fields import (
    CATEGORY_HELP,
    FIELDS,
    LISTS,
    OPTIONAL,
    PLAIN,
    Customs,
    Unfit,
    Value,
    read,
    read_id,
    read_merge,
)

CHANGES: Mapping[str, tuple[RecordKind, bool]] = {
    "crm.upsert_contact": (RecordKind.CONTACTS, True),
    "crm.delete_contact": (RecordKind.CONTACTS, False),
    "crm.upsert_deal": (RecordKind.DEALS, True),
    "crm.delete_deal": (RecordKind.DEALS, False),
    "crm.upsert_user": (RecordKind.USERS, True),
    "crm.delete_user": (RecordKind.USERS, False),
}
"""By actor: the kind of record, and whether the record exists after the change."""

MERGE = "crm.merge_contacts"
ACTORS = (*CHANGES, MERGE)

NULLABLE = frozenset({"assigned_to", "category", "closing_date", "role"})
"""Fields that may be null."""

LOCATION = "location"
"""The field for the record's location, as ORGANISATION/LOCATION. Without it there must be one location only (T1)."""

YES_OR_NO = frozenset({"may_connect", "active"})

MAX_VERSION = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file of changes: the name of the actor, and the fields that it gets."""

    actor: str
    fields: Mapping[str, Any]


def read_change(actor: str, fields: Mapping[str, object], customs: Customs = PLAIN) -> Change:
    """The change that a message to this actor asks for. Raises Unfit."""
    kind, upsert = CHANGES[actor]
    names = FIELDS[kind] if upsert else ("id",)
    optional = OPTIONAL[kind] if upsert else {}
    _check_names(fields, ("version", *names), (*optional, LOCATION))
    version = _version(fields["version"])
    if not upsert:
        return Change(kind, read_id(_text("id", fields["id"])), version, None)
    values = [_value(name, fields[name]) for name in names]
    values += [_value(name, fields[name]) if name in fields else value for name, value in optional.items()]
    found = read(kind, values, customs)
    return Change(kind, found.record.id, version, found.record, found.left_out)


def read_message(actor: str, fields: Mapping[str, object], customs: Customs = PLAIN) -> Change | Merge:
    """What a message to this actor asks for. Raises Unfit."""
    if actor != MERGE:
        return read_change(actor, fields, customs)
    _check_names(fields, ("version", "id", "merged_ids"), (LOCATION,))
    losers = _texts("merged_ids", fields["merged_ids"])
    return read_merge(_text("id", fields["id"]), losers, _version(fields["version"]))


def kind_of(actor: str) -> RecordKind:
    """The kind of record that the actor changes."""
    return RecordKind.CONTACTS if actor == MERGE else CHANGES[actor][0]


def id_of(fields: Mapping[str, object]) -> str | None:
    """The id of a refused record; None when it cannot be read."""
    try:
        return read_id(_text("id", fields.get("id")))
    except Unfit:
        return None


def location_of(fields: Mapping[str, object]) -> str | None:
    """The location that a message names, None when it names none. Raises Unfit."""
    named = fields.get(LOCATION)
    return None if named is None else _text(LOCATION, named)


def version_of(fields: Mapping[str, object]) -> int | None:
    """The version of a refused record; None when it cannot be read."""
    try:
        return _version(fields.get("version"))
    except Unfit:
        return None


def read_lines(lines: Iterable[bytes], customs: Customs = PLAIN) -> Iterator[Line | Refusal | Remark]:
    """Read JSON Lines: each line is a change, with the name of its actor as "actor". Empty lines are skipped.

    Yields each line or its refusal. Remarks on what the actor will leave out follow their line.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found, left_out = _read_line(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line, customs)
            yield found
            yield from (Remark(number, text) for text in left_out)
        except Unfit as error:
            yield Refusal(number, f"{error}{CATEGORY_HELP if error.word else ''}", word=error.word)


def _read_line(line: bytes, customs: Customs) -> tuple[Line, tuple[str, ...]]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        raise Unfit("the line is no JSON") from None
    if not isinstance(fields, dict):
        raise Unfit("the line is no JSON object")
    actor = fields.pop("actor", None)
    if not isinstance(actor, str) or actor not in ACTORS:
        raise Unfit(f"actor is none of {', '.join(ACTORS)}")
    found = read_message(actor, fields, customs)
    return Line(actor, fields), found.left_out if isinstance(found, Change) else ()


def _check_names(fields: Mapping[str, object], names: Sequence[str], optional: Iterable[str]) -> None:
    """A missing field refuses the message: it is more likely a mistake than a wish to empty the field."""
    for name in names:
        if name not in fields:
            raise Unfit(f"{name} is missing")
    if fields.keys() - {*names, *optional}:
        raise Unfit(f"there is a field besides {', '.join((*names, *optional))}")


def _version(value: object) -> int:
    """A whole number stays as it is; a time becomes its microseconds since 1970."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_VERSION:
        return value
    if isinstance(value, str) and _RFC_3339.fullmatch(value.upper()):
        try:
            since = datetime.fromisoformat(value.upper()) - _EPOCH
        except ValueError:
            pass
        else:
            if since >= timedelta():
                return since // timedelta(microseconds=1)
    raise Unfit("version is neither a whole number from 0 to 2^63-1 nor an RFC 3339 time since 1970")


def _value(name: str, value: object) -> Value:
    if name in YES_OR_NO:
        return _yes_or_no(name, value)
    if name not in LISTS:
        return "" if value is None and name in NULLABLE else _text(name, value)
    return _texts(name, value)


def _texts(name: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise Unfit(f"{name} is no list of texts")
    return value


def _yes_or_no(name: str, value: object) -> str:
    if not isinstance(value, bool):
        raise Unfit(f"{name} is neither true nor false")
    return "true" if value else "false"


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise Unfit(f"{name} is no text")
    return value
