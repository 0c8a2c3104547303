"""What it means that a connection's features are on, as SQL conditions. The rules are those of
`domain.connections.connections`.

`of` is the table `connections` or an alias of it.
"""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, false, or_

from domain.connections.connections import ConnectionState, Features
from infra.db.tables.connections import connections

_COLUMNS = ("sync_since", "magnet_since", "sorting_since")


def works(of: FromClause = connections) -> ColumnElement[bool]:
    """The connection is active and has a feature on (D3 row 1)."""
    return and_(of.c.state == ConnectionState.ACTIVE.value, _any(of))


def announces(of: FromClause = connections) -> ColumnElement[bool]:
    """The connection's user may be notified of mail now (D12)."""
    return and_(of.c.state == ConnectionState.ACTIVE.value, of.c.magnet_since.is_not(None))


def keeps_mail(of: FromClause = connections) -> ColumnElement[bool]:
    """The ledger keeps the connection's mail (D12)."""
    return and_(_lives(of), _any(of))


def keeps_copies(of: FromClause = connections) -> ColumnElement[bool]:
    """Two-way sync adds the connection's mail to conversations."""
    return and_(_lives(of), of.c.sync_since.is_not(None))


def keeps_notifications(of: FromClause = connections) -> ColumnElement[bool]:
    """MailMagnet's notifications to the connection's user are kept."""
    return and_(_lives(of), of.c.magnet_since.is_not(None))


def keeps_labelled(of: FromClause = connections) -> ColumnElement[bool]:
    """What sorting has decided is kept, so that no mail is labelled twice (E58)."""
    return and_(_lives(of), of.c.sorting_since.is_not(None))


def goes_off(features: Features) -> ColumnElement[bool]:
    """The connection has a feature on that is off in `features`."""
    off = (name for name, since in values(features).items() if since is None)
    return or_(false(), *(connections.c[name].is_not(None) for name in off))


def values(features: Features) -> dict[str, Any]:
    """The features as values of their columns."""
    return {name: getattr(features, name) for name in _COLUMNS}


def read(row: Any) -> Features:
    """The features of a connection's row."""
    return Features(*(getattr(row, name) for name in _COLUMNS))


def _any(of: FromClause) -> ColumnElement[bool]:
    return or_(*(of.c[name].is_not(None) for name in _COLUMNS))


def _lives(of: FromClause) -> ColumnElement[bool]:
    return of.c.state != ConnectionState.OFF.value
