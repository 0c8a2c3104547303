"""Delete what a location has, or its organisation too: up to a number of rows of each table in a transaction (T5).

What the ledger has of its mail is deleted before, with the connections (infra/db/connections/disconnecting.py).
"""

from collections.abc import Iterator, Mapping

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, select, tuple_

from domain.crm.locations import Location
from infra.db.objects import ObjectRepository
from infra.db.sql import lock
from infra.db.tables.channels import channels, deliveries
from infra.db.tables.connections import sign_ins
from infra.db.tables.conversations import (
    conversations,
    files,
    mail_links,
    mail_sources,
    mails,
    participants,
    readings,
)
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
from infra.db.tables.events import event_deliveries, events
from infra.db.tables.objects import organisation_keys

_KEPT_MAIL = (readings, files, participants, mail_links, mail_sources, mails, conversations, events)
"""The copies of two-way sync go with their location (E77)."""

_ON_THEIR_WAY = {
    channels: ((deliveries, "channel_id"), (event_deliveries, "channel_id")),
    events: ((event_deliveries, "event_id"),),
}
"""What waits for a channel goes with it, or with what it was to tell."""

_NAMING = (files, mails)
"""Their rows name objects, which go when nothing else in the organisation names them."""


class BelongingRepository:
    """The belongings of one location within one transaction."""

    def __init__(self, db: Connection, location: Location, objects: ObjectRepository) -> None:
        self._db = db
        self._location = location
        self._objects = objects

    def delete_some(self, limit: int, *, organisation: bool) -> Mapping[str, int]:
        found: dict[str, int] = {}
        named: set[str] = set()
        for table, here in self._tables(organisation=organisation):
            key = tuple(table.primary_key)
            some = self._db.execute(select(*key).where(here).order_by(*key).limit(limit)).all()
            if some:
                these = and_(here, tuple_(*key).in_([tuple(row) for row in some]))
                lock(self._db, table, these)
                for of, name in _ON_THEIR_WAY.get(table, ()):  # the cascade deletes them
                    lock(self._db, of, of.c[name].in_([row.id for row in some]))
                if table in _NAMING:
                    held = select(table.c.object).where(these, table.c.object.is_not(None))
                    named.update(self._db.scalars(held))
                found[table.name] = self._db.execute(delete(table).where(these)).rowcount
        if named:
            self._objects.released(named)
        return found

    def _tables(self, *, organisation: bool) -> Iterator[tuple[Table, ColumnElement[bool]]]:
        """Each table with the condition of its rows. Sign-ins come first: they could let a user in."""
        its = self._location
        of_location = (sign_ins, *_KEPT_MAIL, contacts, deals, merges, location_settings)
        for table in of_location:
            yield table, table.c.location_id == its.id
        for table in (outdated, crm_versions):
            of_organisation = table.c.organisation_id == its.organisation_id
            yield (
                table,
                of_organisation if organisation else and_(of_organisation, table.c.location_id == its.id),
            )
        for table in (users, channels, settings, organisation_keys) if organisation else ():
            yield table, table.c.organisation_id == its.organisation_id
