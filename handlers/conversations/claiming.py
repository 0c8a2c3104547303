"""Claiming the steps that mail of conversations waits for: copy and gather."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.connections.connections import Connection
from domain.ids import ConnectionId, MailboxId
from domain.ledger import BATCH_SIZE, Step
from handlers.batches import ClaimedBatch, set_aside_exhausted
from handlers.context import Context
from handlers.ports.store import InLocation, Transaction


@dataclass(frozen=True, slots=True)
class Claimed:
    """A batch, and the mailbox's connections that sync, by their ids."""

    batch: ClaimedBatch
    connections: Mapping[ConnectionId, Connection]

    def here(self, connection_id: ConnectionId, tx: Transaction) -> InLocation:
        """The location of one of its connections."""
        return tx.of(self.connections[connection_id].location)


def claim(mailbox_id: MailboxId, step: Step, tx: Transaction, context: Context) -> Claimed | None:
    """Claim what is ready; None where nothing is, or the mailbox rests or is synced no more."""
    mailbox = tx.mailboxes.get(mailbox_id)
    connections = {c.id: c for c in tx.connections.working(mailbox_id) if c.keeps_copies}
    if mailbox is None or not connections or mailbox.rests(mailbox.read_at):
        return None
    me = context.me()
    claims = tx.ledger.claim(mailbox_id, step, BATCH_SIZE, me, context.timing.lease, connections)
    claims = set_aside_exhausted(mailbox_id, step, claims, me, connections.values(), tx)
    return Claimed(ClaimedBatch(mailbox, step, claims, context), connections) if claims else None
