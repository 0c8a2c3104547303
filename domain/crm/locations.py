"""Organisations and their locations, which own contacts, deals and connections (T1)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

MAIN = "main"
"""The name of the organisation and the location that always exist."""

SEVERAL = "there are several locations: name the one that is meant, as ORGANISATION/LOCATION (rule T1)"

_NAME = re.compile(r"[\w][\w .&'-]*")
_MOST = 100


@dataclass(frozen=True, slots=True)
class Location:
    """A part of an organisation with contacts, deals and connections of its own. Users and settings are the
    organisation's."""

    id: int
    organisation_id: int


@dataclass(frozen=True, slots=True)
class LocationSettings:
    """Settings of a location (T3, Part I).

    The first two say whether two-way sync starts a conversation only when the contact is assigned to the mailbox's user
    (D7 rows 8 and 12). `third_parties` lets in what goes on from a conversation to nobody who is in it (row 1c).
    """

    assigned_inbound: bool = True
    assigned_outbound: bool = False
    third_parties: bool = False


LOCATION_SETTINGS = {
    "assignment-inbound": "assigned_inbound",
    "assignment-outbound": "assigned_outbound",
    "third-parties": "third_parties",
}
"""Fields of LocationSettings by the names of the settings."""


@dataclass(frozen=True, slots=True)
class NamedLocation:
    """A location with its names."""

    location: Location
    organisation: str
    name: str

    def __str__(self) -> str:
        return called(self.organisation, self.name)

    @property
    def is_main(self) -> bool:
        """Whether it is `main/main`, which can be emptied and not deleted."""
        return self.organisation == self.name == MAIN


def called(organisation: str, name: str) -> str:
    """A location's full name, which `parts` takes apart."""
    return f"{organisation}/{name}"


def parts(named: str) -> tuple[str, str]:
    """Organisation and location of a full name. Raises ValueError with a text for people."""
    organisation, slash, name = (part.strip() for part in named.partition("/"))
    if not slash or not all(_NAME.fullmatch(one) and len(one) <= _MOST for one in (organisation, name)):
        raise ValueError(
            "a location is named as ORGANISATION/LOCATION: letters, digits, spaces, . & ' - and _"
        )
    return organisation, name


def chosen(found: Sequence[NamedLocation], named: str | None) -> NamedLocation:
    """The only location in `found`; `named` is the name that was looked for, if any.

    Raises ValueError with a text for people when there is none or several.
    """
    if not found:
        raise ValueError(f"there is no location {named}: `lodestone locations list` shows them")
    if len(found) > 1:
        raise ValueError(SEVERAL)
    return found[0]
