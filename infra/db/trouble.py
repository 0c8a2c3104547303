"""Tell the database's own troubles from errors in statements and values, in what SQLAlchemy and its drivers raise."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from domain.errors import DatabaseAway

_DEADLOCK: Final = "40P01"
_BUSY = ("40001", "55P03", "57014")
"""PostgreSQL: cannot serialize, a lock that was not free in time, a cancelled statement."""

_TOO_MUCH: Final = "54"
"""PostgreSQL: a statement that exceeds a limit, which is the statement's fault."""

_READ_ONLY: Final = "25006"
"""PostgreSQL: a primary that has become a standby."""

_SQLITE_BUSY = frozenset({5, 6})
_SQLITE_AWAY = frozenset({7, 8, 9, 10, 11, 13, 14, 15, 26})
"""SQLite's primary codes: no memory, read-only, interrupted, I/O, corrupt, full, cannot open, locking, no database."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise the database's own troubles as DatabaseAway. Errors in a statement or a value are raised as they are."""
    try:
        yield
    except PoolExhausted as error:
        raise DatabaseAway("busy") from error
    except DBAPIError as error:
        reason = _reason(error)
        if reason is None:
            raise
        raise DatabaseAway(reason) from error


def _reason(error: DBAPIError) -> str | None:
    sqlite = getattr(error.orig, "sqlite_errorcode", None)
    if sqlite is not None:
        code = sqlite & 0xFF
        return "busy" if code in _SQLITE_BUSY else "away" if code in _SQLITE_AWAY else None
    state: str = getattr(error.orig, "sqlstate", None) or ""
    if state == _DEADLOCK:
        return "deadlock"
    if state in _BUSY:
        return "busy"
    of_the_server = isinstance(error, OperationalError) and not state.startswith(_TOO_MUCH)
    return "away" if of_the_server or error.connection_invalidated or state == _READ_ONLY else None
