"""MailMagnet: the user is told that a contact has written (D11, Z21)."""

from dataclasses import dataclass

import structlog

from domain.connections.connections import Connection
from domain.events import MailAnnounced
from domain.ids import ChannelId, MailboxId
from domain.ledger import Claim, Link, Step, StepKey
from domain.outcomes import Outcome
from domain.retention import Admission, kept
from handlers.channels import wake_channels
from handlers.context import Context
from handlers.ports.store import Transaction

log = structlog.get_logger()

AT_ONCE = 500


def announce(mailbox_id: MailboxId, context: Context) -> None:
    """Put what is due of this mailbox on its users' lists; then it may be sorted (I5)."""
    full = True
    while full:
        with context.store.begin("notifications.record") as tx:
            announced, channels = _announce(mailbox_id, tx, context)
            full = len(announced) == AT_ONCE
            coming = tx.ledger.ahead(mailbox_id).coming
        for one in announced:
            _say(one, mailbox_id)
        wake_channels(channels, context)
    # One label call serves many mails: sorting waits for the last batch, or until it is redriven.
    if Step.SORT in coming and Step.MATCH not in coming:
        context.queue.emit(MailAnnounced(mailbox_id))


@dataclass(frozen=True, slots=True)
class _Announced:
    claim: Claim
    location_id: int
    outcome: Outcome
    contact_id: str
    new: bool


def _announce(
    mailbox_id: MailboxId, tx: Transaction, context: Context
) -> tuple[list[_Announced], frozenset[ChannelId]]:
    connections = {
        connection.id: connection for connection in tx.connections.working(mailbox_id, locked=True)
    }
    claims = tx.ledger.claim(
        mailbox_id, Step.ANNOUNCE, AT_ONCE, context.me(), context.timing.lease, list(connections)
    )
    if not claims:
        return [], frozenset()
    links = tx.decisions.links(claims)
    # Notifications are read in the order of their ids, and claims come in the database's order.
    claims = tuple(sorted(claims, key=lambda claim: (links[claim.key].received_at, claim.message_id)))
    outcomes = {claim: _outcome(connections[claim.connection_id], links[claim.key]) for claim in claims}
    new: set[StepKey] = set()
    channels: frozenset[ChannelId] = frozenset()
    for connection in connections.values():
        due = [
            c for c in claims if c.connection_id == connection.id and outcomes[c] is Outcome.MAGNET_NOTIFIED
        ]
        # A notification says nothing of the content, also where two-way sync keeps it.
        may_keep = kept(connection.mode, Admission.REFUSED, magnet=connection.features.magnet)
        told = tx.notifications.notify(connection, due, links, may_keep)
        new |= {StepKey(message_id, connection.id) for message_id in told.message_ids}
        channels |= told.channels
    tx.ledger.finish(mailbox_id, Step.ANNOUNCE, outcomes, context.me(), {})
    labelled = {claim: word for claim in claims if (word := links[claim.key].labelled)}
    if to_sort := [claim for claim in claims if claim not in labelled]:
        tx.ledger.unblock_sorting(mailbox_id, to_sort)
    tx.decisions.conclude(labelled, {})
    return [
        _Announced(
            c, connections[c.connection_id].location.id, outcomes[c], links[c.key].contact_id, c.key in new
        )
        for c in claims
    ], channels


def _outcome(connection: Connection, link: Link) -> Outcome:
    """By the settings of this moment, not those of the match (Part B, W6)."""
    on = connection.features.at(link.received_at)
    return Outcome.MAGNET_NOTIFIED if on.magnet else Outcome.MAGNET_OFF


def _say(one: _Announced, mailbox_id: MailboxId) -> None:
    say = log.bind(
        mailbox_id=mailbox_id,
        message_id=one.claim.message_id,
        connection_id=one.claim.connection_id,
        location_id=one.location_id,
    )
    event = say.bind(contact_id=one.contact_id, outcome=one.outcome.value, attempt=one.claim.attempts)
    if one.new:
        event.info("notification.committed")
    else:
        event.info("notification.omitted")
