"""What an operator does: pause and resume mailboxes, retry mail that was set aside (D3 row 1, E88)."""

from collections.abc import Sequence
from functools import partial

import structlog

from domain.errors import Refused
from domain.explanations import standing
from domain.ids import MailboxId
from domain.message_records import MessageRecord
from handlers.context import Context
from handlers.crm.locations import Where, located
from handlers.ports.store import Transaction
from handlers.troubles import once_more

log = structlog.get_logger()

NO_MAILBOX = "there is no such mailbox; `lodestone status` lists them"

AT_ONCE = 1_000


def pause(mailbox: str | None, context: Context) -> int:
    """Pause the mailbox of this address, or all; returns how many were not paused before.

    Nothing more is read or changed there, and its mail waits. A call to the provider that is under way ends, and what
    it has changed is recorded. Raises Refused for an unknown mailbox.
    """
    return _change(mailbox, context, paused=True)


def resume(mailbox: str | None, context: Context) -> int:
    """End the pause; returns how many mailboxes were paused. What waited is due now, and the sweep asks for it."""
    return _change(mailbox, context, paused=False)


def _change(mailbox: str | None, context: Context, *, paused: bool) -> int:
    """A thousand mailboxes in a transaction, so that none holds locks for long (W11)."""
    total, last, full, say = 0, 0, True, log.bind()
    while full:
        changed = once_more(partial(_change_some, mailbox, last, context, paused=paused))
        for mailbox_id in changed:
            if paused:
                say.info("mailbox.paused", mailbox_id=mailbox_id)
            else:
                say.info("mailbox.resumed", mailbox_id=mailbox_id)
        total += len(changed)
        full = len(changed) == AT_ONCE
        last = max(changed, default=last)
    return total


def _change_some(mailbox: str | None, after: int, context: Context, *, paused: bool) -> tuple[MailboxId, ...]:
    with context.store.begin("operations.change") as tx:
        _look_up(mailbox, tx)
        change = tx.mailboxes.pause_by_operator if paused else tx.mailboxes.resume_by_operator
        return change(mailbox, after, AT_ONCE)


def retry(message_id: str, mailbox: str | None, context: Context, location: Where = None) -> int:
    """Try a mail again, as if for the first time, that was set aside or whose sorting was stopped.

    Returns in how many mailboxes; 0 when the ledger does not know the mail. Raises Refused when it waits for nothing
    that a retry could change.
    """
    trails, retried = once_more(lambda: _retry_one(message_id, mailbox, context, location))
    if trails and not retried:
        where = "; ".join(f"in {trail.mailbox} {standing(trail)}" for trail in trails)
        raise Refused(f"{message_id} is not set aside: {where}")
    for mailbox_id in retried:
        log.info("message.retried", mailbox_id=mailbox_id, message_id=message_id)
    return len(retried)


def _retry_one(
    message_id: str, mailbox: str | None, context: Context, location: Where
) -> tuple[Sequence[MessageRecord], list[int]]:
    with context.store.begin("operations.retry") as tx:
        _look_up(mailbox, tx)
        trails = located(location, tx).reports.trails(message_id, mailbox)
        ids = sorted(trail.mailbox_id for trail in trails)
        return trails, [mailbox_id for mailbox_id in ids if tx.ledger.retry(mailbox_id, [message_id])]


def retry_all(mailbox: str | None, context: Context) -> int:
    """Retry all mail that was set aside; returns how many mails."""
    total, full = 0, True
    while full:
        mails = once_more(lambda: _retry_some(mailbox, context))
        for mailbox_id, message_id in mails:
            log.info("message.retried", mailbox_id=mailbox_id, message_id=message_id)
        total += len(mails)
        full = len(mails) == AT_ONCE
    return total


def _retry_some(mailbox: str | None, context: Context) -> Sequence[tuple[MailboxId, str]]:
    with context.store.begin("operations.retry") as tx:
        _look_up(mailbox, tx)
        mails = tx.ledger.aside(mailbox, AT_ONCE)
        for mailbox_id in sorted({mailbox_id for mailbox_id, _ in mails}):
            tx.ledger.retry(mailbox_id, [message_id for its, message_id in mails if its == mailbox_id])
    return mails


def _look_up(mailbox: str | None, tx: Transaction) -> None:
    if mailbox is not None and not tx.mailboxes.ids(mailbox):
        raise Refused(NO_MAILBOX)
