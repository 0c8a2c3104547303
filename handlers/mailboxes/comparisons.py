"""Once a day a mailbox's own list is compared with the ledger: what history never showed is found then (E108)."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from math import ceil

import structlog

from domain.connections.connections import Connection
from domain.errors import GiveUp, Slowed, TryAgain
from domain.events import ComparisonDue, MailFound
from domain.ids import MailboxId
from domain.ledger import BATCH_SIZE
from domain.locks import LockKind
from domain.mailboxes.comparisons import Compared, Missing, next_at, period
from domain.mailboxes.history import Found
from domain.mailboxes.state import MailboxState
from domain.quota import Purpose
from handlers.context import Context
from handlers.locks import exclusively
from handlers.mailboxes.history import SIDE_BY_SIDE
from handlers.ports.capabilities import Mailbox
from handlers.sessions import Lease, with_mailbox
from handlers.troubles import back_off

log = structlog.get_logger()

CAME_BY = "compare"


def compare(mailbox_id: MailboxId, context: Context) -> None:
    """Handle what the list of the last two days has and the ledger has not. One run at a time for a mailbox."""
    exclusively(
        LockKind.COMPARE,
        mailbox_id,
        ComparisonDue(mailbox_id),
        context,
        partial(_compare, mailbox_id, context),
    )


def _compare(mailbox_id: MailboxId, context: Context, keep: Callable[[], bool]) -> bool:
    with context.store.begin("comparison.enter", reads_only=True) as tx:
        now = tx.now()
        mailbox = tx.mailboxes.get(mailbox_id)
        connections = tx.connections.working(mailbox_id)
        due = tx.history.is_compare_due(mailbox_id, context.timing.redrive_after)
    if mailbox is None or not due or mailbox.rests(now):
        return True
    began = min((one.features.since or now for one in connections), default=now)
    span = period(began, mailbox.synced_at, now, timedelta(seconds=context.timing.settle_after))
    comparison = _Comparison(mailbox, connections, context)
    try:
        lease = Lease(context.timing.lease, keep)
        if span and not with_mailbox(
            connections,
            context,
            lambda mailbox: comparison.whole(mailbox, *span),
            lease,
            purpose=Purpose.COMPARE,
        ):
            return True
    except Slowed:  # it is due again in a minute
        return True
    except (TryAgain, GiveUp) as error:
        back_off(mailbox, error, context)
        return True
    with context.store.begin("comparison.end") as tx:
        due_at = next_at(mailbox_id, tx.now(), timedelta(seconds=context.timing.compare_every))
        tx.history.compared(mailbox_id, comparison.found if span else None, due_at)
    if span:
        found = comparison.found
        log.info("mailbox.compared", mailbox_id=mailbox_id, mails=found.mails, late=found.late)
    return True


class _Comparison:
    """One comparison. `found` is counted page by page."""

    def __init__(self, mailbox: MailboxState, connections: Sequence[Connection], context: Context) -> None:
        self._mailbox = mailbox
        self._connection_ids = [connection.id for connection in connections]
        self._context = context
        self.found = Compared()

    def whole(self, session: Mailbox, first: datetime, last: datetime) -> bool:
        """Compare all that was received in this time. False when it was cut short."""
        self.found = Compared()
        for message_ids in session.listed_between(first, last):
            if self._context.stopping() or not self._page(message_ids):
                return False
        return True

    def _page(self, message_ids: tuple[str, ...]) -> bool:
        """Compare one page. False when the mailbox is paused or switched off meanwhile."""
        mailbox_id, context = self._mailbox.id, self._context
        waiting: tuple[str, ...] = ()
        with context.store.begin("comparison.record") as tx:
            if not tx.history.lock_awake(mailbox_id):
                return False
            missing = tx.history.missing(mailbox_id, message_ids, CAME_BY)
            if missing.new or missing.rescued:
                waiting = tx.messages.record(
                    mailbox_id, _found(missing), CAME_BY, self._connection_ids, self._mailbox.labels
                )
            if waiting:
                tx.ledger.redrive_within(mailbox_id, context.timing.redrive_after)
        late = missing.late + len(waiting)
        self.found = Compared(self.found.mails + len(message_ids), self.found.late + late)
        for message_id in waiting:
            log.info("message.found", mailbox_id=mailbox_id, message_id=message_id, came_by=CAME_BY)
        if waiting:
            context.queue.emit(MailFound(mailbox_id), min(ceil(len(waiting) / BATCH_SIZE), SIDE_BY_SIDE))
        return True


def _found(missing: Missing) -> Found:
    return Found(missing.new, (), missing.rescued, (), ())
