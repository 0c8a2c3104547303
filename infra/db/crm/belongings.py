"""Delete what a location has, or its organisation too: up to a number of rows of each table in a transaction (T5).

Its mail is deleted before, with the connections (infra/db/connections/disconnecting.py).
"""

from collections.abc import Iterator, Mapping

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, select, tuple_

from domain.crm.locations import Location
from infra.db.sql import lock
from infra.db.tables.channels import channels, deliveries
from infra.db.tables.connections import sign_ins
from infra.db.tables.crm import (
    contacts,
    crm_versions,
    deals,
    location_settings,
    merges,
    outdated,
    settings,
    users,
)


class BelongingRepository:
    """The belongings of one location within one transaction."""

    def __init__(self, db: Connection, location: Location) -> None:
        self._db = db
        self._location = location

    def delete_some(self, limit: int, *, organisation: bool) -> Mapping[str, int]:
        found: dict[str, int] = {}
        for table, here in self._tables(organisation=organisation):
            key = tuple(table.primary_key)
            some = self._db.execute(select(*key).where(here).order_by(*key).limit(limit)).all()
            if some:
                these = and_(here, tuple_(*key).in_([tuple(row) for row in some]))
                lock(self._db, table, these)
                if table is channels:  # the cascade deletes the deliveries
                    lock(self._db, deliveries, deliveries.c.channel_id.in_([row.id for row in some]))
                found[table.name] = self._db.execute(delete(table).where(these)).rowcount
        return found

    def _tables(self, *, organisation: bool) -> Iterator[tuple[Table, ColumnElement[bool]]]:
        """Each table with the condition of its rows. Sign-ins come first: they could let a user in."""
        its = self._location
        for table in (sign_ins, contacts, deals, merges, location_settings):
            yield table, table.c.location_id == its.id
        for table in (outdated, crm_versions):
            of_organisation = table.c.organisation_id == its.organisation_id
            yield (
                table,
                of_organisation if organisation else and_(of_organisation, table.c.location_id == its.id),
            )
        for table in (users, channels, settings) if organisation else ():
            yield table, table.c.organisation_id == its.organisation_id
