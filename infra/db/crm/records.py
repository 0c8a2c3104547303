"""Write the CRM's records: each as a whole or not at all. Every write may be repeated."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Table, delete, or_, select, tuple_, update

from domain.crm.locations import Location
from domain.crm.merges import Merge
from domain.crm.records import SEPARATORS, Change, ContactRecord, DealRecord, Record, RecordKind, UserRecord
from domain.mail.addresses import loose
from infra.db.bulk import add, put
from infra.db.crm.merges import MergeRepository
from infra.db.crm.outdated import OutdatedRepository, whose
from infra.db.sql import chunks, in_key_order, insert_or_raise
from infra.db.tables.connections import sign_ins
from infra.db.tables.crm import (
    contact_addresses,
    contact_viewers,
    contacts,
    crm_versions,
    deal_contacts,
    deals,
    locations,
    user_addresses,
    users,
)
from infra.db.types import db_now

R = TypeVar("R", bound=Record)
_TABLES = {RecordKind.CONTACTS: contacts, RecordKind.DEALS: deals, RecordKind.USERS: users}
_TYPES = {RecordKind.CONTACTS: ContactRecord, RecordKind.DEALS: DealRecord, RecordKind.USERS: UserRecord}
_OF_ORGANISATION = (users, user_addresses)
_PAIRS = 500
"""Pairs to compare in one statement."""


class CrmRepository:
    """The CRM's records of one location, and its organisation's users, within one transaction, which the caller keeps
    short (W11)."""

    def __init__(self, db: Connection, location: Location) -> None:
        self._db = db
        self._location = location
        self._outdated = OutdatedRepository(db, location)
        self._merges = MergeRepository(db, location)

    def put(self, records: Collection[Record]) -> None:
        ids = {kind: [one.id for one in records if isinstance(one, type_)] for kind, type_ in _TYPES.items()}
        merging = [one for one in records if isinstance(one, ContactRecord) and one.merged_from]
        if ids[RecordKind.CONTACTS]:
            self._merges.take_turn(alone=bool(merging))
        for kind, its in ids.items():
            self._keep_versions(kind, its, crm_versions.c.deleted_at.is_not(None), deleted_at=None)
        self._put(records)
        for kind, its in ids.items():
            self._outdated.clear(kind, its)
        self._merges.settle(ids[RecordKind.CONTACTS])
        for one in merging:
            self._merges.merge_unversioned(one.id, one.merged_from)

    def _put(self, records: Collection[Record]) -> None:
        self._put_contacts({one.id: one for one in records if isinstance(one, ContactRecord)}.values())
        self._put_deals({one.id: one for one in records if isinstance(one, DealRecord)}.values())
        self._put_users({one.id: one for one in records if isinstance(one, UserRecord)}.values())

    def ids_after(self, kind: RecordKind, last: str, limit: int) -> tuple[str, ...]:
        key = _TABLES[kind].c.id
        page = select(key).where(self._here(_TABLES[kind]), key > last)
        return tuple(self._db.scalars(page.order_by(key).limit(limit)))

    def ids_with_separator(self, kind: RecordKind, last: str, limit: int) -> tuple[str, ...]:
        key = _TABLES[kind].c.id
        odd = or_(*(key.contains(separator) for separator in SEPARATORS))
        page = select(key).where(self._here(_TABLES[kind]), key > last, odd)
        return tuple(self._db.scalars(page.order_by(key).limit(limit)))

    def roles_with_separator(self) -> frozenset[str]:
        odd = or_(*(users.c.role.contains(separator) for separator in SEPARATORS))
        return frozenset(self._db.scalars(select(users.c.role).where(self._here(users), odd).distinct()))

    def known(self, kind: RecordKind, ids: Collection[str]) -> frozenset[str]:
        key, here = _TABLES[kind].c.id, self._here(_TABLES[kind])
        return frozenset(
            one for chunk in chunks(ids) for one in self._db.scalars(select(key).where(here, key.in_(chunk)))
        )

    def outsiders(self, user_ids: Collection[str]) -> frozenset[str]:
        here = select(locations.c.name).where(locations.c.id == self._location.id).scalar_subquery()
        told = select(users.c.id, users.c.locations, here.label("here"))
        some = (self._here(users), users.c.locations != [])
        return frozenset(
            row.id
            for chunk in chunks(user_ids)
            for row in self._db.execute(told.where(*some, users.c.id.in_(chunk)))
            if row.here not in row.locations
        )

    def mark_outdated(self, kind: RecordKind, refused: Mapping[str, str], version: int | None) -> None:
        self._outdated.mark(kind, self.known(kind, refused), refused, version)

    def delete(self, kind: RecordKind, ids: Collection[str]) -> int:
        if kind is RecordKind.CONTACTS:
            self._merges.take_turn(alone=False)
        self._keep_versions(kind, ids, crm_versions.c.deleted_at.is_(None), deleted_at=db_now())
        self._outdated.clear(kind, ids)
        deleted = self._delete(kind, ids)
        if kind is RecordKind.CONTACTS:
            self._merges.settle(ids)
            self._merges.unshare(ids)
        return deleted

    def _delete(self, kind: RecordKind, ids: Collection[str]) -> int:
        table = _TABLES[kind]
        if kind is RecordKind.USERS:
            its = sign_ins.c.organisation_id == self._location.organisation_id
            self._db.execute(delete(sign_ins).where(its, sign_ins.c.user_id.in_(ids)))
        here = self._here(table)
        these = in_key_order(self._db, table, here, table.c.id.in_(ids))
        return self._db.execute(delete(table).where(here, these)).rowcount

    def _here(self, table: Table) -> ColumnElement[bool]:
        """Condition: the row belongs to this location, or for some tables to its organisation."""
        ((name, value),) = self._whose(table).items()
        return table.c[name] == value

    def _whose(self, table: Table) -> Mapping[str, int]:
        """The ids that each row of the table has, by column: the location's, or the organisation's."""
        if table in _OF_ORGANISATION:
            return {"organisation_id": self._location.organisation_id}
        return {"location_id": self._location.id}

    def _of_kind(self, kind: RecordKind) -> Mapping[str, Any]:
        """The columns that versions of this kind have in common."""
        return whose(kind, self._location) | {"kind": kind.value}

    def change(self, change: Change) -> bool:
        merged_from = change.record.merged_from if isinstance(change.record, ContactRecord) else ()
        if change.kind is RecordKind.CONTACTS:
            self._merges.take_turn(alone=bool(merged_from))
        is_new = self._change(change)
        if merged_from:
            self._merges.merge(Merge(change.id, merged_from, change.version))
        elif is_new and change.kind is RecordKind.CONTACTS:
            self._merges.settle([change.id])
            if change.record is None:  # a later record of this id is another one, which nobody shares
                self._merges.unshare([change.id])
        return is_new

    def merge(self, merge: Merge) -> bool:
        self._merges.take_turn(alone=True)
        return self._merges.merge(merge)

    def _change(self, change: Change) -> bool:
        deleted_at = None if change.record else db_now()
        known = {**self._of_kind(change.kind), "record_id": change.id, "version": change.version}
        if not insert_or_raise(
            self._db, crm_versions, known | {"deleted_at": deleted_at}, crm_versions.c.version
        ):
            return False
        if change.record is None:
            self._delete(change.kind, [change.id])
        else:
            self._put([change.record])
        self._outdated.clear(change.kind, [change.id], change.version)
        return True

    def _keep_versions(
        self, kind: RecordKind, ids: Collection[str], which: ColumnElement[bool], **values: Any
    ) -> None:
        """Set `deleted_at` of these records' versions. Versions are locked before records, as in `change`."""
        of_kind = [crm_versions.c[name] == value for name, value in self._of_kind(kind).items()]
        for chunk in chunks(ids):
            these = (*of_kind, crm_versions.c.record_id.in_(chunk))
            locked = in_key_order(self._db, crm_versions, *these, which)
            self._db.execute(update(crm_versions).where(*these, locked).values(values))

    def _put_contacts(self, records: Iterable[ContactRecord]) -> None:
        found = _in_order(records)
        put(
            self._db,
            contacts,
            [
                {
                    **self._whose(contacts),
                    "id": one.id,
                    "kind": one.kind.value,
                    "name": one.name,
                    "assigned_to": one.assigned_to,
                    "created_at": one.created_at,
                }
                for one in found
            ],
        )
        wanted = {(one.id, address): {"loose": loose(address)} for one in found for address in one.addresses}
        key = contact_addresses.c.contact_id, contact_addresses.c.address
        self._replace(contact_addresses, key, [one.id for one in found], wanted)
        viewers: dict[tuple[str, str], dict[str, str]] = {
            (one.id, user_id): {} for one in found for user_id in one.visible_to
        }
        key = contact_viewers.c.contact_id, contact_viewers.c.user_id
        self._replace(contact_viewers, key, [one.id for one in found], viewers)

    def _put_deals(self, records: Iterable[DealRecord]) -> None:
        found = _in_order(records)
        put(
            self._db,
            deals,
            [
                {
                    **self._whose(deals),
                    "id": one.id,
                    "stage": one.stage,
                    "category": one.counts_as.value,
                    "closing_date": one.closing_date,
                    "uncategorised": one.category is None,
                }
                for one in found
            ],
        )
        wanted: dict[tuple[str, str], dict[str, str]] = {
            (one.id, contact_id): {} for one in found for contact_id in one.contact_ids
        }
        key = deal_contacts.c.deal_id, deal_contacts.c.contact_id
        self._replace(deal_contacts, key, [one.id for one in found], wanted)

    def _put_users(self, records: Iterable[UserRecord]) -> None:
        found = _in_order(records)
        put(
            self._db,
            users,
            [
                {
                    **self._whose(users),
                    "id": one.id,
                    "name": one.name,
                    "role": one.role,
                    "roles_above": list(one.roles_above),
                    "may_connect": one.may_connect,
                    "active": one.active,
                    "locations": list(one.locations),
                }
                for one in found
            ],
        )
        wanted: dict[tuple[str, str], dict[str, str]] = {
            (one.id, address): {"loose": loose(address)} for one in found for address in one.addresses
        }
        key = user_addresses.c.user_id, user_addresses.c.address
        self._replace(user_addresses, key, [one.id for one in found], wanted)

    def _replace(
        self,
        table: Table,
        key: tuple[Column[Any], Column[Any]],
        owners: Sequence[str],
        wanted: Mapping[tuple[str, str], Mapping[str, str]],
    ) -> None:
        """Replace what belongs to the owners with `wanted`. Pairs that are there already are not written again."""
        owner, member = key
        here = self._here(table)
        there = {
            (row[0], row[1])
            for chunk in chunks(owners)
            for row in self._db.execute(select(owner, member).where(here, owner.in_(chunk)))
        }
        for stale in chunks(sorted(there - wanted.keys()), _PAIRS):
            self._db.execute(delete(table).where(here, tuple_(owner, member).in_(stale)))
        add(
            self._db,
            table,
            [
                {**self._whose(table), owner.name: pair[0], member.name: pair[1], **more}
                for pair, more in wanted.items()
                if pair not in there
            ],
        )


def _in_order(records: Iterable[R]) -> list[R]:
    """The records by id, so that two imports at once lock rows in the same order."""
    return sorted(records, key=lambda one: one.id)
