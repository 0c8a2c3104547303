"""The sweep's duties: catch up, renew, end, re-drive (DESIGN §3). Each may run at any time, twice too."""

from collections.abc import Callable

import structlog

from domain.events import (
    ComparisonDue,
    ConnectionEnded,
    DeliveryDue,
    Event,
    MailAnnounced,
    MailboxChanged,
    MailFound,
    MailMatched,
    SendingDue,
    WatchDue,
)
from domain.ledger import Step
from domain.quota import Purpose
from handlers.work import Work

log = structlog.get_logger()

AT_ONCE = 1_000
LOOKED_AT = AT_ONCE // 4
CROWDED = 10_000
"""With so many jobs queued, asking again would only add to them: what is due stays due in the ledger."""

_WAKES: dict[Step, Callable[[int], Event]] = {
    Step.MATCH: MailFound,
    Step.ANNOUNCE: MailMatched,
    Step.SORT: MailAnnounced,
}


def catch_up_due(work: Work) -> int:
    """Wake the mailboxes whose last successful sync began too long ago (Z33, E82); returns how many."""
    if work.queue.backlog() > CROWDED or work.tally.runs_short(Purpose.SWEEP, work.queue):
        return 0
    with work.store.begin("sweep.due") as tx:
        due = tx.mailboxes.take_due(AT_ONCE, work.pace.redrive_after)
    for mailbox_id in due:
        work.queue.mark("sync", mailbox_id)
        work.queue.emit(MailboxChanged(mailbox_id, "sweep"))
    if due:
        log.info("mailboxes.swept", mailboxes=len(due))
    return len(due)


def renew_watches(work: Work) -> int:
    """Wake the mailboxes whose addresses and push registration are due for their daily look (E14, E85); returns how
    many."""
    if work.queue.backlog("upkeep") > CROWDED or work.tally.runs_short(Purpose.WATCH, work.queue):
        return 0
    with work.store.begin("sweep.watches") as tx:
        due = tx.mailboxes.take_watch_due(AT_ONCE, work.pace.redrive_after)
    for mailbox_id in due:
        work.queue.emit(WatchDue(mailbox_id))
    return len(due)


def compare_lists(work: Work) -> int:
    """Wake the mailboxes whose own list is to be compared with the ledger today (E108); returns how many."""
    if work.queue.backlog("upkeep") > CROWDED or work.tally.runs_short(Purpose.COMPARE, work.queue):
        return 0
    with work.store.begin("sweep.comparisons") as tx:
        due = tx.history.take_compare_due(AT_ONCE, work.pace.redrive_after)
    for mailbox_id in due:
        work.queue.emit(ComparisonDue(mailbox_id))
    return len(due)


def end_left(work: Work) -> int:
    """Wake whoever ends at Google what is switched off here (D12), until it is done; returns how many."""
    if work.queue.backlog("upkeep") > CROWDED:
        return 0
    with work.store.begin("sweep.leaving") as tx:
        due = tx.connections.take_leaving(AT_ONCE, work.pace.redrive_after)
    for connection_id in due:
        work.queue.emit(ConnectionEnded(connection_id))
    return len(due)


def redrive(work: Work) -> int:
    """Ask again for what the queue has lost (W2, W13); returns how much that was."""
    total, full = 0, True
    while full and not work.stopping() and work.queue.backlog() <= CROWDED:
        found, full = _redrive_some(work)
        total += found
    return total


def _redrive_some(work: Work) -> tuple[int, bool]:
    """At most a thousand of each kind, of mailboxes a quarter, so that nobody waits long for one; returns how much
    that was, and whether more mailboxes are due."""
    outside_crowded = work.queue.backlog("outside") > CROWDED  # nobody need run a notifier
    with work.store.begin("sweep.redrive") as tx:
        looked_at = tx.ledger.stalled(LOOKED_AT)
        channels = () if outside_crowded else tx.deliveries.stalled(AT_ONCE)
        sending = tx.outbox.stalled(AT_ONCE)
    stalled = [(mailbox_id, step) for mailbox_id, steps in looked_at.items() for step in steps]
    for mailbox_id, step in stalled:
        log.info("step.redriven", mailbox_id=mailbox_id, step=step.value)
        work.queue.emit(_WAKES[step](mailbox_id))
    for channel_id in channels:
        log.info("channel.redriven", channel_id=channel_id)
        work.queue.emit(DeliveryDue(channel_id))
    for mailbox_id in sending:
        log.info("sending.redriven", mailbox_id=mailbox_id)
        work.queue.emit(SendingDue(mailbox_id))
    dirty = work.queue.stalled("sync", work.pace.redrive_after, AT_ONCE)
    for mailbox_id in dirty:
        log.info("mailbox.redriven", mailbox_id=mailbox_id)
        work.queue.emit(MailboxChanged(mailbox_id))
    return len(stalled) + len(channels) + len(sending) + len(dirty), len(looked_at) == LOOKED_AT
