"""Sessions in mailboxes, by the first grant that works, and what follows where a grant does not work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog

from domain.connections.connections import UNKNOWN_ADDRESS, Connection
from domain.errors import (
    AccessRevoked,
    DatabaseAway,
    GrantRefused,
    NotDelegated,
    UnknownAddress,
)
from domain.notifications import NotificationKind
from domain.quota import Purpose
from handlers.channels import wake_channels
from handlers.context import Context
from handlers.ports.capabilities import Mailbox

T = TypeVar("T")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Lease:
    """What is ours for so many seconds, and for as many more whenever it is extended."""

    seconds: float
    extend: Callable[[], object]


def with_mailbox(
    connections: Sequence[Connection],
    context: Context,
    action: Callable[[Mailbox], T],
    lease: Lease | None = None,
    *,
    purpose: Purpose = Purpose.USER,
    expected: int = 0,
) -> T | None:
    """Do something in the mailbox with the first grant that still works; None when none does (W15, E86).

    Its units are counted for the `purpose`; where the `expected` ones are more than are left, Slowed is raised.
    However slowly the provider answers, the lease is extended meanwhile (W2). Raises GrantRefused where one of the
    grants will work again without its user, and none does now.
    """
    if not connections:
        return None
    with context.tally.reserved(connections[0].mailbox_id, purpose, expected, context.queue):
        return _with_mailbox(connections, context, action, lease, purpose)


def _with_mailbox(
    connections: Sequence[Connection],
    context: Context,
    action: Callable[[Mailbox], T],
    lease: Lease | None,
    purpose: Purpose,
) -> T | None:
    refused: GrantRefused | None = None
    for connection in connections:
        if connection.grant is None:
            continue
        mailbox = context.open(connection.grant)
        mailbox.charge(partial(context.tally.add, connection.mailbox_id, purpose))
        if lease is not None:
            mailbox.hold(lease.seconds / 3, lease.extend)
        try:
            answer = action(mailbox)
            if connection.access_trouble is not None:
                _admit(connection, context)
            return answer
        except GrantRefused as error:
            refused = error.with_traceback(None)
            if isinstance(error, NotDelegated):
                _refuse(connection, error.reason, context)
        except AccessRevoked as error:
            need_sign_in(connection, context, unknown=isinstance(error, UnknownAddress))
        finally:
            if mailbox.grant != connection.grant:
                with context.store.begin("mailboxes.keep_grant") as tx:
                    tx.connections.keep_grant(connection, mailbox.grant)
    if refused is not None:
        raise refused
    return None


def need_sign_in(connection: Connection, context: Context, *, unknown: bool = False) -> None:
    """Stop at once and say so once: nothing is retried until the user signs in again (E86), or is connected anew
    where the provider does not know the address that a service account was to enter."""
    kind = NotificationKind.ACCESS_REFUSED if unknown else NotificationKind.SIGN_IN_NEEDED
    with context.store.begin("mailboxes.need_sign_in") as tx:
        first = tx.connections.need_sign_in(connection, UNKNOWN_ADDRESS if unknown else None)
        if not tx.connections.working(connection.mailbox_id):
            tx.mailboxes.stop_scheduling(connection.mailbox_id)
        channels = tx.notifications.tell(connection, kind) if first else ()
    if first and unknown:
        _say_refused(connection, UNKNOWN_ADDRESS)
    elif first:
        log.warning(
            "connection.expired",
            connection_id=connection.id,
            location_id=connection.location.id,
            user_id=connection.user_id,
        )
    wake_channels(channels, context)


def _refuse(connection: Connection, reason: str, context: Context) -> None:
    """Say once that a service account is not let in. The mailbox rests and comes back by itself (E87)."""
    if connection.access_trouble is not None:
        return
    with context.store.begin("mailboxes.refuse") as tx:
        first = tx.connections.refuse(connection, reason)
        channels = tx.notifications.tell(connection, NotificationKind.ACCESS_REFUSED) if first else ()
    if first:
        _say_refused(connection, reason)
    wake_channels(channels, context)


def _say_refused(one: Connection, reason: str) -> None:
    event = log.bind(connection_id=one.id, location_id=one.location.id, user_id=one.user_id)
    event.warning("connection.refused", reason=reason)


def _admit(one: Connection, context: Context) -> None:
    """What has been done in the mailbox counts, whether this can be written or not: the next look writes it."""
    try:
        with context.store.begin("mailboxes.admit") as tx:
            first = tx.connections.refuse(one, None)
    except DatabaseAway:
        return
    if first:
        log.info(
            "connection.admitted", connection_id=one.id, location_id=one.location.id, user_id=one.user_id
        )
