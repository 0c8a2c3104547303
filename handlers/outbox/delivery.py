"""The outbox: what users have written is sent once, whatever dies in between; what it says is true (Z16, D15, I2)."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import structlog

from domain.connections.connections import Connection
from domain.crm.users import User
from domain.errors import GiveUp, TryAgain, Unanswered
from domain.events import OutboxDue
from domain.ids import ChannelId, MailboxId
from domain.locks import LockKind
from domain.outbox import (
    DRAFT_GONE,
    INTERRUPTED,
    LOOKED_FOR,
    LOOKS,
    SIGN_IN,
    SWITCHED_OFF,
    TOO_LATE,
    OutboxItem,
    SendReport,
    SendState,
    Sent,
    hindrance,
    send_wait,
)
from domain.quota import Purpose
from handlers.channels import wake_channels
from handlers.context import Context
from handlers.crm.locations import Where, located
from handlers.locks import exclusively
from handlers.outbox import conversation
from handlers.ports.capabilities import Mailbox
from handlers.ports.store import Transaction
from handlers.sessions import Lease, with_mailbox
from handlers.troubles import REFUSED_WAIT, written

log = structlog.get_logger()

TURN = 20.0
"""Seconds after which a mailbox lets others have the thread."""


def deliver(mailbox_id: MailboxId, context: Context) -> None:
    """Everything of this mailbox that is due, one after the other, one run at a time."""
    exclusively(
        LockKind.SEND, mailbox_id, OutboxDue(mailbox_id), context, partial(_deliver, mailbox_id, context)
    )


def _deliver(mailbox_id: MailboxId, context: Context, keep: Callable[[], bool]) -> bool:
    time_is_up_at = time.monotonic() + TURN
    while not context.stopping():
        if time.monotonic() > time_is_up_at:
            context.queue.mark_dirty(LockKind.SEND, mailbox_id)  # one more run, behind all that is queued now
            return True
        with context.store.begin("sending.claim") as tx:
            item = tx.outbox.claim(mailbox_id, context.me(), context.timing.long_lease)
            if item is None:
                return True
            connection = tx.connections.get(item.connection_id)
            user = _user(connection, tx)
            late = item.is_late(tx.now())
        result = _attempt(item, connection, user, context, _lease(item, keep, context), late=late)
        written(partial(_record, item, connection, result, context), context)
        if not keep():
            return False
    return False


def _user(connection: Connection | None, tx: Transaction) -> User | None:
    return tx.of(connection.location).users.get(connection.user_id) if connection else None


def _lease(item: OutboxItem, keep: Callable[[], bool], context: Context) -> Lease:
    """The claim and the lock; the shorter of the two says how often."""
    owner, claim = context.me(), context.timing.long_lease

    def extend() -> None:
        keep()
        with context.store.begin("sending.extend") as tx:
            tx.outbox.extend(item, owner, claim)

    return Lease(min(context.timing.lease, claim), extend)


@dataclass(frozen=True, slots=True)
class _Result:
    """What came of a try: sent, failed, or the state in which the next try begins, `after` seconds later."""

    state: SendState
    reason: str | None = None
    sent: Sent | None = None
    after: float = 0.0
    looks: int = 0


def _attempt(
    item: OutboxItem,
    connection: Connection | None,
    user: User | None,
    context: Context,
    lease: Lease,
    *,
    late: bool,
) -> _Result:
    """By the settings of this moment (E92). What may have been sent ends only by what the provider says of it."""
    why = hindrance(connection, user)
    if why or connection is None:
        return _prevented(item, why or SWITCHED_OFF)
    run = {SendState.DRAFTING: _clear_away, SendState.WAITING: _send, SendState.SENDING: _look}[item.state]
    try:
        result = with_mailbox(
            (connection,),
            context,
            lambda mailbox: run(item, mailbox, context, late=late),
            lease,
            purpose=Purpose.SEND,
        )
    except TryAgain as error:
        return _retry(item, item.state, error)
    except GiveUp as error:
        if item.state is SendState.DRAFTING:
            return _Result(SendState.FAILED, INTERRUPTED)
        after = REFUSED_WAIT.total_seconds()
        return _Result(item.state, error.reason, after=after, looks=item.looks)
    return result or _prevented(item, SIGN_IN)


def _prevented(item: OutboxItem, why: str) -> _Result:
    if item.state is SendState.DRAFTING:
        return _Result(SendState.FAILED, INTERRUPTED)
    if item.state is SendState.WAITING:
        return _Result(SendState.FAILED, why)
    return _retry(item, SendState.SENDING, TryAgain(why))


def _clear_away(item: OutboxItem, mailbox: Mailbox, context: Context, *, late: bool) -> _Result:
    """Its caller died, or was told that it failed. If there is a draft all the same, it is deleted."""
    draft_id = mailbox.drafts.find(item.key, item.created_at)
    if draft_id is not None:
        mailbox.drafts.delete(draft_id)
    return _Result(SendState.FAILED, INTERRUPTED)


def _send(item: OutboxItem, mailbox: Mailbox, context: Context, *, late: bool) -> _Result:
    if item.draft_id is None or late:
        return _Result(SendState.FAILED, TOO_LATE)
    try:
        return _Result(SendState.SENT, sent=mailbox.drafts.send(item.draft_id))
    except LookupError:  # somebody has sent or deleted it: from now on it is looked for
        return _Result(SendState.SENDING, LOOKED_FOR, after=context.timing.redrive_after, looks=item.looks)
    except Unanswered as error:  # the provider may still be sending it
        later = _retry(item, SendState.SENDING, error)
        return replace(later, after=max(later.after, context.timing.long_lease / 10))
    except TryAgain as error:
        return _retry(item, SendState.WAITING, error)
    except GiveUp as error:
        return _Result(SendState.FAILED, error.reason)


def _look(item: OutboxItem, mailbox: Mailbox, context: Context, *, late: bool) -> _Result:
    """What came of an earlier try is not known. A draft that is still there was not sent."""
    if item.draft_id is not None and mailbox.drafts.exists(item.draft_id):
        return _send(item, mailbox, context, late=late)
    return _look_for(item, mailbox, context)


def _look_for(item: OutboxItem, mailbox: Mailbox, context: Context) -> _Result:
    """A draft that is gone proves nothing: its user may have deleted it. A mail that was sent is found by its key."""
    sent_id = mailbox.drafts.find_sent(item.key, item.created_at)
    if sent_id is not None:
        return _Result(SendState.SENT, sent=Sent(sent_id, None))
    looks = item.looks + 1
    if looks >= LOOKS:
        return _Result(SendState.FAILED, DRAFT_GONE)
    return _Result(SendState.SENDING, LOOKED_FOR, after=context.timing.redrive_after, looks=looks)


def _retry(item: OutboxItem, state: SendState, error: TryAgain) -> _Result:
    wait = send_wait(item.attempts, random.random())  # noqa: S311 - jitter, no secret
    after = wait if error.after is None else max(wait, error.after)
    return _Result(state, error.reason, after=after.total_seconds(), looks=item.looks)


def _record(item: OutboxItem, connection: Connection | None, result: _Result, context: Context) -> None:
    me, channels = context.me(), frozenset[ChannelId]()
    with context.store.begin("sending.record") as tx:
        if result.state in (SendState.SENT, SendState.FAILED):
            ours, channels = conversation.finish(
                item, me, result.state, connection, tx, sent=result.sent, reason=result.reason
            )
        else:
            ours = tx.outbox.release(item, me, result.after, result.state, result.reason, result.looks)
    say = log.bind(
        sending_id=item.id,
        mailbox_id=item.mailbox_id,
        connection_id=item.connection_id,
        location_id=connection and connection.location.id,
        attempt=item.attempts,
    )
    if not ours:
        return
    wake_channels(channels, context)
    if result.state is SendState.SENT:
        say.info("sending.sent", message_id=result.sent and result.sent.message_id)
    elif result.state is SendState.FAILED:
        say.warning("sending.failed", reason=result.reason)
    else:
        say.info("sending.postponed", reason=result.reason, seconds=round(result.after, 1))


def reports(
    user_id: str | None,
    mailbox: str | None,
    state: SendState | None,
    limit: int,
    context: Context,
    location: Where = None,
) -> tuple[SendReport, ...]:
    """What waits, was sent, has failed, the newest first."""
    with context.store.begin("sending.reports", reads_only=True) as tx:
        return located(location, tx).reports.sendings(user_id, mailbox, state, limit)


def look_up(item_id: int, context: Context) -> OutboxItem | None:
    """How it stands now."""
    with context.store.begin("sending.read", reads_only=True) as tx:
        return tx.outbox.get(item_id)
