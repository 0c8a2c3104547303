"""The sweep asks for what is due, and again for what the queue has lost. Each duty may run at any time, and twice."""

from collections.abc import Collection, Iterator
from dataclasses import asdict

import structlog

from domain.ids import MailboxId
from handlers.context import Context
from handlers.jobs import MAIL, Job

log = structlog.get_logger()

AT_ONCE = 1_000
LOOKED_AT = AT_ONCE // 4
CROWDED = 10_000
"""Jobs in a queue above which nothing more is asked for: what is due stays due in the ledger."""


def ask_for_due(job: Job, context: Context) -> int:
    """Queue jobs for what is due; returns how many.

    A mailbox is due for a look when its last successful one began too long ago (Z33, E82), once a day for its
    addresses and push registration (E14, E85), and once for its comparison (E108). A connection is due until it is
    ended at the provider (D12).
    """
    due = job.due
    if due is None or context.queue.backlog(job.queue) > CROWDED:
        return 0
    if due.purpose is not None and context.tally.runs_short(due.purpose, context.queue):
        return 0
    with context.store.begin(due.name) as tx:
        found = due.redrive(tx, AT_ONCE, context.timing.redrive_after)
    for one in found:
        if job.marked is not None:
            context.queue.mark_dirty(job.marked, MailboxId(one))
        context.queue.emit(due.event(one))
    if found:
        log.info("jobs.asked", job=job.name, jobs=len(found))
    return len(found)


def redrive(jobs: Collection[Job], context: Context) -> int:
    """Queue again the jobs that the queue has lost (W2, W13); returns how many."""
    total, full = 0, True
    while full and not context.stopping() and context.queue.backlog(MAIL) <= CROWDED:
        found, full = _redrive_some(jobs, context)
        total += found
    return total


def _redrive_some(jobs: Collection[Job], context: Context) -> tuple[int, bool]:
    """At most 1,000 of each kind and 250 mailboxes with steps, so that the transaction stays short.

    Returns how many jobs were queued, and whether more mailboxes are due.
    """
    crowded = {  # nobody need run a notifier
        queue
        for queue in {job.queue for job in jobs if job.redrive}
        if context.queue.backlog(queue) > CROWDED
    }
    with context.store.begin("sweep.redrive") as tx:
        looked_at = tx.ledger.redrive(LOOKED_AT)
        named = [(job, job.redrive(tx, AT_ONCE)) for job in jobs if job.redrive and job.queue not in crowded]
    of_step = {job.step: job for job in jobs}
    steps = [(of_step[step], mailbox_id) for mailbox_id, its in looked_at.items() for step in its]
    others = [(job, one) for job, ids in named for one in ids]
    lost = [*steps, *others, *_dirty(jobs, context)]
    for job, one in lost:
        event = job.event_of(one)
        ids = asdict(event)
        log.info(
            "job.redriven",
            job=job.name,
            mailbox_id=ids.get("mailbox_id"),
            channel_id=ids.get("channel_id"),
        )
        context.queue.emit(event)
    return len(lost), len(looked_at) == LOOKED_AT


def _dirty(jobs: Collection[Job], context: Context) -> Iterator[tuple[Job, int]]:
    """Mailboxes that have been marked for a while and that no job has taken."""
    for job in jobs:
        if job.marked is not None:
            for one in context.queue.stalled(job.marked, context.timing.redrive_after, AT_ONCE):
                yield job, one
