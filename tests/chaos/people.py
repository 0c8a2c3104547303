"""Who lives in the chaos: the mailboxes and their settings, and the CRM with what changes in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Engine, delete, insert

from domain.addresses import loose
from infra.db.schema import contact_addresses, contacts, deal_contacts, deals, user_addresses, users

AS_OF = "2026-03-15T12:00:00+00:00"
"""The moment "this month" is evaluated for, so that no run is cut in two by a month's end."""

SOON, LATER = date(2026, 3, 31), date(2026, 5, 2)
CTM, OPEN, CUSTOMER, NONE = "CTM", "OPEN", "CUSTOMER", "NONE"
CATEGORIES = (CTM, OPEN, CUSTOMER, NONE)

DEALS_OF: Mapping[str, Sequence[tuple[str, date | None]]] = {
    CTM: [("OPEN", SOON), ("WON", SOON)],
    OPEN: [("OPEN", LATER), ("WON", None)],
    CUSTOMER: [("WON", SOON), ("LOST", SOON)],
    NONE: [("LOST", SOON)],
}
"""Deals that make a contact one of its category (D9)."""


@dataclass(frozen=True, slots=True)
class Box:
    """A mailbox and what its user has switched on."""

    address: str
    options: tuple[str, ...] = ("--magnet", "--sorting")

    @property
    def user(self) -> str:
        return self.address.partition("@")[0]

    @property
    def alias(self) -> str:
        return f"{self.user}.alias@firm.example"

    @property
    def announces(self) -> bool:
        return "--magnet" in self.options

    @property
    def sorts(self) -> bool:
        return "--sorting" in self.options

    @property
    def dry(self) -> bool:
        return "--dry-run" in self.options


BOXES = (
    *(Box(f"{name}@firm.example") for name in ("uwe", "anna", "ben", "clara", "dirk")),
    Box("emil@firm.example", ("--magnet",)),
    Box("finn@firm.example", ("--magnet", "--sorting", "--dry-run")),
    Box("gina@firm.example", ()),
)
SHARED, SECOND_USER = BOXES[0], "zoe"
"""Two users have connected this mailbox; MailMagnet is on for one of them only (E76)."""

COLLEAGUE = "kim@firm.example"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the CRM: a contact or a lead, or nobody's contact when `kind` is empty."""

    name: str
    kind: str = "contact"
    category: str = NONE
    changes: bool = False
    addresses: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        return self.addresses[0] if self.addresses else f"{self.name}@example.com"


FAMILY = "family@example.net"
PEOPLE = (
    Person("ann", category=CTM, addresses=("ann@example.com", "ann.old@example.com")),
    Person("olga", category=OPEN),
    Person("cid", category=CUSTOMER),
    Person("bob"),
    Person("dora", category=OPEN),
    Person("pa", addresses=(FAMILY,)),
    Person("ma", category=OPEN, addresses=(FAMILY,)),
    Person("lea", kind="lead"),
    Person("leo", kind="lead"),
    Person("hal", category=OPEN, changes=True),
    Person("hedi", category=CUSTOMER, changes=True),
    Person("stranger", kind="", addresses=("stranger@example.org",)),
)
BY_NAME = {person.name: person for person in PEOPLE}
CHANGING = tuple(person.name for person in PEOPLE if person.changes)
FILED = "dora"
"""Every user has a filter that files and archives what she writes."""

FILED_UNDER = "Projects"


def oldest_with(address: str) -> Person:
    """Whose mail it is when several contacts share an address (D5 step 4)."""
    return next(person for person in PEOPLE if address in (person.address, *person.addresses))


def write_crm(engine: Engine) -> None:
    """All people with their deals, and a colleague who has no mailbox here."""
    born = datetime(2024, 1, 1, tzinfo=UTC)
    with engine.begin() as db:
        for number, person in enumerate(person for person in PEOPLE if person.kind):
            row = {"id": person.name, "kind": person.kind, "name": person.name.title()}
            db.execute(
                insert(contacts).values(location_id=1, created_at=born + timedelta(days=number), **row)
            )
            for address in person.addresses or (person.address,):
                known = {"contact_id": person.name, "address": address, "loose": loose(address)}
                db.execute(insert(contact_addresses).values({"location_id": 1} | known))
        db.execute(insert(users).values(organisation_id=1, id="kim", name="Kim"))
        row = {"user_id": "kim", "address": COLLEAGUE, "loose": loose(COLLEAGUE)}
        db.execute(insert(user_addresses).values({"organisation_id": 1} | row))
    for person in PEOPLE:
        if person.kind == "contact":
            write_deals(engine, person.name, person.category)


def write_deals(engine: Engine, contact: str, category: str) -> None:
    """The contact's deals, new ones in place of the old."""
    with engine.begin() as db:
        db.execute(delete(deals).where(deals.c.id.startswith(f"{contact}-")))
        for number, (state, closing) in enumerate(DEALS_OF[category]):
            deal = f"{contact}-{number}"
            db.execute(
                insert(deals).values(location_id=1, id=deal, stage="s", category=state, closing_date=closing)
            )
            db.execute(insert(deal_contacts).values(location_id=1, deal_id=deal, contact_id=contact))
