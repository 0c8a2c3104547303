"""Row level security of PostgreSQL, where the operator has switched it on (docs/RUNBOOK.md): each transaction says
whose rows it was opened for, and the database shows it no others (T2)."""

from typing import Any

from sqlalchemy import Connection, func, select

from domain.crm.locations import Location

WALLED = "lodestone_walled"
"""Whether row level security holds our role: looked at once, remembered with the connection."""

LEDGER = "ledger"
"""What asks by keys of its own, that it has of rows which it has found: a connection's, a channel's."""

OPERATOR = "operator"
"""What is over all organisations by nature: reports, the purge, what goes out of the channels."""

_IS_WALLED = "SELECT row_security_active(to_regclass('contacts'))"


def look(db: Any, info: dict[Any, Any]) -> None:
    """Of a connection that is new; before there are tables nothing is walled."""
    info[WALLED] = bool(db.execute(_IS_WALLED).fetchone()[0])


def organisation(organisation_id: int) -> str:
    return f"organisation:{organisation_id}"


def location(its: Location) -> tuple[str, str]:
    return organisation(its.organisation_id), f"location:{its.id}"


class Scope:
    """Whose rows one transaction sees: all that it was opened for. Where there is no wall nobody is told."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._told: set[str] | None = set() if db.info.get(WALLED) else None

    def add(self, *words: str) -> None:
        """From now on these too, until the transaction ends."""
        if self._told is None or self._told.issuperset(words):
            return
        self._told.update(words)
        self._db.execute(select(func.set_config("lodestone.scope", " ".join(sorted(self._told)), True)))
