"""Whoever asks for rows of an organisation says which: every statement that infra/db executes in any test is looked at.

A table with `location_id` or `organisation_id` in it is *anchored* where that column, or a key of its own that the
ledger knows it by, is compared with a value, or with a column of what is anchored. What is not is asked for over all
organisations at once: nobody may, but who is named in OVER_ALL, with the reason.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from sqlalchemy import (
    CTE,
    Alias,
    BindParameter,
    Column,
    Delete,
    Engine,
    Insert,
    Join,
    ScalarSelect,
    Select,
    Subquery,
    Table,
    TextClause,
    Update,
    event,
)
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList, ColumnElement, Grouping, Tuple
from sqlalchemy.sql.selectable import SelectBase

from infra.db.schema import (
    channels,
    connections,
    locations,
    metadata,
    notifications,
    organisations,
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
"""Keys that are nobody else's in any organisation: the ledger has them of rows that it has found. Whoever was opened
for an organisation may have been told one by somebody of another, and joins by them only."""

PLACES = frozenset({locations, organisations})
"""They belong to nobody, and a column of theirs says whose a row is only where it is said which of them is meant."""

_HELPERS = {"bulk", "claims", "sql"}
_ROOT = Path(__file__).parents[1]
_OURS = ("domain", "handlers", "infra", "workers")
_ASIDE = (("infra", "db", "migrations"), ("workers", "demo"))
"""What brings the tables up is looked at by its own tests, and the demo looks at its whole database."""

_SCOPED_NAME = re.compile(rf"\b({'|'.join(sorted(table.name for table in SCOPED))})\b")
_clean: set[Any] = set()
used: set[str] = set()
"""Who of OVER_ALL has asked for all of them."""


class Unscoped(AssertionError):
    """A statement that asks for rows of all organisations."""


def watch() -> None:
    """From now on every statement of this process is looked at."""
    if not event.contains(Engine, "before_execute", _look):
        event.listen(Engine, "before_execute", _look)
        event.listen(Engine, "before_cursor_execute", _look_at_words)


def _look(_db: Any, statement: Any, *_: Any) -> None:
    if not isinstance(statement, visitors.Visitable) or isinstance(statement, TextClause):
        return
    caller, opened = _caller()
    if caller is None:
        return
    key = statement._generate_cache_key() if hasattr(statement, "_generate_cache_key") else None
    if key is not None and (key.key, opened) in _clean:
        return
    loose = unscoped(statement, opened=opened)
    if loose:
        _judge(loose, caller)
    elif key is not None:
        _clean.add((key.key, opened))


def _look_at_words(_db: Any, _cursor: Any, words: str, _parameters: Any, context: Any, _many: bool) -> None:
    """SQL that somebody has written himself: nobody can tell what it says, so it names no table of ours."""
    compiled = getattr(context, "compiled", None)
    if compiled is None or isinstance(compiled.statement, TextClause):
        loose = set(_SCOPED_NAME.findall(words))
        caller = _caller()[0] if loose else None
        if caller is not None:
            _judge(loose, caller)


def _judge(loose: set[str], caller: str) -> None:
    if caller in OVER_ALL:
        used.add(caller)
    else:
        raise Unscoped(f"{caller} asks for {', '.join(sorted(loose))} of all organisations")


def _caller() -> tuple[str | None, bool]:
    """The function of ours that executes it, helpers aside; None where a test does, or a process of its own. And
    whether a repository asks that was opened for an organisation or a location."""
    frame: FrameType | None = sys._getframe(2)
    name, opened = None, False
    while frame is not None:
        place = Path(frame.f_code.co_filename)
        if "sqlalchemy" not in place.parts:
            parts = place.relative_to(_ROOT).parts if place.is_relative_to(_ROOT) else ()
            if not parts or parts[0] not in _OURS or any(parts[: len(one)] == one for one in _ASIDE):
                break
            in_db = parts[:2] == ("infra", "db")
            if name is None and not (in_db and place.stem in _HELPERS):
                name = f"{place.stem}.{frame.f_code.co_qualname.split('.<locals>')[0]}"
            if not in_db:
                break
            asks = frame.f_locals.get("self")
            opened = opened or any(hasattr(asks, one) for one in ("_here", "_location", "_organisation_id"))
        frame = frame.f_back
    return name, opened


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
