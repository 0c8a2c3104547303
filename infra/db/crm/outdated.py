"""Records whose change was refused: older here than in the CRM, until the next good change (E9)."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, or_, select

from domain.crm.locations import Location
from domain.crm.records import Outdated, RecordKind
from infra.db.crm.merges import same_as
from infra.db.sql import chunks, upsert
from infra.db.tables.crm import crm_versions, deal_contacts, outdated
from infra.db.types import db_now

_NO_LOCATION = 0
"""The location's id in rows of users, who belong to none."""


def whose(kind: RecordKind, location: Location) -> dict[str, Any]:
    """The ids that rows of `crm_versions` and `outdated` have for records of this kind."""
    its = _NO_LOCATION if kind is RecordKind.USERS else location.id
    return {"organisation_id": location.organisation_id, "location_id": its}


class OutdatedRepository:
    """Outdated records of one location, and outdated users of its organisation, within one transaction."""

    def __init__(self, db: Connection, location: Location) -> None:
        self._db = db
        self._location = location

    def mark(
        self, kind: RecordKind, ids: Collection[str], reasons: Mapping[str, str], version: int | None
    ) -> None:
        """Mark these records as out of date. Not those of which a change of this version or a newer one was made, or a
        newer one was refused."""
        newer: set[str] = set()
        if version is not None:
            same = (self._of(crm_versions, kind), crm_versions.c.record_id.in_(ids))
            known = select(crm_versions.c.record_id).where(*same, crm_versions.c.version >= version)
            newer.update(self._db.scalars(known))
            refused = select(outdated.c.record_id).where(self._these(kind, ids), outdated.c.version > version)
            newer.update(self._db.scalars(refused))
        since = self._db.execute(select(db_now())).scalar_one() if ids else None
        of = whose(kind, self._location) | {"kind": kind.value, "version": version, "since": since}
        upsert(
            self._db,
            outdated,
            [of | {"record_id": one, "reason": reasons[one]} for one in sorted(ids) if one not in newer],
        )

    def clear(self, kind: RecordKind, ids: Collection[str], version: int | None = None) -> None:
        """A good change has come: these records are up to date. A change of a lower version than the refused one
        changes nothing; `version` None is good for all."""
        older = () if version is None else (or_(outdated.c.version.is_(None), outdated.c.version <= version),)
        if not ids or not self._db.scalar(select(exists().where(self._of(outdated, kind)))):
            return
        for chunk in chunks(ids):
            self._db.execute(delete(outdated).where(self._these(kind, chunk), *older))

    def behind(self, contact_id: str | None, deal_id: str | None, user_id: str) -> tuple[Outdated, ...]:
        """The outdated records that a decision rests on: the contact and records that count for it, their deals, the
        deal that decided, the user."""
        same = same_as(self._location.id, contact_id or "")
        his_deals = select(deal_contacts.c.deal_id).where(
            deal_contacts.c.location_id == self._location.id, deal_contacts.c.contact_id.in_(same)
        )
        which = or_(
            self._these(RecordKind.USERS, [user_id]),
            and_(self._of(outdated, RecordKind.CONTACTS), outdated.c.record_id.in_(same)),
            self._these(RecordKind.DEALS, [deal_id] if deal_id else []),
            and_(self._of(outdated, RecordKind.DEALS), outdated.c.record_id.in_(his_deals)),
        )
        rows = self._db.execute(select(outdated).where(which).order_by(outdated.c.kind, outdated.c.record_id))
        return tuple(Outdated(RecordKind(row.kind), row.record_id, row.since, row.reason) for row in rows)

    def count(self) -> Mapping[RecordKind, int]:
        """How many records of each kind are out of date."""
        these = or_(*(self._of(outdated, kind) for kind in RecordKind))
        rows = self._db.execute(select(outdated.c.kind, func.count()).where(these).group_by(outdated.c.kind))
        return {RecordKind(kind): times for kind, times in rows}

    def _of(self, table: Any, kind: RecordKind) -> ColumnElement[bool]:
        its = whose(kind, self._location)
        return and_(*(table.c[name] == value for name, value in its.items()), table.c.kind == kind.value)

    def _these(self, kind: RecordKind, ids: Collection[str]) -> ColumnElement[bool]:
        return and_(self._of(outdated, kind), outdated.c.record_id.in_(ids))
