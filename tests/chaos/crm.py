"""The records of the chaos as rows, and their deals as they change."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, Engine, delete, insert

from domain.crm.locations import Location
from domain.mail.addresses import loose
from infra.db.tables.crm import contact_addresses, contacts, deal_contacts, deals, user_addresses, users
from tests.chaos.people import CRM, CTM, CUSTOMER, NONE, OPEN, Person, name_of
from tests.chaos.places import Place, colleague_of, places_in

AS_OF = "2026-03-15T12:00:00+00:00"
"""The moment "this month" is evaluated for, so that no run is cut in two by a month's end."""

SOON, LATER = date(2026, 3, 31), date(2026, 5, 2)

DEALS_OF: Mapping[str, Sequence[tuple[str, date | None]]] = {
    CTM: [("OPEN", SOON), ("WON", SOON)],
    OPEN: [("OPEN", LATER), ("WON", None)],
    CUSTOMER: [("WON", SOON), ("LOST", SOON)],
    NONE: [("LOST", SOON)],
}
"""Deals that make a contact one of its category (D9)."""


def write_crm(engine: Engine) -> None:
    """All people of the locations that there are, with their deals, and a colleague in each organisation."""
    with engine.begin() as db:
        there = places_in(db)
        for place, here in there.items():
            for number, person in enumerate(CRM[place]):
                _write_person(db, here, place, person, number)
        _write_colleagues(db, {place.organisation: here for place, here in there.items()}.items())


def _write_person(db: Connection, here: Location, place: Place, person: Person, number: int) -> None:
    born = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=number)
    row = {"id": person.id, "kind": person.kind, "name": name_of(person.id, place), "created_at": born}
    db.execute(insert(contacts).values(location_id=here.id, **row))
    for address in person.addresses:
        known = {"contact_id": person.id, "address": address, "loose": loose(address)}
        db.execute(insert(contact_addresses).values({"location_id": here.id} | known))
    if person.kind == "contact":
        _write_deals(db, here, person.id, person.category)


def _write_colleagues(db: Connection, organisations_here: Iterable[tuple[str, Location]]) -> None:
    for organisation, here in organisations_here:
        its = {"organisation_id": here.organisation_id}
        db.execute(insert(users).values(its | {"id": "kim", "name": f"Kim of {organisation}"}))
        address = colleague_of(organisation)
        row = {"user_id": "kim", "address": address, "loose": loose(address)}
        db.execute(insert(user_addresses).values(its | row))


def write_deals(engine: Engine, place: Place, contact: str, category: str) -> None:
    """The contact's deals, new ones in place of the old."""
    with engine.begin() as db:
        _write_deals(db, places_in(db)[place], contact, category)


def _write_deals(db: Connection, here: Location, contact: str, category: str) -> None:
    its = deals.c.id.startswith(f"{contact}-")
    db.execute(delete(deals).where(deals.c.location_id == here.id, its))
    for number, (state, closing) in enumerate(DEALS_OF[category]):
        deal = f"{contact}-{number}"
        row = {"id": deal, "stage": "s", "category": state, "closing_date": closing}
        db.execute(insert(deals).values(location_id=here.id, **row))
        db.execute(insert(deal_contacts).values(location_id=here.id, deal_id=deal, contact_id=contact))
