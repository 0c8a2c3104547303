"""The rest of a thread whose conversation has begun: what was refused before is decided again (E103)."""

import time
from collections.abc import Mapping

import structlog

from domain.events import MailFound
from domain.ids import MailboxId
from domain.ledger import Claim, Cost, Step
from domain.quota import Purpose
from handlers.batches import ClaimedBatch
from handlers.context import Context
from handlers.conversations.claiming import Claimed, claim
from handlers.sessions import with_mailbox

log = structlog.get_logger()


def gather(mailbox_id: MailboxId, context: Context) -> None:
    """For each mail that has begun a conversation its provider is asked once for the mails of its thread. Those that
    nobody's conversation wanted before are matched again; nothing else of them is kept (D2)."""
    while not context.stopping() and _gather(mailbox_id, context):
        pass


def _gather(mailbox_id: MailboxId, context: Context) -> bool:
    with context.store.begin("conversations.gather") as tx:
        claimed = claim(mailbox_id, Step.GATHER, tx, context)
        if claimed is None:
            return False
        threads = {
            one: claimed.here(one.connection_id, tx).conversations.thread_of(mailbox_id, one.message_id)
            for one in claimed.batch.claims
        }
    with claimed.batch.released_on_failure():
        return _ask(claimed, threads, context)
    return False


def _ask(claimed: Claimed, threads: Mapping[Claim, str | None], context: Context) -> bool:
    batch = claimed.batch
    wanted = sorted({thread for thread in threads.values() if thread is not None})
    began = time.monotonic()
    answer = with_mailbox(
        tuple(claimed.connections.values()),
        context,
        lambda mailbox: ({thread: mailbox.thread(thread) for thread in wanted}, mailbox.spent),
        batch.lease(),
        purpose=Purpose.MATCH,
        expected=2 * context.tally.quota.read * len(wanted),
    )
    if answer is None:
        batch.release(batch.claims, 0, counted=False)
        return False
    found, spent = answer
    cost = Cost(spent.units / len(batch.claims), time.monotonic() - began, len(batch.claims))
    return _record(batch, threads, found, cost, context)


def _record(
    batch: ClaimedBatch,
    threads: Mapping[Claim, str | None],
    found: Mapping[str, tuple[str, ...]],
    cost: Cost,
    context: Context,
) -> bool:
    mailbox_id, again = batch.mailbox.id, 0
    with context.store.begin("conversations.gathered") as tx:
        tx.mailboxes.lock([mailbox_id])
        batch.succeeded(tx)
        mine = tx.ledger.held(mailbox_id, Step.GATHER, batch.claims, context.me())
        for claim in batch.claims:
            thread = threads[claim]
            if thread is not None and claim.key in mine:
                again += tx.messages.reopen_refused(mailbox_id, claim.connection_id, found[thread])
        costs = dict.fromkeys((claim.message_id for claim in batch.claims), cost)
        tx.ledger.finish(mailbox_id, Step.GATHER, dict.fromkeys(batch.claims), context.me(), costs)
    if again:
        log.info("conversation.gathered", mailbox_id=mailbox_id, mails=again)
        context.queue.emit(MailFound(mailbox_id))
    return True
