"""Small helpers for SQL on SQLite and PostgreSQL."""

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
"""Values bound in one statement; SQLite takes 32,766 at most."""


def chunks(items: Iterable[T], size: int = MANY) -> Iterator[list[T]]:
    """The items in lists of at most `size`."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def _insert(db: Connection, table: Table) -> Any:
    return (sqlite_insert if db.dialect.name == "sqlite" else postgresql_insert)(table)


@lru_cache(maxsize=200)
def _insert_new(dialect: str, table: Table, columns: tuple[Column[Any], ...], *same: tuple[str, Any]) -> Any:
    """Built once: building it takes longer than running it."""
    insert = sqlite_insert if dialect == "sqlite" else postgresql_insert
    statement = insert(table).values(dict(same)).on_conflict_do_nothing()
    return statement.returning(*columns) if columns else statement


def insert_new(db: Connection, table: Table, rows: Sequence[Mapping[str, Any]], **same: Any) -> None:
    """Insert the rows whose primary or unique key is new: every job may run twice.

    `same` are values or SQL expressions for every row. For frequent inserts the expressions are a module's constants,
    and each row holds the values of their parameters.
    """
    for chunk in chunks(rows, 1_000):
        db.execute(_insert_new(db.dialect.name, table, (), *same.items()), chunk)


def insert_returning(
    db: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *columns: Column[Any], **same: Any
) -> list[Row[Any]]:
    """As `insert_new`. Returns `columns` of the rows that were new, in no order."""
    found: list[Row[Any]] = []
    for chunk in chunks(rows, 1_000):
        found.extend(db.execute(_insert_new(db.dialect.name, table, columns, *same.items()), chunk))
    return found


def upsert(db: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, or update the rows with the same primary key."""
    if not rows:
        return
    statement = _insert(db, table)
    keys = [column.name for column in table.primary_key]
    changes = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    for chunk in chunks(rows, 1_000):
        db.execute(statement.on_conflict_do_update(index_elements=keys, set_=changes), chunk)


def add_to(db: Connection, table: Table, rows: Sequence[Mapping[str, Any]], adds: Collection[str]) -> None:
    """As `upsert`, but the values of the columns `adds` are added to those that are there."""
    statement = _insert(db, table)
    keys = [column.name for column in table.primary_key]
    changes = {
        name: table.c[name] + statement.excluded[name] if name in adds else statement.excluded[name]
        for name in rows[0]
        if name not in keys
    }
    db.execute(statement.on_conflict_do_update(index_elements=keys, set_=changes), rows)


def insert_or_raise(db: Connection, table: Table, row: Mapping[str, Any], column: Column[Any]) -> bool:
    """Insert the row, or update the row with the same primary key if its `column` is lower. False if it is not.

    A second transaction waits for the first one's commit and sees what it wrote.
    """
    statement = _insert(db, table).values(row)
    keys = [key.name for key in table.primary_key]
    raised = statement.on_conflict_do_update(
        index_elements=keys,
        set_={name: statement.excluded[name] for name in row if name not in keys},
        where=column < statement.excluded[column.name],
    )
    return db.execute(raised.returning(column)).first() is not None


def take_turn(db: Connection, name: str, *, shared: bool = False) -> None:
    """Lock the name until the commit: another transaction that takes this turn waits, unless both share it (an advisory
    lock). SQLite has one writer anyway."""
    if db.dialect.name == "postgresql":
        turn = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
        db.execute(select(turn(func.hashtextextended(name, 0))))


def try_turn(db: Connection, name: str) -> bool:
    """As `take_turn`, but returns False instead of waiting. Always True on SQLite."""
    if db.dialect.name == "sqlite":
        return True
    return bool(db.scalar(select(func.pg_try_advisory_xact_lock(func.hashtextextended(name, 0)))))


def among(columns: Sequence[Column[Any]], rows: Sequence[Sequence[Any]]) -> ColumnElement[bool]:
    """Condition: these columns hold the values of one of `rows`, which are hundreds. For PostgreSQL alone: with IN it
    would compare each row of the table with the whole list."""
    arrays = (
        literal([row[n] for row in rows], ARRAY(column.type, dimensions=1))
        for n, column in enumerate(columns)
    )
    these = func.unnest(*arrays).table_valued(*(column.name for column in columns)).render_derived()
    return tuple_(*columns).in_(select(*these.c))


def change_these(
    db: Connection, change: Update | Delete, columns: Sequence[Column[Any]], rows: Sequence[Sequence[Any]]
) -> int:
    """Run an UPDATE or DELETE on the table's rows with these values, hundreds of them. Returns how many it changed.

    On SQLite one row a statement, by its index: with a list of rows the index would serve for the first column alone.
    """
    if db.dialect.name == "postgresql":
        return db.execute(change.where(among(columns, rows))).rowcount
    its = [column == bindparam(f"its_{column.name}") for column in columns]
    return db.execute(
        change.where(*its),
        [{f"its_{c.name}": value for c, value in zip(columns, row, strict=True)} for row in rows],
    ).rowcount


def there_is(column: Column[Any], *where: ColumnElement[bool]) -> ColumnElement[bool]:
    """Condition: there is such a row. It is looked up by its index for each outer row; for EXISTS PostgreSQL may read
    the whole table. `column` must be NOT NULL."""
    return select(column).where(*where).limit(1).scalar_subquery().is_not(None)


def set_each(db: Connection, column: Column[Any], values: Mapping[int, Any]) -> None:
    """Set the column in each row, by its primary key of one column. The caller has locked the rows.

    On PostgreSQL in one statement: psycopg sends a list of rows as one statement a row.
    """
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
    """Condition for an UPDATE or DELETE of several rows: these rows, locked in key order before the first is changed.

    Without it a statement locks rows in the order of its plan, and two statements can deadlock. The statement must also
    have conditions on the first columns of the key, or PostgreSQL may read the whole table. SQLite has one writer.
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
    """Lock rows in key order, before several statements or a cascade change them."""
    if db.dialect.name == "postgresql":
        key = tuple(table.primary_key.columns)
        rows = select(*key).where(*where).order_by(*key).with_for_update(of=table).subquery()
        db.execute(select(func.count()).select_from(rows))
