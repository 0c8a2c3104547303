"""The end of a connection, whichever way it comes: off here at once, then at Google (D12, Z42–Z44, E74, E79)."""

from functools import partial

import structlog

from domain.connections import Connection, ConnectionState
from domain.errors import AccessRevoked, GiveUp, GrantRefused, TryAgain
from domain.quota import Purpose
from handlers.ports import Transaction
from handlers.work import Work

log = structlog.get_logger()


def end(connection: Connection, tx: Transaction) -> None:
    """Nothing more is done for it, and what was kept is deleted. What is left to do is done by `leave`, and the
    sweep asks for that until it is."""
    tx.connections.switch_off(connection.id)
    tx.aliases.end(connection)
    forget(connection, tx)
    tx.outbox.delete(connection.id)


def forget(connection: Connection, tx: Transaction) -> bool:
    """Delete what was kept of mail for it; returns whether another connection keeps mail of the mailbox.

    When none does, the mailbox's row is locked first: a catch_up that is about to commit rows for it is waited
    for, a later one finds no cursor.
    """
    others = [one for one in tx.connections.of_mailbox(connection.mailbox_id) if one.id != connection.id]
    kept = any(other.keeps_mail for other in others)
    if not kept:
        tx.mailboxes.forget(connection.mailbox_id)
        tx.connections.delete_mailbox_mail(connection.mailbox_id)
    tx.connections.delete_mail(connection)
    return kept


def disconnect(user_id: str, work: Work) -> int:
    """End all connections of the user; returns how many there were.

    First nothing more is done and what was kept is deleted, then Google is told, then the grant is deleted: what
    a crash in between leaves undone the sweep has done (Z41–Z44). Raises TryAgain while Google is away.
    """
    with work.store.begin("connections.switch_off") as tx:
        connections = tx.connections.of_users([user_id])
        tx.mailboxes.lock([connection.mailbox_id for connection in connections])
        for connection in connections:
            if connection.state is not ConnectionState.OFF:
                end(connection, tx)
    for connection in connections:
        leave_now(connection.id, work)
    return len(connections)


def leave(connection_id: int, work: Work) -> None:
    """Sign out of Gmail with what was switched off. While Gmail is away the sweep asks again."""
    try:
        leave_now(connection_id, work)
    except TryAgain as error:
        log.warning("leaving.postponed", connection_id=connection_id, reason=error.reason)


def leave_now(connection_id: int, work: Work) -> None:
    """The watch ends, then the grant, unless another connection needs them; then the row is deleted (D12).

    While it is on, nobody may connect the mailbox anew: a new grant would be revoked with the old one.
    Whoever dies in between does it again. Raises TryAgain.
    """
    work.store.scrub()
    with work.store.begin("connections.leave") as tx:
        connection = tx.connections.get(connection_id)
        mailbox = tx.mailboxes.get(connection.mailbox_id) if connection else None
        if connection is None or mailbox is None:
            return
        tx.mailboxes.reserve(mailbox.address)
        if not tx.connections.take_leave(connection_id, work.pace.long_lease):
            return
        others = [one for one in tx.connections.of_mailbox(mailbox.id) if one.id != connection_id]
    _sign_out(
        connection,
        stop=not any(other.keeps_mail for other in others),
        revoke=all(other.state is ConnectionState.OFF for other in others),
        work=work,
    )
    with work.store.begin("connections.delete") as tx:
        tx.mailboxes.reserve(mailbox.address)
        if not tx.connections.delete(connection):
            return
        others = list(tx.connections.of_mailbox(mailbox.id))
        if not any(other.keeps_mail for other in others):  # two may have ended at once, each seeing the other
            tx.mailboxes.forget(mailbox.id)
            tx.connections.delete_mailbox_mail(mailbox.id)
        tx.outbox.delete(connection.id)
        if not others:
            tx.mailboxes.delete(mailbox.id)
    log.info("connection.ended", connection_id=connection.id, mailbox_id=connection.mailbox_id)


def _stay(connection: Connection, work: Work) -> None:
    with work.store.begin("connections.extend") as tx:
        tx.connections.take_leave(connection.id, work.pace.long_lease)


def _sign_out(connection: Connection, *, stop: bool, revoke: bool, work: Work) -> None:
    """A grant that Google ended, or that it does not let us use, keeps nobody from leaving."""
    if connection.grant is None:
        return
    gmail = work.gmail.open(connection.grant)
    gmail.charge(partial(work.tally.add, connection.mailbox_id, Purpose.USER))
    gmail.hold(work.pace.long_lease / 3, lambda: _stay(connection, work))
    for wanted, step in ((stop, gmail.stop_watch), (revoke, gmail.revoke)):
        try:
            if wanted:
                step()
        except (AccessRevoked, GiveUp, GrantRefused) as error:
            log.info("grant.lost", connection_id=connection.id, error=type(error).__name__)
