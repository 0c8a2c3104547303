"""Whoever else has a mailbox that somebody connects: what they leave to him, and what a second organisation takes over
from a first that has let go of it (T4, E65, E76)."""

from collections.abc import Callable
from datetime import datetime

import structlog

from domain.connections.connections import Connection, ConnectionState
from domain.crm.locations import Location
from domain.errors import Refused
from domain.ids import MailboxId
from domain.mailboxes.accounts import AccountKey
from domain.mailboxes.state import MailboxState
from handlers.connections import disconnecting
from handlers.connections.permissions import check_may_connect
from handlers.context import Context
from handlers.ports.store import InLocation, Transaction

log = structlog.get_logger()

ELSEWHERE = "this mailbox is connected elsewhere: disconnect it there first (rule T4)"


def check_others(
    user_id: str,
    mailbox_id: MailboxId,
    location: Location,
    tx: Transaction,
    *,
    magnet: bool,
    sorting: bool,
    sync: bool,
) -> None:
    """Raises Refused where another connection of the mailbox does not leave this to the user's."""
    for other in tx.connections.of_mailbox(mailbox_id):
        if other.location.organisation_id != location.organisation_id:
            if other.holds_mailbox(tx.now()):
                raise Refused(ELSEWHERE)
        elif other.location != location:
            if sorting and other.keeps_labelled:
                where = tx.organisations.name_of(other.location)
                raise Refused(f"sorting is on for this mailbox in {where} (rule E65)")
        elif sync and other.user_id != user_id and other.keeps_copies:
            raise Refused(f"this mailbox is synced already, for user {other.user_id} (rule E76)")
        elif magnet and other.user_id != user_id and other.keeps_notifications:
            raise Refused(f"MailMagnet is on for this mailbox with user {other.user_id} (rule E76)")


def known_of(account: AccountKey, location: Location, tx: Transaction) -> MailboxState | None:
    """The mailbox as we know it; nothing of it is for the newcomer while another organisation has left something there
    (T2)."""
    mailbox_id = tx.mailboxes.id_of(account)
    if mailbox_id is None or _of_others(mailbox_id, location, tx):
        return None
    return tx.mailboxes.get(mailbox_id)


def take_over(
    user_id: str,
    account: AccountKey,
    location: Location,
    context: Context,
    check: Callable[[InLocation, Transaction], object],
    progress: Callable[[int], object],
) -> datetime | None:
    """Directly before it is connected in this location, when the provider has said yes to all. Where another
    organisation had the mailbox and holds it no more, what it has there ends as if switched off, and all that was kept
    for it is deleted, the mailbox's own row too. So nothing of it is the newcomer's: no mail in the ledger, no alias,
    no name of a label (T2). Returns since when the operator has paused the mailbox: that is no organisation's, and
    goes on in its new row. `progress` is called with how many more mails are deleted.

    What the newcomer would be refused with in the end, by `check` too, he is refused with here: nothing ends for him
    then.
    The provider is told nothing: it has ended these grants, or they are the account's with us, as the new one is, and
    would take that along. Whoever dies half-way leaves the rest to the sweep. Raises TryAgain where the process is
    to end.
    """
    with context.store.begin("connections.look", reads_only=True) as tx:
        mailbox_id = tx.mailboxes.id_of(account)
        if mailbox_id is None or not _of_others(mailbox_id, location, tx):
            return None
    with context.store.begin("connections.take_over") as tx:
        tx.mailboxes.reserve(account)
        others = _of_others(mailbox_id, location, tx, locked=True)
        here = tx.of(location)
        check_may_connect(user_id, here)
        check(here, tx)
        tx.mailboxes.lock([mailbox_id])
        paused_at = tx.mailboxes.paused_at(mailbox_id)
        given_up = [one for one in others if one.state is not ConnectionState.OFF]
        for one in given_up:
            disconnecting.end(one, tx)
        for one in others:
            tx.connections.drop_grant(one.id)
    for one in given_up:
        log.info(
            "connection.superseded",
            connection_id=one.id,
            location_id=one.location.id,
            user_id=one.user_id,
            mailbox_id=mailbox_id,
        )
    for one in others:
        disconnecting.leave_now(one.id, context, progress)
    return paused_at


def _of_others(
    mailbox_id: MailboxId, location: Location, tx: Transaction, *, locked: bool = False
) -> list[Connection]:
    """The mailbox's connections in other organisations."""
    return [
        one
        for one in tx.connections.of_mailbox(mailbox_id, locked=locked)
        if one.location.organisation_id != location.organisation_id
    ]
