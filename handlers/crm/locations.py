"""Which location a command or a message means, and which there are (T1)."""

import structlog

from domain.crm.locations import Location, NamedLocation, chosen, parts
from domain.errors import Refused
from handlers.ports.store import InLocation, Store, Transaction

log = structlog.get_logger()

Where = Location | str | None
"""A location, its name as somebody has typed it (ORGANISATION/LOCATION), or None for the only one there is."""


def located(where: Where, tx: Transaction) -> InLocation:
    """The repositories of the location that is meant. Raises Refused for an unknown or ambiguous one."""
    return tx.of(where if isinstance(where, Location) else find(where, tx).location)


def find(named: str | None, tx: Transaction) -> NamedLocation:
    """The location of this name, or the only one where it is None. Raises Refused."""
    try:
        found = tx.organisations.first(2) if named is None else tx.organisations.named(*parts(named))
        return chosen(found, named)
    except ValueError as error:
        raise Refused(str(error)) from None


def show(store: Store) -> tuple[NamedLocation, ...]:
    """All locations, ordered by their names."""
    with store.begin("locations.show", reads_only=True) as tx:
        return tx.organisations.all()


def add(named: str, store: Store) -> NamedLocation:
    """Add a location, and its organisation when that is new. Raises Refused when the location exists."""
    with store.begin("locations.add") as tx:
        try:
            organisation, name = parts(named)
        except ValueError as error:
            raise Refused(str(error)) from None
        if not tx.organisations.add(organisation, name):
            raise Refused(f"there is a location {organisation}/{name} already")
        made = find(named, tx)
    log.info("location.made", location_id=made.location.id, organisation_id=made.location.organisation_id)
    return made
