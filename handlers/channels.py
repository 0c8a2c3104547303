"""Channels send notifications and events of conversations elsewhere: each by itself, late mail together (Z25, E91,
I5)."""

import time
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from uuid import uuid4

import structlog

from domain.channels import (
    AT_FIRST,
    TRIES,
    Channel,
    ChannelKind,
    ChannelReport,
    ReceiverAnswer,
    ReceiverVerdict,
    Target,
    Unusable,
    next_at_once,
    rest_before,
)
from domain.cloud_events import TESTED, envelope
from domain.errors import Refused
from domain.events import DeliveryDue
from domain.ids import ChannelId
from domain.locks import LockKind
from domain.notifications import NotificationKind
from domain.parcels import AnyParcel, Parcel
from handlers.connections.permissions import check_known
from handlers.context import Context
from handlers.crm.locations import Where, located
from handlers.locks import exclusively
from handlers.ports.channels import Outside, Sender
from handlers.ports.store import Transaction
from handlers.posts import Posted, post
from handlers.troubles import written

log = structlog.get_logger()

TURN = 20.0
"""Seconds after which a channel gives the thread to others."""


def deliver(channel_id: ChannelId, context: Context) -> None:
    """Send everything that waits for this channel, some at a time. Only one run of a channel works at once."""
    exclusively(
        LockKind.DELIVER,
        channel_id,
        DeliveryDue(channel_id),
        context,
        lambda keep: _deliver(channel_id, context, keep),
    )


def wake_channels(channel_ids: Collection[ChannelId], context: Context) -> None:
    """After the commit: what was put on a user's list leaves it by these channels too.

    One job takes all that waits; a second is asked for only when none is on its way (W1).
    """
    for channel_id in sorted(channel_ids):
        if context.queue.mark_dirty(LockKind.DELIVER, channel_id):
            context.queue.emit(DeliveryDue(channel_id))


def _deliver(channel_id: ChannelId, context: Context, keep: Callable[[], bool]) -> bool:
    end = time.monotonic() + TURN
    most = AT_FIRST
    with _outside(context).kept(context.stopping) as sender:
        while not context.stopping():
            if time.monotonic() > end:
                context.queue.mark_dirty(
                    LockKind.DELIVER, channel_id
                )  # one more run, behind all that is queued now
                return True
            parcels, more = _claim(channel_id, most, context)
            most, unsent = _send(parcels, sender, context)
            if not more and not unsent:
                return True
            if not keep():
                return False
    return False


def _claim(channel_id: ChannelId, most: int, context: Context) -> tuple[tuple[AnyParcel, ...], bool]:
    """Claim what to send next, with the settings and names of this moment (E92), and say whether more is due.

    The tries are committed with the claim (W3).
    """
    lease = context.timing.lease + context.timing.in_hand + 2 * context.timing.channel_timeout
    with context.store.begin("deliveries.claim") as tx:
        return tx.deliveries.claim(channel_id, context.me(), lease, most)


def _send(parcels: Sequence[AnyParcel], sender: Sender, context: Context) -> tuple[int, bool]:
    """Send what is due; returns how many notifications to claim next, and whether some were released unsent."""
    for parcel in parcels:
        if not parcel.is_due:
            _omit(parcel, context)
    due = [parcel for parcel in parcels if parcel.is_due]
    if not due:
        return AT_FIRST, False
    began = time.monotonic()
    posted = post(due, sender, context.timing.in_hand, context.stopping)
    seconds = time.monotonic() - began
    ours = written(lambda: _record(due, posted, context), context)
    for one in posted:
        if one.parcel.batch in ours:
            _say(one, posted, context)
    _say_of_channel(due[0].channel, posted, context)
    sent = sum(one.parcel.size for one in posted)
    return next_at_once(sent, seconds), len(posted) < len(due)


def _omit(parcel: AnyParcel, context: Context) -> None:
    with context.store.begin("deliveries.omit") as tx:
        # A mail's notification waits for the sign-in, and is not claimed until then (D12).
        if isinstance(parcel, Parcel) and parcel.items[0].kind is NotificationKind.MAIL:
            tx.deliveries.release([parcel], context.me(), 0, "sign_in", counted=False, untouched=True)
        else:
            tx.deliveries.finish([parcel], context.me())
    log.info(
        "delivery.omitted",
        channel_id=parcel.channel.id,
        notification_id=parcel.items[0].id if isinstance(parcel, Parcel) else None,
        conversation_id=parcel.conversation_id,
    )


def _record(parcels: Sequence[AnyParcel], posted: Sequence[Posted], context: Context) -> frozenset[str]:
    """Record the answers; returns the batches that still belonged to us. The new owner records the others."""
    me, channel = context.me(), parcels[0].channel
    with context.store.begin("deliveries.record") as tx:
        _mark(channel, posted, tx, context)
        taken = [one.parcel for one in posted if one.answer.verdict is ReceiverVerdict.TAKEN]
        if len(taken) < len(parcels):
            tx.deliveries.lock(parcels)
        ours = tx.deliveries.finish(taken, me)
        for answer, after, its in _kept(posted, context):
            if after is None:
                ours |= tx.deliveries.set_aside(its, me, answer.reason)
            else:
                ours |= tx.deliveries.release(
                    its, me, after, answer.reason, counted=answer.counted, untouched=answer.untouched
                )
        sent = {one.parcel.batch for one in posted}
        unsent = [parcel for parcel in parcels if parcel.batch not in sent]
        later = max(context.timing.redrive_after, _rest(channel, posted, context))
        tx.deliveries.release_unsent(unsent, me, 0 if context.stopping() else later)
    return ours


def _mark(channel: Channel, posted: Sequence[Posted], tx: Transaction, context: Context) -> None:
    """Record how the receiver is doing. Several events that found it down count as one failure."""
    by_verdict = {one.answer.verdict: one.answer for one in posted}
    if ReceiverVerdict.TAKEN in by_verdict or ReceiverVerdict.REFUSED in by_verdict:
        refused = by_verdict.get(ReceiverVerdict.REFUSED)
        tx.channels.answered(channel.id, refused.reason if refused else None)
    if later := by_verdict.get(ReceiverVerdict.LATER):
        tx.channels.rest(channel.id, _rest(channel, posted, context), later.reason)
    if gone := by_verdict.get(ReceiverVerdict.GONE):
        tx.channels.switch_off(channel.id, gone.reason)


def _kept(
    posted: Sequence[Posted], context: Context
) -> list[tuple[ReceiverAnswer, float | None, list[AnyParcel]]]:
    """What was not taken, grouped by answer and by the seconds until it is sent again; None for never."""
    kept: dict[tuple[ReceiverAnswer, float | None], list[AnyParcel]] = {}
    for one in posted:
        if one.answer.verdict is not ReceiverVerdict.TAKEN:
            after = None if _is_spent(one) else _wait(one, posted, context)
            kept.setdefault((one.answer, after), []).append(one.parcel)
    return [(answer, after, its) for (answer, after), its in kept.items()]


def _is_spent(one: Posted) -> bool:
    return one.answer.counted and one.parcel.attempts >= TRIES


def _wait(one: Posted, posted: Sequence[Posted], context: Context) -> float:
    """Seconds until the event is sent again, by its own failures or the receiver's."""
    match one.answer.verdict:
        case ReceiverVerdict.LATER:
            return _rest(one.parcel.channel, posted, context)
        case ReceiverVerdict.LEFT:
            return 0
        case _:
            return rest_before(one.parcel.attempts, context.timing.channel_rest).total_seconds()


def _rest(channel: Channel, posted: Sequence[Posted], context: Context) -> float:
    """Seconds for which a receiver that is down is left alone: by its failures in a row, or by its own wish.

    A wish for a very short rest is not followed again and again.
    """
    down = [one.answer for one in posted if one.answer.verdict is ReceiverVerdict.LATER]
    if not down:
        return 0
    answered = any(one.answer.verdict in (ReceiverVerdict.TAKEN, ReceiverVerdict.REFUSED) for one in posted)
    wait = rest_before(1 if answered else channel.failures + 1, context.timing.channel_rest).total_seconds()
    wishes = [answer.after.total_seconds() for answer in down if answer.after is not None]
    return max(*wishes, wait / 60) if wishes else wait


def _say(one: Posted, posted: Sequence[Posted], context: Context) -> None:
    parcel, answer = one.parcel, one.answer
    say = log.bind(channel_id=parcel.channel.id, event_id=one.event_id, attempt=parcel.attempts)
    if answer.verdict is ReceiverVerdict.TAKEN:
        say.info(
            "delivery.sent",
            message_id=parcel.message_id,
            conversation_id=parcel.conversation_id,
            notifications=parcel.size,
            milliseconds=one.milliseconds,
        )
    elif _is_spent(one):
        say.error("delivery.abandoned", reason=answer.reason, notifications=parcel.size)
    elif answer.verdict is not ReceiverVerdict.GONE:
        say.info("delivery.postponed", reason=answer.reason, seconds=round(_wait(one, posted, context), 1))


def _say_of_channel(channel: Channel, posted: Sequence[Posted], context: Context) -> None:
    reasons = {one.answer.verdict: one.answer.reason for one in posted}
    if ReceiverVerdict.GONE in reasons:
        log.warning("channel.ended", channel_id=channel.id, reason=reasons[ReceiverVerdict.GONE])
    if ReceiverVerdict.LATER in reasons:
        seconds = round(_rest(channel, posted, context), 1)
        log.warning(
            "channel.rested", channel_id=channel.id, reason=reasons[ReceiverVerdict.LATER], seconds=seconds
        )


def add(
    user_id: str | None, kind: ChannelKind, target: Target, context: Context, location: Where = None
) -> Channel:
    """Add a channel for what comes from now on.

    Raises Refused for a target that is not allowed, and for an unknown user.
    """
    try:
        _outside(context).check(kind, target.url)
    except Unusable as error:
        raise Refused(str(error)) from None
    with context.store.begin("channels.add") as tx:
        here = located(location, tx)
        if user_id is not None:
            check_known(user_id, here)
        channel_id = here.channels.add(user_id, kind, target)
    log.info("channel.made", channel_id=channel_id, user_id=user_id, kind=kind.value)
    return Channel(channel_id, kind, target)


def reports(context: Context, location: Where = None) -> tuple[ChannelReport, ...]:
    """All of the organisation's channels, the oldest first."""
    with context.store.begin("channels.reports", reads_only=True) as tx:
        return located(location, tx).channels.reports()


def remove(channel_id: ChannelId, context: Context, location: Where = None) -> None:
    """Delete a channel; what waits for it is not sent, and stays on the users' lists."""
    with context.store.begin("channels.remove") as tx:
        if not located(location, tx).channels.remove(channel_id):
            raise _unknown(channel_id)
    context.store.scrub()
    log.info("channel.removed", channel_id=channel_id)


def retry(channel_id: ChannelId, context: Context, location: Where = None) -> int:
    """Switch a channel on and end its rest; returns how many notifications had been set aside and wait again."""
    with context.store.begin("channels.retry") as tx:
        again = located(location, tx).channels.retry(channel_id)
    if again is None:
        raise _unknown(channel_id)
    return again


def send_test(channel_id: ChannelId, context: Context, location: Where = None) -> ReceiverAnswer:
    """Send a test event; returns the receiver's answer."""
    with context.store.begin("channels.look", reads_only=True) as tx:
        here = located(location, tx)
        channel = here.channels.get(channel_id)
        name = str(tx.organisations.name_of(here.location))
    if channel is None:
        raise _unknown(channel_id)
    sent = envelope(str(uuid4()), TESTED, name, datetime.now(UTC), {"channel_id": channel_id})
    return _outside(context).send(channel, sent, "This is a test: notifications of the CRM will come here")


def _outside(context: Context) -> Outside:
    if context.outside is None:
        raise LookupError("this process has no way outside")
    return context.outside


def _unknown(channel_id: ChannelId) -> Refused:
    return Refused(f"there is no channel {channel_id}; `lodestone channels list` shows them")
