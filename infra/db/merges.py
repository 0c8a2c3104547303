"""Contacts and leads that the CRM has merged: which record counts for which (domain/merges.py, E71)."""

from collections.abc import Collection, Iterable
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
    union_all,
    update,
)

from domain.crm import Records
from domain.locations import Location
from domain.merges import Merge, Named, Newest, Standing, standings
from infra.db.schema import contacts, crm_versions, merges, shared_contacts
from infra.db.sql import chunks, lock, upsert


def is_merge_of(location_id: Any, contact_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """For an outer join: the merge of this record."""
    return and_(merges.c.location_id == location_id, merges.c.record_id == contact_id)


def whose(contact_id: ColumnElement[Any]) -> ColumnElement[Any]:
    """After it: for whom the record counts."""
    return func.coalesce(merges.c.counts_for, contact_id)


def same_as(location_id: int, contact_id: str, *where: ColumnElement[bool]) -> CompoundSelect[Any]:
    """The ids of the record and of those that count for it."""
    counting = (merges.c.location_id == location_id, merges.c.counts_for == contact_id, *where)
    return union_all(
        select(literal(contact_id, String).label("id")), select(merges.c.record_id).where(*counting)
    )


def is_merged() -> Exists:
    """Of a contact: it is a record of its own no more."""
    return exists().where(
        merges.c.location_id == contacts.c.location_id,
        merges.c.record_id == contacts.c.id,
        or_(merges.c.counts_for.is_not(None), merges.c.outlived),
    )


class MergeRows:
    """The merges of one location within one transaction."""

    def __init__(self, db: Connection, location: Location) -> None:
        self._db = db
        self._location = location
        self._here = merges.c.location_id == location.id

    def take_turn(self, *, alone: bool) -> None:
        """Who merges waits for who changes a contact and the other way round, so that the later one sees both. First of
        all locks; SQLite has one writer anyway."""
        if self._db.dialect.name == "postgresql":
            turn = func.pg_advisory_xact_lock if alone else func.pg_advisory_xact_lock_shared
            self._db.execute(select(turn(func.hashtextextended(f"merges {self._location.id}", 0))))

    def merge(self, merge: Merge) -> bool:
        """Kept for each record that it names, unless a newer one names it; False where nothing is new."""
        ids = sorted({merge.survivor, *merge.losers})
        known = {row.record_id: row for row in self._rows(merges.c.record_id.in_(ids))}
        new = [one for one in ids if one not in known or known[one].version < merge.version]
        self._keep(merge, dict.fromkeys(new, merge.version))
        self.settle(ids)
        return bool(new)

    def merge_unversioned(self, survivor: str, losers: Collection[str]) -> None:
        """As a file says it: over what is there, and without changing any version."""
        ids = sorted({survivor, *losers})
        newest = self._newest(ids)
        known = {row.record_id: row.version for row in self._rows(merges.c.record_id.in_(ids))}
        self._keep(
            Merge(survivor, tuple(losers), 0),
            {one: max(newest[one].version or 0, known.get(one, 0)) for one in ids},
        )
        self.settle(ids)

    def _keep(self, merge: Merge, versions: dict[str, int]) -> None:
        upsert(
            self._db,
            merges,
            [
                {
                    "location_id": self._location.id,
                    "record_id": one,
                    "survivor": None if one == merge.survivor else merge.survivor,
                    "version": version,
                }
                for one, version in versions.items()
            ],
        )

    def settle(self, ids: Collection[str]) -> None:
        """After a change of these records: for whom they count, and those that were merged into them.

        Rows are locked before what they depend on is read: of two changes the later one sees both.
        """
        if not ids or not self._db.scalar(select(exists().where(self._here))):
            return
        found = self._around(ids)
        if not found:
            return
        named = {one: Named(row.survivor, row.version) for one, row in found.items()}
        newest = self._newest({*named, *(one.survivor for one in named.values() if one.survivor)})
        now = standings(named, newest)
        before = {one: Standing(row.counts_for, row.outlived) for one, row in found.items()}
        self._say({one: standing for one, standing in now.items() if standing != before[one]})

    def _around(self, ids: Iterable[str]) -> dict[str, Any]:
        """The merges that name these records, those that lead to them, and those that lead on from them."""
        found: dict[str, Any] = {}
        frontier = set(ids)
        seen: set[str] = set()
        while frontier:
            seen |= frontier
            more: set[str] = set()
            for chunk in chunks(sorted(frontier)):
                sides = (merges.c.record_id.in_(chunk), merges.c.survivor.in_(chunk))
                which = or_(*(and_(self._here, side) for side in sides))  # each by its index
                lock(self._db, merges, self._here, which)
                for row in self._rows(which):
                    found[row.record_id] = row
                    more |= {row.record_id, row.survivor or row.record_id}
            frontier = more - seen
        return found

    def _rows(self, which: ColumnElement[bool]) -> list[Any]:
        return list(self._db.execute(select(merges).where(self._here, which)))

    def _newest(self, ids: Collection[str]) -> dict[str, Newest]:
        versions: dict[str, Any] = {}
        there: set[str] = set()
        its = (
            crm_versions.c.organisation_id == self._location.organisation_id,
            crm_versions.c.location_id == self._location.id,
            crm_versions.c.kind == Records.CONTACTS.value,
        )
        for chunk in chunks(sorted(ids)):
            rows = self._db.execute(select(crm_versions).where(*its, crm_versions.c.record_id.in_(chunk)))
            versions |= {row.record_id: row for row in rows}
            known = (contacts.c.location_id == self._location.id, contacts.c.id.in_(chunk))
            there.update(self._db.scalars(select(contacts.c.id).where(*known)))
        return {
            one: Newest(versions[one].version, versions[one].deleted_at is not None, one in there)
            if one in versions
            else Newest(is_there=one in there)
            for one in ids
        }

    def unshare(self, ids: Collection[str]) -> None:
        """Nobody shares his mail of these any more; what counts for another is shared of that one."""
        tick = shared_contacts.c
        counting = exists().where(
            self._here, merges.c.record_id == tick.contact_id, merges.c.counts_for.is_not(None)
        )
        its = (tick.location_id == self._location.id, tick.contact_id.in_(ids))
        self._db.execute(delete(shared_contacts).where(*its, ~counting))

    def _say(self, changed: dict[str, Standing]) -> None:
        """What its owner shared of a record is shared of the one that it counts for, and ends with that."""
        for one, standing in sorted(changed.items()):
            this = update(merges).where(self._here, merges.c.record_id == one)
            self._db.execute(this.values(asdict(standing)))
        self.unshare([one for one, standing in changed.items() if standing.counts_for is None])
