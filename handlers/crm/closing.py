"""A location is deleted: first its connections are switched off, then all its rows go, then it goes itself (T5)."""

from collections import Counter
from collections.abc import Callable, Mapping

import structlog

from domain.crm.locations import Location
from domain.errors import Refused
from domain.retention import After
from handlers import copies
from handlers.connections import disconnecting
from handlers.context import Context
from handlers.crm.locations import find
from handlers.troubles import once_more

log = structlog.get_logger()

AT_ONCE = 250
"""Rows of a table that are deleted in one transaction, with what belongs to them (W11)."""

ENDED_AT_ONCE = 20
"""Connections that are switched off in one transaction."""


def delete(
    named: str, context: Context, progress: Callable[[int], object] = lambda _: None
) -> tuple[Mapping[str, int], bool]:
    """Delete all rows of a location, and the location itself unless it is `main/main`.

    The organisation is deleted with its last location. Returns how many rows of each table were deleted, and whether
    the location is gone. `progress` is called with how many more rows are deleted. May be stopped and repeated. Raises
    Refused, and TryAgain while the provider or the object store is away.
    """
    with context.store.begin("locations.look", reads_only=True) as tx:
        found = find(named, tx)
    location = found.location
    counts: Counter[str] = Counter()
    counts["connections"] = _end_connections(location, context)
    while some := once_more(lambda: _delete_some(location, context)):
        counts.update(some)
        progress(sum(some.values()))
    _remove_objects(location, context)
    context.store.scrub()
    gone = not found.is_main and _close(location, context)
    log.info("location.emptied", location_id=location.id, organisation_id=location.organisation_id, gone=gone)
    return counts, gone


def _end_connections(location: Location, context: Context) -> int:
    """Switch the connections off, as their users could (E77), and then end them at the provider."""
    more = True
    while more:
        with context.store.begin("connections.switch_off") as tx:
            living = tx.of(location).connections.living(ENDED_AT_ONCE)
            tx.mailboxes.lock([one.mailbox_id for one in living])
            for one in living:
                disconnecting.end(one, tx)
        more = len(living) == ENDED_AT_ONCE
    with context.store.begin("locations.look", reads_only=True) as tx:
        ids = tx.of(location).connections.ids()
    for connection_id in ids:
        disconnecting.leave_now(connection_id, context)
    return len(ids)


def _delete_some(location: Location, context: Context) -> Mapping[str, int]:
    with context.store.begin("locations.empty") as tx:
        last = tx.organisations.is_last(location)
        return tx.of(location).belongings.delete_some(AT_ONCE, organisation=last)


def _remove_objects(location: Location, context: Context) -> None:
    """Content of mail that nothing names any more goes from the object store; with the last location all of it."""
    more = True
    while more:
        with context.store.begin("locations.empty") as tx:
            last = tx.organisations.is_last(location)
            more = last and tx.of(location).objects.release_some(AT_ONCE) > 0
        after: After | None = ()
        while after is not None:
            _, after = copies.remove_some(AT_ONCE, after, context)


def _close(location: Location, context: Context) -> bool:
    """Delete the location when nothing belongs to it. Raises Refused when something was added meanwhile."""
    with context.store.begin("locations.delete") as tx:
        last = tx.organisations.is_last(location)
        here = tx.of(location)
        if last and here.objects.are_there():  # whoever is at it has died, or does it now
            raise Refused("content of its mail is still being removed: give the command again in 15 minutes")
        if here.connections.ids() or here.belongings.delete_some(AT_ONCE, organisation=last):
            raise Refused("somebody has added to it meanwhile: give the command again")
        tx.organisations.delete(location, organisation=last)
    return True
