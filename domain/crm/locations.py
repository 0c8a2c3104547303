"""Organisations and their locations: whose a contact, a deal or a connection is (T1)."""

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

    They say whether two-way sync begins a conversation only where the contact is assigned to the mailbox's user (D7
    rows 8 and 12). Two-way sync is not built yet, so that nothing reads them.
    """

    assigned_inbound: bool = True
    assigned_outbound: bool = False


LOCATION_SETTINGS = {"assignment-inbound": "assigned_inbound", "assignment-outbound": "assigned_outbound"}
"""Fields of LocationSettings by the names of the settings."""


@dataclass(frozen=True, slots=True)
class NamedLocation:
    """A location as people call it."""

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
    """A location's whole name, as `parts` takes it."""
    return f"{organisation}/{name}"


def parts(named: str) -> tuple[str, str]:
    """Organisation and location of a name as it is typed. Raises ValueError with what is wrong."""
    organisation, slash, name = (part.strip() for part in named.partition("/"))
    if not slash or not all(_NAME.fullmatch(one) and len(one) <= _MOST for one in (organisation, name)):
        raise ValueError(
            "a location is named as ORGANISATION/LOCATION: letters, digits, spaces, . & ' - and _"
        )
    return organisation, name


def chosen(found: Sequence[NamedLocation], named: str | None) -> NamedLocation:
    """The location that is meant: the named one, or the only one. Raises ValueError with what is wrong."""
    if not found:
        raise ValueError(f"there is no location {named}: `lodestone locations list` shows them")
    if len(found) > 1:
        raise ValueError(SEVERAL)
    return found[0]
