"""The deployment's organisations and their locations (T1)."""

from sqlalchemy import Connection, Select, delete, exists, select

from domain.crm.locations import Location, NamedLocation
from infra.db.sql import insert_new, insert_returning, lock
from infra.db.tables.crm import locations, organisations


class OrganisationRepository:
    """Organisations and locations within one transaction."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def named(self, organisation: str, name: str) -> tuple[NamedLocation, ...]:
        return self._read(_ALL.where(organisations.c.name == organisation, locations.c.name == name))

    def first(self, limit: int) -> tuple[NamedLocation, ...]:
        return self._read(_ALL.order_by(locations.c.id).limit(limit))

    def all(self) -> tuple[NamedLocation, ...]:
        return self._read(_ALL.order_by(organisations.c.name, locations.c.name))

    def name_of(self, location: Location) -> NamedLocation:
        [found] = self._read(_ALL.where(locations.c.id == location.id))
        return found

    def _read(self, query: Select[tuple[int, int, str, str]]) -> tuple[NamedLocation, ...]:
        return tuple(
            NamedLocation(Location(row.id, row.organisation_id), row.organisation, row.name)
            for row in self._db.execute(query)
        )

    def add(self, organisation: str, name: str) -> bool:
        insert_new(self._db, organisations, [{"name": organisation}])
        its = self._db.scalar(select(organisations.c.id).where(organisations.c.name == organisation))
        row = {"organisation_id": its, "name": name}
        return bool(insert_returning(self._db, locations, [row], locations.c.id))

    def is_last(self, location: Location) -> bool:
        lock(self._db, organisations, organisations.c.id == location.organisation_id)
        lock(self._db, locations, locations.c.organisation_id == location.organisation_id)
        others = (locations.c.organisation_id == location.organisation_id, locations.c.id != location.id)
        return not self._db.scalar(select(exists().where(*others)))

    def delete(self, location: Location, *, organisation: bool) -> None:
        self._db.execute(delete(locations).where(locations.c.id == location.id))
        if organisation:
            self._db.execute(delete(organisations).where(organisations.c.id == location.organisation_id))


def locations_of(organisation_id: int) -> Select[tuple[int]]:
    """The ids of the organisation's locations."""
    return select(locations.c.id).where(locations.c.organisation_id == organisation_id)


_ALL = select(
    locations.c.id, locations.c.organisation_id, organisations.c.name.label("organisation"), locations.c.name
).join(organisations, organisations.c.id == locations.c.organisation_id)
