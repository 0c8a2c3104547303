"""Finds the column of each field in the header of a file (E107)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from domain.crm.records import RecordKind
from infra.crm.fields import FIELDS, OPTIONAL
from infra.crm.text import Unusable

NOTHING = "-"
"""`--map NAME=-` says that a column is no field, so that no check asks about it."""

RIGHTS = frozenset({"visible_to", "role", "roles_above", "may_connect", "active", "assigned_to"})
"""Fields that say who may see or do what. Under a wrong name one would count as absent, and absent means everybody."""

_ALIKE = 0.75
_SHORT = len("active")
_MOST_NAME = 40


@dataclass(frozen=True, slots=True)
class Columns:
    """The place of each field, the number of columns, and the names of the columns that are no field."""

    places: Mapping[str, int]
    width: int
    unknown: tuple[str, ...]


def known(header: Sequence[str], kind: RecordKind, mapped: Mapping[str, str]) -> dict[str, list[int]]:
    """The places of each field in a header.

    `mapped` has fields by the names of their columns. Case, spaces, hyphens and underscores in names do not count.
    """
    fields = {_plain(field): field for field in (*FIELDS[kind], *OPTIONAL[kind])}
    wishes = {_plain(name): field for name, field in mapped.items()}
    found: dict[str, list[int]] = {}
    for place, name in enumerate(header):
        field = wishes.get(_plain(name), fields.get(_plain(name)))
        if field is not None and field in fields.values():
            found.setdefault(field, []).append(place)
    return found


def read_header(header: Sequence[str], kind: RecordKind, mapped: Mapping[str, str], file: str) -> Columns:
    """The columns of a header. `file` is the name of the file for messages.

    Raises Unusable when a field is missing or there twice, or when a column looks like an absent field of RIGHTS.
    """
    if not any(map(str.strip, header)):
        raise Unusable(f"{file} is empty: its first line has to be a header with {','.join(FIELDS[kind])}")
    places = known(header, kind, mapped)
    ignored = {_plain(name) for name, field in mapped.items() if field == NOTHING}
    taken = {place for those in places.values() for place in those}
    others = [
        name.strip()
        for place, name in enumerate(header)
        if place not in taken and name.strip() and _plain(name) not in ignored
    ]
    missing = [field for field in FIELDS[kind] if field not in places]
    if missing:
        raise Unusable(
            f"{file} has no column {', '.join(missing)}: its first line has to be a header with "
            f"{','.join(FIELDS[kind])}{_proposed(missing, others)}"
        )
    if twice := [field for field, those in places.items() if len(those) > 1]:
        raise Unusable(f"{file} has the column {', '.join(twice)} more than once: rename or remove one")
    _check_rights(others, [field for field in OPTIONAL[kind] if field not in places], file)
    shown = tuple(_shown(name) for name in others)
    return Columns({field: those[0] for field, those in places.items()}, len(header), shown)


def has(header: Iterable[str], name: str) -> bool:
    """Whether the header has a column of this name."""
    return _plain(name) in map(_plain, header)


def _check_rights(others: Sequence[str], absent: Sequence[str], file: str) -> None:
    for field in absent:
        if field not in RIGHTS:
            continue
        for name in others:
            if _resembles(_plain(name), _plain(field)):
                raise Unusable(
                    f"{file} has no column {field}, and one that looks like it, {_shown(name)}: rename it, or say "
                    f'--map "{_shown(name)}={field}", or --map "{_shown(name)}={NOTHING}" if it is something else'
                )


def _resembles(name: str, field: str) -> bool:
    """As `visible_to_user_ids` resembles `visible_to`. Many other words contain a short one such as `role`."""
    return (len(field) > _SHORT and field in name) or bool(get_close_matches(name, [field], 1, _ALIKE))


def _proposed(missing: Sequence[str], others: Sequence[str]) -> str:
    plain = {_plain(name): name for name in others}
    for field in missing:
        for found in get_close_matches(_plain(field), plain, 1, _ALIKE):
            return f'; --map "{_shown(plain[found])}={field}" says that a column is called otherwise'
    return ""


def _plain(name: str) -> str:
    return "".join(char for char in name.casefold() if char not in "_-" and not char.isspace())


def _shown(name: str) -> str:
    """The name of a column, cut and made safe for a terminal."""
    return "".join(char if char.isprintable() else " " for char in name[:_MOST_NAME])
