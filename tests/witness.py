"""Whoever asks for rows of an organisation says which: every statement that infra/db executes in any test is looked at.

A table with `location_id` or `organisation_id` in it is *anchored* where that column, or a key of its own that the
ledger knows it by, is compared with a value, or with a column of what is anchored. What is not is asked for over all
organisations at once: nobody may, but who is named in OVER_ALL, with the reason.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from sqlalchemy import Alias, BindParameter, Column, Engine, Insert, Table, event
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, ColumnElement, Grouping, Tuple
from sqlalchemy.sql.selectable import ScalarSelect, SelectBase

from infra.db.schema import (
    channels,
    connections,
    locations,
    metadata,
    notifications,
    shared_contacts,
    sign_ins,
)

OVER_ALL = {
    "leaving.LeavingRows.redrive_leaving": "the sweep: what is due, whosever it is",
    "reports.ReportRows.count_outdated": "the operator's report",
    "reports.ReportRows.mailboxes": "the operator's report",
    "reports.ReportRows.totals": "the operator's report",
    "reports.ReportRows.uncategorised_stages": "the operator's report",
    "reports.ReportRows.zones": "said once for each organisation at a worker's start",
    "retention.RetentionRows._old": "the purge: what is past its time, whosever it is",
    "retention.RetentionRows.sign_ins": "the purge",
    "retention.RetentionRows.versions": "the purge",
    "rotation._batches": "a new key is everybody's",
    "rotation.rotate": "a new key is everybody's",
}
"""By what is over all organisations by nature. May only shrink."""

SCOPE = ("location_id", "organisation_id")
SCOPED = {
    table
    for table in metadata.tables.values()
    if any(name in table.c for name in SCOPE) and table is not locations
}
KEYS: dict[Table, frozenset[str]] = {
    channels: frozenset({"id"}),
    connections: frozenset({"id", "mailbox_id"}),
    notifications: frozenset({"id", "connection_id"}),
    shared_contacts: frozenset({"connection_id"}),
    sign_ins: frozenset({"state"}),
}
"""Keys that are nobody else's in any organisation: the ledger has them of rows that it has found."""

_HELPERS = {"bulk", "claims", "sql"}
_ROOT = Path(__file__).parents[1] / "infra" / "db"
_clean: set[Any] = set()


class Unscoped(AssertionError):
    """A statement that asks for rows of all organisations."""


def watch() -> None:
    """From now on every statement of this process is looked at."""
    if not event.contains(Engine, "before_execute", _look):
        event.listen(Engine, "before_execute", _look)


def _look(_db: Any, statement: Any, *_: Any) -> None:
    if not isinstance(statement, visitors.Visitable):
        return
    key = statement._generate_cache_key() if hasattr(statement, "_generate_cache_key") else None
    if key is not None and key.key in _clean:
        return
    loose = unscoped(statement)
    if not loose:
        if key is not None:
            _clean.add(key.key)
        return
    caller = _caller()
    if caller is not None and caller not in OVER_ALL:
        raise Unscoped(f"{caller} asks for {', '.join(sorted(loose))} of all organisations")


def _caller() -> str | None:
    """The function of infra/db that executes it, helpers aside; None where a test does, or a process of its own."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        place = Path(frame.f_code.co_filename)
        if "sqlalchemy" not in place.parts:
            if place.parent != _ROOT:
                return None
            if place.stem not in _HELPERS:
                return f"{place.stem}.{frame.f_code.co_qualname.split('.<locals>')[0]}"
        frame = frame.f_back
    return None


def unscoped(statement: Any) -> set[str]:
    """The tables of the statement that nothing says the organisation of."""
    found = list(_parts(statement))
    references = {one for one in map(_reference, found) if one is not None}
    if isinstance(statement, Insert):
        # A row without it is refused by the database; that of the same key is brought up to date.
        references = {one for one in references if one is not statement.table and one.name != "excluded"}
    pairs = [pair for one in found if isinstance(one, BinaryExpression) for pair in _compared(one)]
    anchored: set[Any] = set()
    while True:
        more = {
            ours.table
            for ours, other in pairs
            if ours.table in references - anchored and _names(ours) and _says(other, anchored, references)
        }
        if not more:
            return {_table(one).name for one in references - anchored}
        anchored |= more


def _parts(statement: Any) -> Iterator[Any]:
    """All that it is made of; of an alias not the table, which is not asked by its own name."""
    stack = [statement]
    while stack:
        one = stack.pop()
        yield one
        if not (isinstance(one, Alias) and isinstance(one.element, Table)):
            stack += one.get_children()


def _reference(one: Any) -> Any:
    table = one.table if isinstance(one, Column) else one
    return table if isinstance(table, Table | Alias) and _table(table) in SCOPED else None


def _table(one: Any) -> Any:
    return one.element if isinstance(one, Alias) else one


def _names(column: Any) -> bool:
    """Whether it tells whose a row is."""
    return column.name in SCOPE or column.name in KEYS.get(_table(column.table), ())


def _compared(one: BinaryExpression[Any]) -> Iterator[tuple[Any, Any]]:
    """Columns with what they are compared with, from either side."""
    if one.operator not in (operators.eq, operators.in_op):
        return
    left, right = _bare(one.left), _bare(one.right)
    if isinstance(left, Tuple):
        for column in left.clauses:
            yield from _pair(_bare(column), right)
        return
    yield from _pair(left, right)
    yield from _pair(right, left)


def _pair(column: Any, other: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(column, ColumnElement) and getattr(column, "table", None) is not None:
        yield column, other


def _bare(one: Any) -> Any:
    while isinstance(one, Grouping):
        one = one.element
    return one


def _says(other: Any, anchored: set[Any], references: set[Any]) -> bool:
    """A value, or rows that are looked at by themselves, or a column of what is anchored or belongs to nobody."""
    table = getattr(other, "table", None)
    if table is None:
        return isinstance(other, BindParameter | SelectBase | ScalarSelect | ColumnElement)
    return table in anchored or table not in references
