"""Sorting: a contact's mail under the label of its category (D9, D10, Z29–Z39)."""

import time
from collections.abc import Callable

from domain.errors import LabelConflict
from domain.events import MailAnnounced
from domain.ids import MailboxId
from domain.ledger import LABEL_WAITS, Cost
from domain.locks import LockKind
from handlers.batches import ClaimedBatch
from handlers.context import Context
from handlers.locks import exclusively
from handlers.sorting.apply import applied_as_planned, apply
from handlers.sorting.plan import Plan, make_plan
from handlers.sorting.record import record
from handlers.troubles import once_more


def sort(mailbox_id: MailboxId, context: Context) -> None:
    """Everything of this mailbox that may be sorted, oldest first, one run at a time (W10)."""
    context.queue.mark_dirty(LockKind.SORT, mailbox_id)
    exclusively(
        LockKind.SORT,
        mailbox_id,
        MailAnnounced(mailbox_id),
        context,
        lambda extend: _sort(mailbox_id, context, extend),
    )


def _sort(mailbox_id: MailboxId, context: Context, extend: Callable[[], bool]) -> bool:
    """Whether all was dealt with."""
    while not context.stopping():
        plan = make_plan(mailbox_id, context)
        if plan is None:
            return True
        with plan.batch.released_on_failure():
            if not _sort_batch(plan, context, extend):
                return True
            if extend():
                continue
        return False
    return False


def _sort_batch(plan: Plan, context: Context, extend: Callable[[], bool]) -> bool:
    """Whether there may be more to sort."""
    began = time.monotonic()
    applied = apply(plan, context, extend) if plan.asks_provider else applied_as_planned(plan)
    if applied is None:
        plan.batch.release(plan.batch.claims, 0, counted=False)
        return True
    if isinstance(applied.refused, LabelConflict) and _waits_for_labels(plan.batch, context):
        return True
    cost = Cost(applied.units / (len(plan.paid) or 1), time.monotonic() - began, len(plan.mails))
    plan.batch.failed(applied.troubles)
    return once_more(lambda: record(plan, applied, cost, context))


def _waits_for_labels(batch: ClaimedBatch, context: Context) -> bool:
    """Sorting waits, and nothing else, for a label that is said to be there and not shown; not for ever (E67)."""
    with context.store.begin("labels.wait") as tx:
        wait = tx.mailboxes.labels_conflict(batch.mailbox.id, LABEL_WAITS)
    if wait is None:
        return False
    batch.release(batch.claims, wait.total_seconds(), counted=False)
    return True
