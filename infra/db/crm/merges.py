"""Contacts and leads that the CRM has merged: which record counts for which other (domain/crm/merges.py, E71)."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Exists,
    String,
    and_,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    union,
    union_all,
    update,
)

from domain.crm.locations import Location
from domain.crm.merges import Merge, Named, Newest, Standing, forgettable, is_newer, standings
from domain.crm.records import RecordKind
from infra.db.bulk import put
from infra.db.sql import chunks, lock, take_turn
from infra.db.tables.connections import shared_contacts
from infra.db.tables.crm import contacts, crm_versions, deal_contacts, merges
from infra.db.types import db_now


def is_merge_of(location_id: Any, contact_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Condition of an outer join with `merges`: the merge of this record."""
    return and_(merges.c.location_id == location_id, merges.c.record_id == contact_id)


def whose(contact_id: ColumnElement[Any]) -> ColumnElement[Any]:
    """After that join: the id of the record that this one counts for, its own where it is not merged."""
    return func.coalesce(merges.c.counts_for, contact_id)


def person_of(location_id: Any, contact_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Condition of an outer join with `contacts`, after that join: the record that this one's mail belongs to. No
    record where that one was deleted in the CRM, even if we still have records that were merged into it."""
    is_left = or_(merges.c.counts_for.is_not(None), ~merges.c.outlived)
    its = (contacts.c.location_id == location_id, contacts.c.id == whose(contact_id))
    return and_(*its, func.coalesce(is_left, true()))


def same_as(location_id: int, contact_id: str, *where: ColumnElement[bool]) -> CompoundSelect[Any]:
    """The id of the record and those of the records that count for it."""
    counting = (merges.c.location_id == location_id, merges.c.counts_for == contact_id, *where)
    return union_all(
        select(literal(contact_id, String).label("id")), select(merges.c.record_id).where(*counting)
    )


def is_merged() -> Exists:
    """Condition on `contacts`: the record was merged into another and is none of its own any more."""
    return exists().where(
        merges.c.location_id == contacts.c.location_id,
        merges.c.record_id == contacts.c.id,
        or_(merges.c.counts_for.is_not(None), merges.c.outlived),
    )


class MergeRepository:
    """The merges of one location within one transaction."""

    def __init__(self, db: Connection, location: Location) -> None:
        self._db = db
        self._location = location
        self._here = merges.c.location_id == location.id

    def take_turn(self, *, alone: bool) -> None:
        """Merges (`alone`) and changes of contacts wait for each other, so that the later one sees both. This turn
        is taken before all other locks."""
        take_turn(self._db, f"merges {self._location.id}", shared=not alone)

    def merge(self, merge: Merge) -> bool:
        """Keep the merge for each record that it names, unless a newer merge names it. False where it is new for
        none."""
        ids = sorted({merge.survivor, *merge.losers})
        known = self._known(ids)
        new = [one for one in ids if is_newer(merge, one, known.get(one))]
        self._keep(merge, dict.fromkeys(new, merge.version), by_file=False)
        self.settle(ids)
        return bool(new)

    def merge_unversioned(self, survivor: str, losers: Collection[str]) -> None:
        """Keep a merge from a file, over those that are there. No version changes."""
        ids = sorted({survivor, *losers})
        newest = self._newest(ids)
        known = {one: named.version for one, named in self._known(ids).items()}
        self._keep(
            Merge(survivor, tuple(losers), 0),
            {one: max(newest[one].version or 0, known.get(one, 0)) for one in ids},
            by_file=True,
        )
        self.settle(ids)

    def _known(self, ids: Sequence[str]) -> dict[str, Named]:
        rows = self._db.execute(select(merges).where(self._here, merges.c.record_id.in_(ids)))
        return {row.record_id: Named(row.survivor, row.version, row.by_file) for row in rows}

    def _keep(self, merge: Merge, versions: dict[str, int], *, by_file: bool) -> None:
        now = self._db.execute(select(db_now())).scalar_one()
        put(
            self._db,
            merges,
            [
                {
                    "location_id": self._location.id,
                    "record_id": one,
                    "survivor": None if one == merge.survivor else merge.survivor,
                    "version": version,
                    "by_file": by_file,
                    "settled_at": now,
                }
                for one, version in versions.items()
            ],
        )

    def settle(self, ids: Collection[str]) -> None:
        """After a change of these records: write what they count for, and what the records merged into them count for.

        Rows are locked before what they depend on is read: of two changes the later one sees both.
        """
        if not ids or not self._db.scalar(select(exists().where(self._here))):
            return
        found = self._concerned(ids)
        if not found:
            return
        named = {one: Named(row.survivor, row.version) for one, row in found.items()}
        newest = self._newest({*named, *(one.survivor for one in named.values() if one.survivor)})
        now = standings(named, newest)
        before = {one: Standing(row.counts_for, row.outlived) for one, row in found.items()}
        self._say({one: standing for one, standing in now.items() if standing != before[one]})

    def _concerned(self, ids: Collection[str]) -> dict[str, Any]:
        """The merges of these records, of those that lead to them, and of those that they lead to; locked. No merge is
        made meanwhile (`take_turn`), so their ids can be read before the lock."""
        them: set[str] = set()
        for chunk in chunks(sorted(ids)):
            them.update(self._db.scalars(self._ways(chunk)))
        found: dict[str, Any] = {}
        for chunk in chunks(sorted(them)):
            these = (self._here, merges.c.record_id.in_(chunk))
            lock(self._db, merges, *these)
            found |= {row.record_id: row for row in self._db.execute(select(merges).where(*these))}
        return found

    def _ways(self, ids: Sequence[str]) -> CompoundSelect[Any]:
        """Their ids, in one query however long the chain. Outer joins, so that SQLite goes from each record to the next
        and not the other way round."""
        one = select(merges.c.record_id, merges.c.survivor)
        its = one.where(self._here, merges.c.record_id.in_(ids))
        to, on = its.cte("leads_to", recursive=True), its.cte("leads_on", recursive=True)
        before = and_(self._here, merges.c.survivor == to.c.record_id)
        after = and_(self._here, merges.c.record_id == on.c.survivor)
        to = to.union(one.select_from(to.outerjoin(merges, before)))
        on = on.union(one.select_from(on.outerjoin(merges, after)))
        return union(*(select(way.c.record_id).where(way.c.record_id.is_not(None)) for way in (to, on)))

    def _newest(self, ids: Collection[str]) -> dict[str, Newest]:
        versions: dict[str, Any] = {}
        there: set[str] = set()
        for chunk in chunks(sorted(ids)):
            rows = self._db.execute(select(crm_versions).where(*self._versions(chunk)))
            versions |= {row.record_id: row for row in rows}
            known = (contacts.c.location_id == self._location.id, contacts.c.id.in_(chunk))
            there.update(self._db.scalars(select(contacts.c.id).where(*known)))
        return {
            one: Newest(versions[one].version, versions[one].deleted_at is not None, one in there)
            if one in versions
            else Newest(is_there=one in there)
            for one in ids
        }

    def _versions(self, ids: Collection[str]) -> tuple[ColumnElement[bool], ...]:
        return (
            crm_versions.c.organisation_id == self._location.organisation_id,
            crm_versions.c.location_id == self._location.id,
            crm_versions.c.kind == RecordKind.CONTACTS.value,
            crm_versions.c.record_id.in_(ids),
        )

    def unshare(self, ids: Collection[str]) -> None:
        """Delete the shares of these records, except of one that counts for another: there the share applies to the
        other one."""
        tick = shared_contacts.c
        counting = exists().where(
            self._here, merges.c.record_id == tick.contact_id, merges.c.counts_for.is_not(None)
        )
        its = (tick.location_id == self._location.id, tick.contact_id.in_(ids))
        self._db.execute(delete(shared_contacts).where(*its, ~counting))

    def _say(self, changed: dict[str, Standing]) -> None:
        """Write the changed standings. Shares of a record apply to the one it counts for; they are deleted when it
        counts for no other any more."""
        alike: dict[Standing, list[str]] = {}
        for one, standing in changed.items():
            alike.setdefault(standing, []).append(one)
        for standing, those in alike.items():
            for chunk in chunks(those):
                these = update(merges).where(self._here, merges.c.record_id.in_(chunk))
                self._db.execute(these.values(asdict(standing) | {"settled_at": db_now()}))
        self.unshare([one for one, standing in changed.items() if standing.counts_for is None])

    def old(self, ids: Collection[str], before: ColumnElement[Any]) -> tuple[list[str], list[str]]:
        """Which of these merges are still settled since before `before`; and of those the outlived ones with a
        record."""
        found = select(
            merges.c.record_id, and_(merges.c.outlived, contacts.c.id.is_not(None)).label("outlived")
        )
        its = and_(contacts.c.location_id == merges.c.location_id, contacts.c.id == merges.c.record_id)
        these = (self._here, merges.c.record_id.in_(ids), merges.c.settled_at < before)
        rows = self._db.execute(found.select_from(merges.outerjoin(contacts, its)).where(*these)).all()
        return [row.record_id for row in rows], [row.record_id for row in rows if row.outlived]

    def forget(self, ids: Collection[str], deleted: Collection[str], before: ColumnElement[Any]) -> int:
        """Delete those of these merges that are no longer needed; returns how many. The others count as settled now.

        A merge is needed while a contact, a deal, a share or a version names its record, or a merge that stays leads to
        it. A version whose record was deleted before `before` does not count, as it may itself wait for the merge to
        go. `deleted`: records that are being deleted in this transaction; their merges stay, as a file may bring the
        records again.
        """
        columns = (contacts.c.id, deal_contacts.c.contact_id, shared_contacts.c.contact_id)
        naming = [
            select(column).where(column.table.c.location_id == self._location.id, column.in_(ids))
            for column in columns
        ]
        lately = or_(crm_versions.c.deleted_at.is_(None), crm_versions.c.deleted_at >= before)
        versions = select(crm_versions.c.record_id).where(*self._versions(ids), lately)
        into = select(merges.c.record_id, merges.c.survivor).where(self._here, merges.c.survivor.in_(ids))
        held = {*deleted, *self._db.scalars(union(*naming, versions))}
        gone = forgettable(ids, held, [(row.record_id, row.survivor) for row in self._db.execute(into)])
        self._db.execute(delete(merges).where(self._here, merges.c.record_id.in_(gone)))
        stay = update(merges).where(self._here, merges.c.record_id.in_(set(ids) - gone))
        self._db.execute(stay.values(settled_at=db_now()))
        return len(gone)
