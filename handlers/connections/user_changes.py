"""What becomes of a user's mailbox when the CRM changes his profile, deactivates or deletes him (D12, Z6, E74)."""

from collections.abc import Collection
from dataclasses import dataclass, field

import structlog

from domain.connections.connections import Connection, ConnectionState
from domain.crm.records import UserRecord
from handlers.connections import disconnecting
from handlers.ports.store import Transaction

log = structlog.get_logger()


@dataclass(slots=True)
class Followed:
    """The connections that were switched off, suspended or reinstated."""

    ended: list[Connection] = field(default_factory=list)
    suspended: list[Connection] = field(default_factory=list)
    reinstated: list[Connection] = field(default_factory=list)

    def say(self) -> None:
        """Called after the commit."""
        for connection in self.ended:
            log.info(
                "connection.closed",
                connection_id=connection.id,
                location_id=connection.location.id,
                user_id=connection.user_id,
            )
        for connection in self.suspended:
            log.info(
                "connection.paused",
                connection_id=connection.id,
                location_id=connection.location.id,
                user_id=connection.user_id,
            )
        for connection in self.reinstated:
            log.info(
                "connection.resumed",
                connection_id=connection.id,
                location_id=connection.location.id,
                user_id=connection.user_id,
            )


def follow(
    users: Collection[UserRecord], deleted: Collection[str], organisation_id: int, tx: Transaction
) -> Followed:
    """Bring the connections of the organisation's users in line with their profiles, in the transaction that changes
    these.

    What ends here the sweep has ended at the provider.
    """
    profiles = {user.id: user for user in users}
    followed = Followed()
    found = tx.of_organisation(organisation_id).connections.of_users([*profiles, *deleted])
    for connection in sorted(found, key=lambda one: one.mailbox_id):
        profile = profiles.get(connection.user_id)
        if profile is None or not profile.active:
            if connection.state is not ConnectionState.OFF:
                disconnecting.end(connection, tx)
                followed.ended.append(connection)
        elif not profile.may_connect:
            if tx.connections.suspend(connection.id):
                tx.mailboxes.stop_scheduling(connection.mailbox_id)
                followed.suspended.append(connection)
        elif tx.connections.reinstate(connection.id):
            if connection.keeps_mail:
                tx.mailboxes.schedule(connection.mailbox_id)
            followed.reinstated.append(connection)
    for connection in followed.reinstated:
        tx.deliveries.signed_in(connection.id)
    return followed
