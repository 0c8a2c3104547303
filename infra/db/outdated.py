"""Records of which a change was refused: older here than in the CRM, until the next good change (E9)."""

from collections.abc import Collection, Mapping

from sqlalchemy import ColumnElement, Connection, delete, exists, func, or_, select

from domain.crm import Outdated, Records
from infra.db.schema import crm_versions, deal_contacts, outdated
from infra.db.sql import chunks, upsert
from infra.db.types import db_now


def mark(
    db: Connection, kind: Records, ids: Collection[str], reasons: Mapping[str, str], version: int | None
) -> None:
    """These records are, unless a newer change than the refused one has been made."""
    newer: set[str] = set()
    if version is not None:
        same = (crm_versions.c.kind == kind.value) & crm_versions.c.record_id.in_(ids)
        newer.update(
            db.scalars(select(crm_versions.c.record_id).where(same, crm_versions.c.version >= version))
        )
        newer.update(
            db.scalars(select(outdated.c.record_id).where(_these(kind, ids), outdated.c.version > version))
        )
    since = db.execute(select(db_now())).scalar_one() if ids else None
    rows = [
        {"kind": kind.value, "record_id": one, "version": version, "since": since, "reason": reasons[one]}
        for one in sorted(ids)
        if one not in newer
    ]
    upsert(db, outdated, rows)


def clear(db: Connection, kind: Records, ids: Collection[str], version: int | None = None) -> None:
    """A good change has come; one of a lower version than the refused one mends nothing."""
    older = () if version is None else (or_(outdated.c.version.is_(None), outdated.c.version <= version),)
    if not ids or not db.scalar(select(exists(select(outdated.c.kind)))):
        return
    for chunk in chunks(ids):
        db.execute(delete(outdated).where(_these(kind, chunk), *older))


def count(db: Connection) -> Mapping[Records, int]:
    """How many of each kind."""
    rows = db.execute(select(outdated.c.kind, func.count()).group_by(outdated.c.kind))
    return {Records(kind): times for kind, times in rows}


def behind(db: Connection, contact_id: str | None, deal_id: str | None, user_id: str) -> tuple[Outdated, ...]:
    """Those that a decision rests on: the contact, any of its deals, the deal that decided, the user."""
    his_deals = select(deal_contacts.c.deal_id).where(deal_contacts.c.contact_id == contact_id)
    which = or_(
        _these(Records.USERS, [user_id]),
        _these(Records.CONTACTS, [contact_id] if contact_id else []),
        _these(Records.DEALS, [deal_id] if deal_id else []),
        (outdated.c.kind == Records.DEALS.value) & outdated.c.record_id.in_(his_deals),
    )
    rows = db.execute(select(outdated).where(which).order_by(outdated.c.kind, outdated.c.record_id))
    return tuple(Outdated(Records(row.kind), row.record_id, row.since, row.reason) for row in rows)


def _these(kind: Records, ids: Collection[str]) -> ColumnElement[bool]:
    return (outdated.c.kind == kind.value) & outdated.c.record_id.in_(ids)
