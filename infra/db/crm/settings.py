"""The settings of an organisation, and of a location (Part I)."""

from sqlalchemy import Connection, bindparam, select

from domain.connections.connections import Sharing
from domain.crm.deals import DealCategory
from domain.crm.locations import LOCATION_SETTINGS, Location, LocationSettings
from domain.crm.organisations import Organisation, SharingPolicy, exclusions
from domain.sorting.label_names import LABEL_NAMES
from infra.db.sql import upsert
from infra.db.tables.crm import location_settings, settings


class SettingRepository:
    """One organisation's settings within one transaction."""

    def __init__(self, db: Connection, organisation_id: int) -> None:
        self._db = db
        self._organisation_id = organisation_id

    def get(self) -> Organisation:
        rows = {
            row.name: row.value
            for row in self._db.execute(_SETTINGS, {"organisation": self._organisation_id})
        }
        return Organisation(
            time_zone=rows.get("time-zone"),
            internal_domains=frozenset(rows.get("internal-domain", ())),
            exclusions=exclusions(rows.get("exclude", ())),
            label_names=dict(zip(LABEL_NAMES, rows.get("label-names", LABEL_NAMES.values()), strict=True)),
            sharing=SharingPolicy(
                by_role={role: Sharing(option) for role, option in rows.get("sharing-roles", {}).items()},
                by_user={
                    user_id: Sharing(option) for user_id, option in rows.get("sharing-users", {}).items()
                },
                only_users=frozenset(rows.get("sharing-only", {}).get("users", ())),
                only_roles=frozenset(rows.get("sharing-only", {}).get("roles", ())),
                excluded_domains=frozenset(rows.get("sharing-exclude", ())),
            ),
            categories={word: DealCategory(name) for word, name in rows.get("category", {}).items()},
        )

    def set(self, name: str, value: object) -> None:
        upsert(self._db, settings, [{"organisation_id": self._organisation_id, "name": name, "value": value}])


class LocationSettingRepository:
    """One location's settings within one transaction."""

    def __init__(self, db: Connection, location: Location) -> None:
        self._db = db
        self._location = location

    def get(self) -> LocationSettings:
        its = location_settings.c.location_id == self._location.id
        rows = self._db.execute(select(location_settings.c.name, location_settings.c.value).where(its))
        return LocationSettings(**{LOCATION_SETTINGS[row.name]: row.value for row in rows})

    def set(self, name: str, value: object) -> None:
        row = {"location_id": self._location.id, "name": name, "value": value}
        upsert(self._db, location_settings, [row])


# Built once, see infra/db/ledger/statements.py.
_SETTINGS = select(settings.c.name, settings.c.value).where(
    settings.c.organisation_id == bindparam("organisation")
)
