"""Where the chaos takes place: two organisations, one of them with two locations."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from domain.crm.categories import ByCategory
from domain.crm.locations import Location
from domain.sorting.label_names import SETS
from infra.db.tables.crm import locations, organisations


@dataclass(frozen=True, slots=True)
class Place:
    """A location."""

    organisation: str
    name: str

    def __str__(self) -> str:
        return f"{self.organisation}/{self.name}"


MAIN, BERLIN, MUNICH = Place("main", "main"), Place("acme", "berlin"), Place("acme", "munich")
PLACES = (MAIN, BERLIN, MUNICH)
DOMAINS = {"main": "firm.example", "acme": "acme.example"}
LABEL_SETS = {"main": "english", "acme": "german"}
EXCLUDED = {"main": "", "acme": "excluded.example"}
"""The domain that the organisation leaves alone (E19)."""


def labels_of(organisation: str) -> ByCategory:
    """What its CRM labels are called."""
    return SETS[LABEL_SETS[organisation]]


def colleague_of(organisation: str) -> str:
    return f"kim@{DOMAINS[organisation]}"


def places_in(db: Connection) -> Mapping[Place, Location]:
    """The locations that there are."""
    found = select(organisations.c.name, locations.c.name, locations.c.id, organisations.c.id).join_from(
        locations, organisations
    )
    return {Place(organisation, name): Location(*ids) for organisation, name, *ids in db.execute(found)}
