"""Whether a statement says whose rows it asks for (T2).

A table with `location_id` or `organisation_id` in it is *anchored* where that column, or a key of its own that the
ledger knows it by, is compared with a value, or with a column of what is anchored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    Alias,
    BindParameter,
    Column,
    Delete,
    Insert,
    Join,
    ScalarSelect,
    Select,
    Subquery,
    Table,
    Update,
)
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList, ColumnElement, Grouping, Tuple
from sqlalchemy.sql.selectable import SelectBase

from infra.db.tables.channels import channels
from infra.db.tables.connections import connections, shared_contacts, sign_ins
from infra.db.tables.conversations import files, mails
from infra.db.tables.crm import locations, organisations
from infra.db.tables.events import events
from infra.db.tables.mail import notifications
from infra.db.tables.schema import metadata

SCOPE = ("location_id", "organisation_id")
SCOPED = {
    table
    for table in metadata.tables.values()
    if any(name in table.c for name in SCOPE) and table is not locations
}
KEYS: dict[Table, frozenset[str]] = {
    channels: frozenset({"id"}),
    connections: frozenset({"id", "mailbox_id"}),
    events: frozenset({"id"}),
    files: frozenset({"object"}),
    mails: frozenset({"object"}),
    notifications: frozenset({"id", "connection_id"}),
    shared_contacts: frozenset({"connection_id"}),
    sign_ins: frozenset({"state"}),
}
"""Keys that are nobody else's in any organisation: the ledger has them of rows that it has found. Whoever was opened
for an organisation may have been told one by somebody of another, and joins by them only."""

PLACES = frozenset({locations, organisations})
"""They belong to nobody, and a column of theirs says whose a row is only where it is said which of them is meant."""


@dataclass(frozen=True, slots=True)
class Same:
    """A column equals something, wherever the statement asks for a row."""

    column: Any
    other: Any


@dataclass(frozen=True, slots=True)
class Either:
    """One of several conditions holds."""

    sides: tuple[tuple["Fact", ...], ...]


Fact = Same | Either


def unscoped(statement: Any, *, opened: bool = False) -> set[str]:
    """The tables of the statement that nothing says the organisation of. What a subquery or a CTE asks for it has to
    say itself."""
    inner: list[Any] = []
    found = list(_parts(statement, inner))
    loose = {name for one in inner for name in unscoped(one, opened=opened)}
    references = {one for one in map(_reference, found) if one is not None}
    if isinstance(statement, Insert):
        # A row without it is refused by the database; that of the same key is brought up to date.
        references = {one for one in references if one is not statement.table and one.name != "excluded"}
    facts = [(fact, only) for one in found for fact, only in _said(one)]
    anchored: set[Any] = set()
    while more := {
        one
        for one in references - anchored
        if any(
            _anchors(fact, one, anchored, references, opened)
            for fact, only in facts
            if only is None or one in only
        )
    }:
        anchored |= more
    return loose | {_table(one).name for one in references - anchored if _table(one) not in PLACES}


def _parts(statement: Any, inner: list[Any]) -> Iterator[Any]:
    """All that it is made of; of an alias not the table, which is not asked by its own name."""
    stack = [statement]
    while stack:
        one = stack.pop()
        yield one
        if isinstance(one, Subquery | CTE):
            inner.append(one.element)
        elif not (isinstance(one, Alias) and isinstance(one.element, Table)):
            stack += one.get_children()


def _reference(one: Any) -> Any:
    table = one.table if isinstance(one, Column) else one
    is_one = isinstance(table, Table | Alias) and _table(table) in SCOPED | PLACES
    return table if is_one else None


def _table(one: Any) -> Any:
    return one.element if isinstance(one, Alias) else one


def _names(column: Any) -> bool:
    """Whether it tells whose a row is."""
    its = _table(column.table)
    return column.name in SCOPE or column.name in KEYS.get(its, ()) or (its in PLACES and column.name == "id")


def _said(one: Any) -> Iterator[tuple[Fact, Any]]:
    """What holds for each row that a part of the statement finds; of what is joined from outside, for that alone."""
    if isinstance(one, Select | Update | Delete):
        for where in one._where_criteria:
            yield from ((fact, None) for fact in _facts(where))
    if isinstance(one, Select):
        for right, on, _, how in one._setup_joins:
            yield from _joined(right, on, is_outer=bool(how["isouter"] or how["full"]))
    if isinstance(one, Join):
        yield from _joined(one.right, one.onclause, is_outer=one.isouter or one.full)


def _joined(right: Any, on: Any, *, is_outer: bool) -> Iterator[tuple[Fact, Any]]:
    if on is not None:
        only = {part for part in _parts(right, []) if isinstance(part, Table | Alias)} if is_outer else None
        yield from ((fact, only) for fact in _facts(on))


def _facts(one: Any) -> Iterator[Fact]:
    """Nothing follows from what is negated, nor from a case."""
    one = _bare(one)
    if isinstance(one, BooleanClauseList):
        sides = tuple(tuple(_facts(side)) for side in one.clauses)
        if one.operator is operators.and_:
            yield from (fact for side in sides for fact in side)
        else:
            yield Either(sides)
    elif isinstance(one, BinaryExpression):
        yield from (Same(*pair) for pair in _compared(one))


def _anchors(fact: Fact, table: Any, anchored: set[Any], references: set[Any], opened: bool) -> bool:
    if isinstance(fact, Either):
        return all(
            any(_anchors(one, table, anchored, references, opened) for one in side) for side in fact.sides
        )
    column = fact.column
    if column.table is not table or not _names(column):
        return False
    is_told = (
        isinstance(fact.other, BindParameter) and column.name not in SCOPE and _table(table) not in PLACES
    )
    return not (opened and is_told) and _says(fact.other, anchored, references)


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
    if isinstance(other, SelectBase | ScalarSelect):
        chosen = other.element if isinstance(other, ScalarSelect) else other
        return all(_says(one, anchored, references) for one in chosen.selected_columns)
    if table is None:
        return isinstance(other, BindParameter | ColumnElement)
    return table in anchored or table not in references
