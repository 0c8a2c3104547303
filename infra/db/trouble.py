"""What SQLAlchemy and its drivers raise: told apart is what is the database's own trouble."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from domain.errors import DatabaseAway

_DEADLOCK: Final = "40P01"
_BUSY = ("40001", "55P03", "57014")
"""Of PostgreSQL: a lock that was not to be had in time, a statement that took too long."""

_TOO_MUCH: Final = "54"
"""What breaks a limit of PostgreSQL is the statement's fault."""

_READ_ONLY: Final = "25006"
"""A primary that has become a standby."""

_SQLITE_BUSY = frozenset({5, 6})
_SQLITE_AWAY = frozenset({7, 8, 9, 10, 11, 13, 14, 15, 26})
"""SQLite's primary codes: no memory, read-only, interrupted, I/O, corrupt, full, cannot open, locking, no database."""


@contextmanager
def translated() -> Iterator[None]:
    """The database's trouble becomes DatabaseAway; what is wrong with a statement or a value stays what it is."""
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
