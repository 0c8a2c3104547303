"""Whom each location of the chaos knows.

Ids are equal on all sides and mean other people, or the same with other deals; some addresses stand in several places
under several ids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.places import BERLIN, MAIN, MUNICH, Place, colleague_of

CTM, OPEN, CUSTOMER, NONE = "CTM", "OPEN", "CUSTOMER", "NONE"
CATEGORIES = (CTM, OPEN, CUSTOMER, NONE)


@dataclass(frozen=True, slots=True)
class Person:
    """A contact or a lead of a location."""

    id: str
    category: str = NONE
    kind: str = "contact"
    changes: bool = False
    addresses: tuple[str, ...] = ()


def name_of(contact: str, place: Place) -> str:
    """As it stands on the record."""
    return f"{contact.title()} of {place}"


def _person(
    name: str, category: str = NONE, *addresses: str, kind: str = "contact", changes: bool = False
) -> Person:
    return Person(name, category, kind, changes, addresses or (f"{name}@example.com",))


ANN, ANN_OLD = "ann@example.com", "ann.old@example.com"
FAMILY, STRANGER, NOBODY, EVE = (
    "family@example.net",
    "stranger@example.org",
    "nobody@example.org",
    "eve@excluded.example",
)
CRM: Mapping[Place, Sequence[Person]] = {
    MAIN: (
        _person("ann", CTM, ANN, ANN_OLD),
        _person("olga", OPEN),
        _person("cid", CUSTOMER),
        _person("bob"),
        _person("dora", OPEN),
        _person("pa", NONE, FAMILY),
        _person("ma", OPEN, FAMILY),
        _person("lea", kind="lead"),
        _person("leo", kind="lead"),
        _person("hal", OPEN, changes=True),
        _person("hedi", CUSTOMER, changes=True),
        _person("eve", OPEN, EVE),
        _person("kit", OPEN, colleague_of("acme")),
        _person("uta", CUSTOMER, "anna@acme.example"),
    ),
    BERLIN: (
        _person("ann", CUSTOMER, ANN),
        _person("olga", CTM, "cid@example.com"),
        _person("cid", OPEN, "olga@example.com"),
        _person("bob", CUSTOMER, STRANGER),
        _person("dora", kind="lead"),
        _person("ma", CUSTOMER, FAMILY),
        _person("lea", OPEN),
        _person("hal", CUSTOMER, changes=True),
        _person("hedi", CTM, changes=True),
        _person("eve", CTM, EVE),
        _person("kit", CTM, colleague_of("main")),
        _person("uta", OPEN, "anna@firm.example"),
    ),
    MUNICH: (
        _person("ann", OPEN, ANN, ANN_OLD),
        _person("bob", CTM),
        _person("dora", CUSTOMER),
        _person("pa", CTM, FAMILY),
        _person("leo", CUSTOMER),
        _person("hal", NONE, changes=True),
        _person("hedi", OPEN, changes=True),
        _person("kit", CUSTOMER, colleague_of("main")),
    ),
}
"""The records of each location, the oldest first. One organisation's colleague, or mailbox, is the other's contact."""

AUTHORS = tuple(
    dict.fromkeys([one for known in CRM.values() for person in known for one in person.addresses] + [NOBODY])
)
"""Who writes, to every mailbox alike."""

CHANGING = tuple((place, person.id) for place, known in CRM.items() for person in known if person.changes)
FILED = "dora@example.com"
"""Every user has a filter that files and archives what she writes."""

FILED_UNDER = "Projects"

_KNOWN: dict[tuple[Place, str], tuple[Person, ...]] = {
    (place, address): tuple(person for person in known if address in person.addresses)
    for place, known in CRM.items()
    for address in AUTHORS
}


def known_as(place: Place, address: str) -> tuple[Person, ...]:
    """Whose address it is there; the mail is the first one's (D5 step 4)."""
    return _KNOWN.get((place, address), ())
