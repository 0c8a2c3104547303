"""The push registration of a mailbox: renewed in time, stopped and started where push fails (E82, E85)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from domain.errors import GiveUp, NoPush, Slowed, TryAgain
from domain.events import WatchDue
from domain.ids import MailboxId
from domain.locks import LockKind
from domain.mailboxes.state import MailboxState
from domain.mailboxes.watches import Recall, Unwatched, Watch
from domain.quota import Purpose
from handlers.context import Context
from handlers.locks import exclusively
from handlers.ports.capabilities import Mailbox
from handlers.ports.store import Transaction
from handlers.sessions import Lease, with_mailbox

log = structlog.get_logger()

WATCH_RETRY = 600.0
"""Seconds before a renewal that has failed is tried again."""

NO_PUSH_RETRY = 3_600.0
"""Seconds where the provider cannot push to us: only the operator can mend that, for all mailboxes."""

RESTART_EVERY = 5.0
"""Seconds between two restarts, over all mailboxes: while no dispatcher takes pushes in, push seems to fail everywhere,
and restarts mend nothing."""

ALMOST = 0.9
"""This share of the time between two sweeps must have passed: a sweep comes a little early now and then."""


def begin(mailbox: Mailbox, context: Context) -> Watch | Unwatched:
    """Start the watch of a mailbox that is being connected. Where the provider cannot push to us, the mailbox begins
    without one, and the sweep finds its mail (E82)."""
    try:
        return mailbox.watch(context.about(mailbox.grant).push_target)
    except NoPush as error:
        return mailbox.unwatched(error.reason)


def started(mailbox_id: MailboxId, begun: Watch | Unwatched, tx: Transaction, context: Context) -> None:
    """Record what `begin` has returned; without a watch, one is tried again later."""
    if isinstance(begun, Watch):
        tx.mailboxes.start_watch(mailbox_id, begun, context.timing.watch_due_after)
    else:
        tx.mailboxes.start_unwatched(mailbox_id, begun, NO_PUSH_RETRY)


def renew_watch(mailbox_id: MailboxId, context: Context) -> None:
    """Read the mailbox's own addresses, daily (E14, E99), and renew the watch when it is time for that (E85).

    A failure holds up nothing else. One run at a time: providers refuse two calls of `watch` at once (FACTS §1).
    """
    exclusively(
        LockKind.WATCH, mailbox_id, WatchDue(mailbox_id), context, partial(_renew, mailbox_id, context)
    )


def _renew(mailbox_id: MailboxId, context: Context, keep: Callable[[], bool]) -> bool:
    with context.store.begin("watch.enter", reads_only=True) as tx:
        mailbox = tx.mailboxes.get(mailbox_id)
        connections = tx.connections.working(mailbox_id)
        if mailbox is None or not tx.mailboxes.is_watch_due(mailbox_id, context.timing.redrive_after):
            return True
        now = tx.now()
    restart = mailbox.watch.is_deaf(
        context.timing.push_recall, now, timedelta(seconds=context.timing.watch_rest)
    )
    daily = timedelta(seconds=context.timing.watch_due_after)
    due = restart or mailbox.watch.is_to_be_renewed(context.timing.push_recall, now, daily)

    stopped = False

    def look(session: Mailbox) -> tuple[Watch | NoPush | None, Mapping[str, str]]:
        nonlocal stopped
        if restart:
            session.stop_watch()
            stopped = True
        try:
            watch = session.watch(context.about(session.grant).push_target) if due else None
        except NoPush as error:  # the addresses are the user's, whatever we have to push to
            return error, session.own_addresses()
        return watch, session.own_addresses()

    try:
        answer = with_mailbox(
            connections, context, look, Lease(context.timing.lease, keep), purpose=Purpose.WATCH
        )
    except Slowed:  # it is due again in a minute
        return True
    except (TryAgain, GiveUp) as error:
        with context.store.begin("watch.failed") as tx:
            tx.mailboxes.watch_failed(mailbox_id, error.reason, _retry_after(error), stopped=stopped)
        log.warning("watch.failed", mailbox_id=mailbox_id, reason=error.reason)
        return True
    if answer and not _record(mailbox, *answer, restart, context) and isinstance(answer[0], Watch):
        with_mailbox(connections, context, lambda session: session.stop_watch(), purpose=Purpose.WATCH)
    return True


def _record(
    mailbox: MailboxState,
    watch: Watch | NoPush | None,
    own: Mapping[str, str],
    restart: bool,
    context: Context,
) -> bool:
    """Write down what the provider has answered. False when all features have been switched off meanwhile."""
    address = next(iter(own))
    with context.store.begin("watch.record") as tx:
        if not tx.connections.switched_on(mailbox.id, locked=True):
            return False
        if isinstance(watch, Watch):
            tx.mailboxes.start_watch(mailbox.id, watch, context.timing.watch_due_after, restarted=restart)
        elif watch:
            tx.mailboxes.watch_failed(mailbox.id, watch.reason, NO_PUSH_RETRY, stopped=restart)
        else:
            tx.mailboxes.keep_watch(mailbox.id, context.timing.watch_due_after)
        tx.mailboxes.keep_own_addresses(mailbox.id, own.keys())
        tx.mailboxes.keep_own_name(mailbox.id, own[address])
        renamed = address != mailbox.address and tx.mailboxes.rename(mailbox.id, address)
    if address != mailbox.address:
        log.warning("mailbox.renamed", mailbox_id=mailbox.id, taken_over=renamed)
    if isinstance(watch, NoPush):
        log.warning("watch.failed", mailbox_id=mailbox.id, reason=watch.reason)
    elif restart:
        recall = mailbox.watch.recall
        log.warning("watch.restarted", mailbox_id=mailbox.id, pushed=recall.pushed, missed=recall.missed)
    elif watch:
        log.info("watch.renewed", mailbox_id=mailbox.id, until=watch.expires_at.isoformat())
    return True


def _retry_after(error: TryAgain | GiveUp) -> float:
    wished = error.after.total_seconds() if isinstance(error, TryAgain) and error.after else 0.0
    return max(WATCH_RETRY, wished)


def judge_push(
    mailbox: MailboxState, mails: int, now: datetime, context: Context
) -> tuple[Recall | None, bool]:
    """Count new mails for push or against it. Returns the new recall, None where these say nothing of push, and whether
    push brings so little that the watch is to be restarted.

    `mailbox` is as it was before the mails were found.
    """
    watch = mailbox.watch
    told = watch.has_told(mailbox.synced_at, now, timedelta(seconds=ALMOST * context.timing.sync_due_after))
    if told is None:
        return None, False
    recall = watch.recall.after(mails, pushed=told)
    if told:
        return recall, False
    log.info("push.missed", mailbox_id=mailbox.id, mails=mails)
    after = replace(watch, recall=recall)
    return recall, after.is_deaf(
        context.timing.push_recall, now, timedelta(seconds=context.timing.watch_rest)
    )


def hasten_watch(mailbox_id: MailboxId, context: Context) -> None:
    """Have the watch restarted now, unless another mailbox's has just been: then with this one's next missed mail."""
    if context.queue.acquire(LockKind.RESTART, MailboxId(0), RESTART_EVERY) is None:
        return
    with context.store.begin("watch.hasten") as tx:
        tx.mailboxes.hasten_watch(mailbox_id)
