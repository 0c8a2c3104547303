"""PostgreSQL's row level security, where the operator has switched it on (docs/RUNBOOK.md).

Each transaction names the organisations and locations it works for, and the database shows it no other rows (T2).
"""

from typing import Any

from sqlalchemy import Connection, func, select

from domain.crm.locations import Location

WALLED = "lodestone_walled"
"""Whether row level security applies to our role: asked once, kept with the connection."""

LEDGER = "ledger"
"""Scope of repositories that ask by keys from rows they were given: a connection's id, a channel's id."""

OPERATOR = "operator"
"""Scope of work for all organisations: reports, the purge, sending to channels."""

_IS_WALLED = "SELECT row_security_active(to_regclass('contacts'))"


def look(db: Any, info: dict[Any, Any]) -> None:
    """Note in a new connection's `info` whether row level security applies. It does not before there are tables."""
    info[WALLED] = bool(db.execute(_IS_WALLED).fetchone()[0])


def organisation(organisation_id: int) -> str:
    """The scope of an organisation's rows."""
    return f"organisation:{organisation_id}"


def location(its: Location) -> tuple[str, str]:
    """The scopes of a location's rows and its organisation's."""
    return organisation(its.organisation_id), f"location:{its.id}"


class Scope:
    """The scopes that one transaction has named so far. Without row level security the database is told nothing."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._told: set[str] | None = set() if db.info.get(WALLED) else None

    def add(self, *words: str) -> None:
        """The transaction sees the rows of these scopes too, until it ends."""
        if self._told is None or self._told.issuperset(words):
            return
        self._told.update(words)
        self._db.execute(select(func.set_config("lodestone.scope", " ".join(sorted(self._told)), True)))
