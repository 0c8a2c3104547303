"""What it means that a connection's features are on, in SQL: the words of `domain.connections`, each said once.

Each takes the table or an alias of it.
"""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, false, or_

from domain.connections import ConnectionState, Features
from infra.db.tables.mail import connections

_COLUMNS = ("sync_since", "magnet_since", "sorting_since")


def works(of: FromClause = connections) -> ColumnElement[bool]:
    """It has something to do (D3 row 1)."""
    return and_(of.c.state == ConnectionState.ACTIVE.value, _any(of))


def announces(of: FromClause = connections) -> ColumnElement[bool]:
    """Its user may be told of mail now (D12)."""
    return and_(of.c.state == ConnectionState.ACTIVE.value, of.c.magnet_since.is_not(None))


def keeps_mail(of: FromClause = connections) -> ColumnElement[bool]:
    """What the ledger has of mail for it stays (D12)."""
    return and_(_lives(of), _any(of))


def keeps_notifications(of: FromClause = connections) -> ColumnElement[bool]:
    """What its user is told of by MailMagnet stays."""
    return and_(_lives(of), of.c.magnet_since.is_not(None))


def keeps_labelled(of: FromClause = connections) -> ColumnElement[bool]:
    """What sorting keeps stays, so that nothing is labelled twice (E58)."""
    return and_(_lives(of), of.c.sorting_since.is_not(None))


def goes_off(features: Features) -> ColumnElement[bool]:
    """A feature is on that is off in these."""
    off = (name for name, since in values(features).items() if since is None)
    return or_(false(), *(connections.c[name].is_not(None) for name in off))


def values(features: Features) -> dict[str, Any]:
    """What stands in the columns."""
    return {name: getattr(features, name) for name in _COLUMNS}


def read(row: Any) -> Features:
    return Features(*(getattr(row, name) for name in _COLUMNS))


def _any(of: FromClause) -> ColumnElement[bool]:
    return or_(*(of.c[name].is_not(None) for name in _COLUMNS))


def _lives(of: FromClause) -> ColumnElement[bool]:
    return of.c.state != ConnectionState.OFF.value
