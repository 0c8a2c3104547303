"""Column types and SQL functions that mean the same on SQLite and PostgreSQL."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Dialect,
    FunctionElement,
    Text,
    TypeDecorator,
    bindparam,
    literal,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(TypeDecorator[datetime]):
    """An aware UTC moment, kept as epoch milliseconds: Gmail's own resolution, compared as a number."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - _EPOCH) // timedelta(milliseconds=1)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(milliseconds=value)


class Json(TypeDecorator[Any]):
    """A small JSON value, kept as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, sort_keys=True)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


class Seconds(TypeDecorator[float]):
    """A span of time in seconds, bound as milliseconds."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> int | None:
        return None if value is None else round(value * 1000)


def seconds(name: str) -> BindParameter[float]:
    """A parameter in seconds, for a statement that is built once."""
    return bindparam(name, type_=Seconds())


class db_now(FunctionElement[datetime]):  # noqa: N801 - reads as the SQL function it is
    """The time by the database's clock, plus `seconds`: leases of several machines need one clock (W14).

    On PostgreSQL it is the time at which the statement arrived: no index can serve a condition whose clock moves while
    the statement runs.
    """

    type = Instant()
    inherit_cache = True

    def __init__(self, seconds: float | BindParameter[float] = 0) -> None:
        if isinstance(seconds, BindParameter):
            super().__init__(seconds)
        elif seconds:
            super().__init__(literal(seconds, Seconds()))
        else:
            super().__init__()


@compiles(db_now, "sqlite")
def _sqlite_now(element: db_now, compiler: SQLCompiler, **kw: Any) -> str:
    return _plus(element, compiler, "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)", **kw)


@compiles(db_now, "postgresql")
def _postgresql_now(element: db_now, compiler: SQLCompiler, **kw: Any) -> str:
    return _plus(element, compiler, "CAST(extract(epoch FROM statement_timestamp()) * 1000 AS BIGINT)", **kw)


def _plus(element: db_now, compiler: SQLCompiler, now: str, **kw: Any) -> str:
    later = compiler.process(element.clauses, **kw)
    return f"({now} + {later})" if later else now


NOW = db_now()
