"""Small helpers for SQL that both dialects understand."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Delete,
    Row,
    Table,
    Update,
    and_,
    bindparam,
    func,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

T = TypeVar("T")
MANY = 5_000
"""Values bound at once; SQLite's own bound is 32,766."""


def chunks(items: Iterable[T], size: int = MANY) -> Iterator[list[T]]:
    """The items in lists of at most `size`."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def _insert(db: Connection, table: Table) -> Any:
    return (sqlite_insert if db.dialect.name == "sqlite" else postgresql_insert)(table)


@lru_cache(maxsize=200)
def _insert_new(dialect: str, table: Table, columns: tuple[Column[Any], ...], *same: tuple[str, Any]) -> Any:
    """Built once: that takes longer than to run it."""
    insert = sqlite_insert if dialect == "sqlite" else postgresql_insert
    statement = insert(table).values(dict(same)).on_conflict_do_nothing()
    return statement.returning(*columns) if columns else statement


def insert_new(db: Connection, table: Table, rows: Sequence[Mapping[str, Any]], **same: Any) -> None:
    """Insert what is not there yet, by primary or unique key: every job may run twice.

    `same` are values or SQL expressions that every row gets; of what is inserted often they are constants of a
    module, and a row holds the values of their parameters.
    """
    for chunk in chunks(rows, 1_000):
        db.execute(_insert_new(db.dialect.name, table, (), *same.items()), chunk)


def insert_returning(
    db: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *columns: Column[Any], **same: Any
) -> list[Row[Any]]:
    """As `insert_new`; returns these columns of the rows that were new, in no order."""
    found: list[Row[Any]] = []
    for chunk in chunks(rows, 1_000):
        found.extend(db.execute(_insert_new(db.dialect.name, table, columns, *same.items()), chunk))
    return found


def upsert(db: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert, or bring what stands under the same primary key up to date."""
    if not rows:
        return
    statement = _insert(db, table)
    keys = [column.name for column in table.primary_key]
    changes = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    for chunk in chunks(rows, 1_000):
        db.execute(statement.on_conflict_do_update(index_elements=keys, set_=changes), chunk)


def add_to(db: Connection, table: Table, rows: Sequence[Mapping[str, Any]], adds: Collection[str]) -> None:
    """As `upsert`, but these columns are added to."""
    statement = _insert(db, table)
    keys = [column.name for column in table.primary_key]
    changes = {
        name: table.c[name] + statement.excluded[name] if name in adds else statement.excluded[name]
        for name in rows[0]
        if name not in keys
    }
    db.execute(statement.on_conflict_do_update(index_elements=keys, set_=changes), rows)


def insert_or_raise(db: Connection, table: Table, row: Mapping[str, Any], column: Column[Any]) -> bool:
    """Insert the row, or bring what stands under the same primary key up to date; False when `column` is as high
    there already. Whoever comes second waits for the first to commit, and sees what he wrote."""
    statement = _insert(db, table).values(row)
    keys = [key.name for key in table.primary_key]
    raised = statement.on_conflict_do_update(
        index_elements=keys,
        set_={name: statement.excluded[name] for name in row if name not in keys},
        where=column < statement.excluded[column.name],
    )
    return db.execute(raised.returning(column)).first() is not None


def take_turn(db: Connection, name: str) -> None:
    """Whoever else takes this turn waits until we commit. SQLite has one writer anyway."""
    if db.dialect.name == "postgresql":
        db.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def try_turn(db: Connection, name: str) -> bool:
    """The same, but who comes second is told so instead of waiting."""
    if db.dialect.name == "sqlite":
        return True
    return bool(db.scalar(select(func.pg_try_advisory_xact_lock(func.hashtextextended(name, 0)))))


def among(columns: Sequence[Column[Any]], rows: Sequence[Sequence[Any]]) -> ColumnElement[bool]:
    """Whether a row is one of these hundreds; PostgreSQL's alone, which would else compare each row that it has with
    the list from one end to the other."""
    arrays = (
        literal([row[n] for row in rows], ARRAY(column.type, dimensions=1))
        for n, column in enumerate(columns)
    )
    these = func.unnest(*arrays).table_valued(*(column.name for column in columns)).render_derived()
    return tuple_(*columns).in_(select(*these.c))


def change_these(
    db: Connection, change: Update | Delete, columns: Sequence[Column[Any]], rows: Sequence[Sequence[Any]]
) -> int:
    """An UPDATE or DELETE of the rows with these values, hundreds of them; returns how many there were. On SQLite one
    by one, each by its index: of a list of rows it would look for the first column alone."""
    if db.dialect.name == "postgresql":
        return db.execute(change.where(among(columns, rows))).rowcount
    its = [column == bindparam(f"its_{column.name}") for column in columns]
    return db.execute(
        change.where(*its),
        [{f"its_{c.name}": value for c, value in zip(columns, row, strict=True)} for row in rows],
    ).rowcount


def there_is(column: Column[Any], *where: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether there is such a row, looked for once for each row outside, by its index: to answer an EXISTS PostgreSQL
    may read the whole table. The column is never null."""
    return select(column).where(*where).limit(1).scalar_subquery().is_not(None)


def set_each(db: Connection, column: Column[Any], values: Mapping[int, Any]) -> None:
    """Its value in each of these rows, by their only key. The caller has locked them. On PostgreSQL in one statement:
    a list of rows psycopg sends as as many."""
    table = column.table
    [key] = table.primary_key
    if db.dialect.name == "sqlite":
        one = (
            update(table).where(key == bindparam("its")).values({column: bindparam("at", type_=column.type)})
        )
        db.execute(one, [{"its": row, "at": value} for row, value in values.items()])
        return
    its = literal(list(values), ARRAY(key.type, dimensions=1))
    at = literal(list(values.values()), ARRAY(column.type, dimensions=1))
    new = func.unnest(its, at).table_valued("its", "at").render_derived()
    db.execute(update(table).where(key == new.c.its).values({column: new.c["at"]}))


def in_key_order(
    db: Connection, table: Table, *where: ColumnElement[bool], skip_locked: bool = False
) -> ColumnElement[bool]:
    """For an UPDATE or DELETE of several rows: these, locked in the order of their key before one is changed.

    By itself a statement locks rows in the order in which its plan meets them, and two of them end in a deadlock.
    Whoever uses it names the key's first columns beside it, or PostgreSQL may read the whole table. SQLite has one
    writer.
    """
    return key_order(db.dialect.name, table, *where, skip_locked=skip_locked)


def key_order(
    dialect: str, table: Table, *where: ColumnElement[bool], skip_locked: bool = False
) -> ColumnElement[bool]:
    """`in_key_order` for a statement that is built once."""
    if dialect == "sqlite":
        return and_(*where)
    key = tuple(table.primary_key.columns)
    rows = select(*key).where(*where).order_by(*key).with_for_update(skip_locked=skip_locked, of=table)
    # Evaluated once: as a subquery PostgreSQL may run it per row.
    return tuple_(*key).in_(select(rows.cte("in_key_order")))


def lock(db: Connection, table: Table, *where: ColumnElement[bool]) -> None:
    """Lock rows in the order of their key, ahead of several statements or of a cascade."""
    if db.dialect.name == "postgresql":
        key = tuple(table.primary_key.columns)
        rows = select(*key).where(*where).order_by(*key).with_for_update(of=table).subquery()
        db.execute(select(func.count()).select_from(rows))
