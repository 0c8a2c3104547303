"""The end of a connection, whichever way it comes: off here at once, then deleted stretch by stretch, then ended at
the provider (D12, Z42–Z44, E74, E79)."""

from collections.abc import Callable
from functools import partial

import structlog

from domain.connections.connections import Connection, ConnectionState
from domain.errors import AccessRevoked, GiveUp, GrantRefused, TryAgain
from domain.ids import ConnectionId, MailboxId
from domain.mailboxes.accounts import AccountKey
from domain.quota import Purpose
from domain.retention import After, Forgotten
from handlers.context import Context
from handlers.crm.locations import Where, located
from handlers.outbox import conversation
from handlers.ports.store import Transaction
from handlers.stretches import stretch_by_stretch

log = structlog.get_logger()

IS_LEFT = "this mailbox is just being disconnected: try again in a few minutes"

AT_ONCE = 1_500
"""Rows of a table that are deleted in one transaction at most: of mail with all its steps 500 (W11)."""


def end(connection: Connection, tx: Transaction) -> None:
    """Nothing more is done for it, and what was kept is shown nowhere. What is left to do is done by `leave`, and the
    sweep asks for that until it is."""
    tx.connections.switch_off(connection.id)
    tx.of(connection.location).aliases.end(connection)
    forget(connection, tx)
    conversation.give_up(connection.id, tx.of(connection.location))
    tx.outbox.delete(connection.id)


def forget(connection: Connection, tx: Transaction) -> bool:
    """What was kept of mail for it is shown no more, and is to be deleted; returns whether another connection keeps
    mail of the mailbox.

    When none does, the mailbox's row is locked first: a catch_up that is about to commit rows for it is waited
    for, a later one finds no cursor.
    """
    kept = _keeps(tx, connection)
    if not kept:
        tx.mailboxes.forget(connection.mailbox_id)
    tx.connections.delete_own_notifications(connection.id)
    return kept


def disconnect(
    user_id: str,
    context: Context,
    progress: Callable[[int], object] = lambda _: None,
    location: Where = None,
) -> int:
    """End all connections of the user in the location; returns how many there were. `progress` is called with how many
    more mails are deleted.

    First nothing more is done or shown, then what was kept is deleted, then the provider is told, then the grant is
    deleted: what a crash in between leaves undone the sweep has done (Z41–Z44). Raises TryAgain while the
    provider is away.
    """
    with context.store.begin("connections.switch_off") as tx:
        connections = located(location, tx).connections.of_users([user_id])
        tx.mailboxes.lock([connection.mailbox_id for connection in connections])
        for connection in connections:
            if connection.state is not ConnectionState.OFF:
                end(connection, tx)
    for connection in connections:
        leave_now(connection.id, context, progress)
    return len(connections)


def leave(connection_id: ConnectionId, context: Context) -> None:
    """Delete what was kept for what is switched off, and sign out with a connection that is. While the provider
    is away the sweep asks again."""
    try:
        leave_now(connection_id, context)
    except TryAgain as error:
        with context.store.begin("connections.look", reads_only=True) as tx:
            connection = tx.connections.get(connection_id)
        log.warning(
            "leaving.postponed",
            connection_id=connection_id,
            location_id=connection and connection.location.id,
            reason=error.reason,
        )


def clear(
    connection_id: ConnectionId, context: Context, progress: Callable[[int], object] = lambda _: None
) -> bool:
    """Delete what is left of mail for a connection whose MailMagnet or sorting is off, about as many mails a
    transaction as nobody waits for (D2, W11). False when the process is to end first: the sweep asks again.

    Meanwhile another one may switch it on again: each stretch looks what is on, under the mailbox's lock.
    """
    mails = 0
    location_id: int | None = None

    def run(rows: int, after: After) -> After | None:
        nonlocal mails, location_id
        with context.store.begin("connections.forget") as tx:
            connection = tx.connections.get(connection_id)
            held = tx.connections.claim_clearing(connection_id, context.timing.redrive_after)
            if connection is None or not held:
                return None
            location_id = connection.location.id
            tx.mailboxes.lock([connection.mailbox_id])
            found = _forget_some(connection_id, rows, after, tx)
            if found.after is None:
                tx.connections.cleared(connection_id)
        mails += found.rows
        progress(found.rows)
        return found.after

    def say() -> None:
        log.info("connection.cleared", connection_id=connection_id, location_id=location_id, mails=mails)

    done = stretch_by_stretch(run, say, context, most=AT_ONCE)
    if mails:
        say()
    return done


def clear_left(account: AccountKey, context: Context, progress: Callable[[int], object]) -> None:
    """The same for whatever features of this mailbox are off, before one is switched on."""
    with context.store.begin("connections.look", reads_only=True) as tx:
        mailbox_id = tx.mailboxes.id_of(account)
        left = tx.connections.disconnecting_in(mailbox_id) if mailbox_id else ()
    for connection_id in left:
        clear(connection_id, context, progress)


def is_cleared(mailbox_id: MailboxId, tx: Transaction) -> bool:
    """Whether nothing is left of what was kept of the mailbox for features that are off; a last stretch is deleted
    here. To be asked under the mailbox's lock, before a feature is switched on."""
    return all(
        _forget_some(connection_id, AT_ONCE, (), tx).after is None
        for connection_id in tx.connections.disconnecting_in(mailbox_id)
    )


def _forget_some(connection_id: ConnectionId, rows: int, after: After, tx: Transaction) -> Forgotten:
    connection = tx.connections.get(connection_id)
    if connection is None or (connection.keeps_notifications and connection.keeps_labelled):
        return Forgotten(0, None)
    alone = not (connection.keeps_mail or _keeps(tx, connection))
    if alone and not after:  # two may have ended at once, each seeing the other
        tx.mailboxes.forget(connection.mailbox_id)
    return tx.connections.delete_mail(connection, rows, after, alone=alone)


def _keeps(tx: Transaction, connection: Connection) -> bool:
    """Whether another connection keeps mail of its mailbox."""
    others = tx.connections.of_mailbox(connection.mailbox_id)
    return any(one.keeps_mail for one in others if one.id != connection.id)


def leave_now(
    connection_id: ConnectionId, context: Context, progress: Callable[[int], object] = lambda _: None
) -> None:
    """What was kept is deleted, the watch ends, then the grant, unless another connection needs them; then the row is
    deleted (D12).

    While it is on, nobody may connect the mailbox anew: a new grant would be revoked with the old one.
    Whoever dies in between does it again. Raises TryAgain.
    """
    if not clear(connection_id, context, progress):
        raise TryAgain("stopping")
    context.store.scrub()
    with context.store.begin("connections.leave") as tx:
        connection = tx.connections.get(connection_id)
        mailbox = tx.mailboxes.get(connection.mailbox_id) if connection else None
        if connection is None or mailbox is None:
            return
        tx.mailboxes.reserve(mailbox.account)
        if not tx.connections.claim_ending(connection_id, context.timing.long_lease):
            return
        others = [one for one in tx.connections.of_mailbox(mailbox.id) if one.id != connection_id]
    _sign_out(
        connection,
        stop=not any(other.keeps_mail for other in others),
        revoke=all(other.state is ConnectionState.OFF for other in others),
        context=context,
    )
    with context.store.begin("connections.delete") as tx:
        tx.mailboxes.reserve(mailbox.account)
        if not tx.connections.delete(connection):
            return
        tx.outbox.delete(connection.id)
        if not tx.connections.of_mailbox(mailbox.id):
            tx.mailboxes.delete(mailbox.id)
    log.info(
        "connection.ended",
        connection_id=connection.id,
        location_id=connection.location.id,
        mailbox_id=connection.mailbox_id,
    )


def _stay(connection: Connection, context: Context) -> None:
    with context.store.begin("connections.extend") as tx:
        tx.connections.claim_ending(connection.id, context.timing.long_lease)


def _sign_out(connection: Connection, *, stop: bool, revoke: bool, context: Context) -> None:
    """A grant that the provider ended, or that it does not let us use, keeps nobody from leaving."""
    if connection.grant is None:
        return
    mailbox = context.open(connection.grant)
    mailbox.charge(partial(context.tally.add, connection.mailbox_id, Purpose.USER))
    mailbox.hold(context.timing.long_lease / 3, lambda: _stay(connection, context))
    for wanted, step in ((stop, mailbox.stop_watch), (revoke, mailbox.revoke)):
        try:
            if wanted:
                step()
        except (AccessRevoked, GiveUp, GrantRefused) as error:
            log.info(
                "grant.lost",
                connection_id=connection.id,
                location_id=connection.location.id,
                error=type(error).__name__,
            )
