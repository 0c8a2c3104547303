"""Addresses of a user that the provider does not list, an old account's say: an administrator registers them (E14)."""

import structlog

from domain.connections.aliases import Alias, why_not
from domain.errors import Refused
from handlers.connections.permissions import check_known
from handlers.crm.locations import Where, located
from handlers.ports.store import Store
from handlers.settings import the_one

log = structlog.get_logger()


def add(user_id: str, address: str, store: Store, location: Where = None) -> bool:
    """It counts as the mailbox's own from now on; False when it did already. Raises Refused."""
    with store.begin("aliases.add") as tx:
        here = located(location, tx)
        connection = the_one(user_id, here.connections.of_users([user_id]))
        here.aliases.reserve(address)
        [holders] = here.aliases.holders([address]).values()
        if reason := why_not(holders, user_id, connection.mailbox_id):
            raise Refused(reason)
        is_new = here.aliases.add(connection, address)
    if is_new:
        log.info(
            "alias.added",
            connection_id=connection.id,
            location_id=connection.location.id,
            mailbox_id=connection.mailbox_id,
            user_id=user_id,
        )
    return is_new


def remove(user_id: str, address: str, store: Store, location: Where = None) -> None:
    """It counts no more. Raises Refused when it was not registered."""
    with store.begin("aliases.remove") as tx:
        here = located(location, tx)
        connection = the_one(user_id, here.connections.of_users([user_id]))
        removed = here.aliases.remove(connection, address)
    if not removed:
        raise Refused(
            f"this address is not registered for user {user_id}: `lodestone alias list --user {user_id}`"
        )
    log.info(
        "alias.removed",
        connection_id=connection.id,
        location_id=connection.location.id,
        mailbox_id=connection.mailbox_id,
        user_id=user_id,
    )


def show(user_id: str | None, store: Store, location: Where = None) -> tuple[Alias, ...]:
    """Those of one user, or of all in the location. Raises Refused for a user whom nobody knows."""
    with store.begin("aliases.show", reads_only=True) as tx:
        here = located(location, tx)
        if user_id is None:
            return here.aliases.of_users()
        check_known(user_id, here)
        return here.aliases.of_users([user_id])
