"""Channels outside: notifications leave the list, each by itself or late ones together (Z25, E91, I5)."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import uuid4

import structlog

from domain.channels import (
    AT_FIRST,
    TRIES,
    Answer,
    Channel,
    ChannelKind,
    ChannelReport,
    Parcel,
    Target,
    Unusable,
    Verdict,
    next_at_once,
    rest_before,
)
from domain.cloud_events import TESTED, envelope
from domain.errors import Refused
from domain.events import DeliveryDue
from domain.locks import LockKind
from domain.notifications import NoticeKind
from handlers.connections.permissions import check_known
from handlers.context import Work, in_turn, written
from handlers.crm.locations import Where, located
from handlers.ports.channels import Outside, Sender
from handlers.ports.store import Transaction
from handlers.posts import Posted, post

log = structlog.get_logger()

TURN = 20.0
"""Seconds after which a channel lets others have the thread."""


def deliver(channel_id: int, work: Work) -> None:
    """Everything that waits for this channel, some of it at a time, one run at a time."""
    in_turn(
        LockKind.DELIVER,
        channel_id,
        DeliveryDue(channel_id),
        work,
        lambda keep: _deliver(channel_id, work, keep),
    )


def _deliver(channel_id: int, work: Work, keep: Callable[[], bool]) -> bool:
    end = time.monotonic() + TURN
    most = AT_FIRST
    with _outside(work).kept(work.stopping) as sender:
        while not work.stopping():
            if time.monotonic() > end:
                work.queue.mark(LockKind.DELIVER, channel_id)  # one more run, behind all that is queued now
                return True
            parcels, more = _claim(channel_id, most, work)
            most, unsent = _send(parcels, sender, work)
            if not more and not unsent:
                return True
            if not keep():
                return False
    return False


def _claim(channel_id: int, most: int, work: Work) -> tuple[tuple[Parcel, ...], bool]:
    """What is to be sent next, with the settings and names of this moment (E92), and whether more was due; its tries
    are committed (W3)."""
    lease = work.pace.lease + work.pace.in_hand + 2 * work.pace.channel_timeout
    with work.store.begin("deliveries.claim") as tx:
        return tx.deliveries.claim(channel_id, work.me(), lease, most)


def _send(parcels: Sequence[Parcel], sender: Sender, work: Work) -> tuple[int, bool]:
    """Returns how many notifications are to be claimed next, and whether some of these were released unsent."""
    for parcel in parcels:
        if not parcel.is_due:
            _omit(parcel, work)
    due = [parcel for parcel in parcels if parcel.is_due]
    if not due:
        return AT_FIRST, False
    began = time.monotonic()
    posted = post(due, sender, work.pace.in_hand, work.stopping)
    seconds = time.monotonic() - began
    ours = written(lambda: _record(due, posted, work), work)
    for one in posted:
        if one.parcel.batch in ours:
            _say(one, posted, work)
    _say_of_channel(due[0].channel, posted, work)
    sent = sum(len(one.parcel.items) for one in posted)
    return next_at_once(sent, seconds), len(posted) < len(due)


def _omit(parcel: Parcel, work: Work) -> None:
    with work.store.begin("deliveries.omit") as tx:
        # A mail's notification waits for the sign-in, and is not claimed until then (D12).
        if parcel.items[0].kind is NoticeKind.MAIL:
            tx.deliveries.release([parcel], work.me(), 0, "sign_in", counted=False, untouched=True)
        else:
            tx.deliveries.finish([parcel], work.me())
    log.info("delivery.omitted", channel_id=parcel.channel.id, notification_id=parcel.items[0].id)


def _record(parcels: Sequence[Parcel], posted: Sequence[Posted], work: Work) -> frozenset[str]:
    """What came of it. Returns the batches that were ours still: of the others somebody else says what came of them."""
    me, channel = work.me(), parcels[0].channel
    with work.store.begin("deliveries.record") as tx:
        _mark(channel, posted, tx, work)
        taken = [one.parcel for one in posted if one.answer.verdict is Verdict.TAKEN]
        if len(taken) < len(parcels):
            tx.deliveries.lock(parcels)
        ours = tx.deliveries.finish(taken, me)
        for answer, after, its in _kept(posted, work):
            if after is None:
                ours |= tx.deliveries.set_aside(its, me, answer.reason)
            else:
                ours |= tx.deliveries.release(
                    its, me, after, answer.reason, counted=answer.counted, untouched=answer.untouched
                )
        sent = {one.parcel.batch for one in posted}
        unsent = [parcel for parcel in parcels if parcel.batch not in sent]
        later = max(work.pace.redrive_after, _rest(channel, posted, work))
        tx.deliveries.release_unsent(unsent, me, 0 if work.stopping() else later)
    return ours


def _mark(channel: Channel, posted: Sequence[Posted], tx: Transaction, work: Work) -> None:
    """How the receiver fares: several events that met it down are one failure of it."""
    by_verdict = {one.answer.verdict: one.answer for one in posted}
    if Verdict.TAKEN in by_verdict or Verdict.REFUSED in by_verdict:
        refused = by_verdict.get(Verdict.REFUSED)
        tx.channels.answered(channel.id, refused.reason if refused else None)
    if later := by_verdict.get(Verdict.LATER):
        tx.channels.rest(channel.id, _rest(channel, posted, work), later.reason)
    if gone := by_verdict.get(Verdict.GONE):
        tx.channels.switch_off(channel.id, gone.reason)


def _kept(posted: Sequence[Posted], work: Work) -> list[tuple[Answer, float | None, list[Parcel]]]:
    """What was not taken, those together that fare alike: after how many seconds it is sent again, None for never."""
    kept: dict[tuple[Answer, float | None], list[Parcel]] = {}
    for one in posted:
        if one.answer.verdict is not Verdict.TAKEN:
            after = None if _is_spent(one) else _wait(one, posted, work)
            kept.setdefault((one.answer, after), []).append(one.parcel)
    return [(answer, after, its) for (answer, after), its in kept.items()]


def _is_spent(one: Posted) -> bool:
    return one.answer.counted and one.parcel.attempts >= TRIES


def _wait(one: Posted, posted: Sequence[Posted], work: Work) -> float:
    """Seconds until the event is sent again: by the failures that it has met, or the receiver's."""
    match one.answer.verdict:
        case Verdict.LATER:
            return _rest(one.parcel.channel, posted, work)
        case Verdict.LEFT:
            return 0
        case _:
            return rest_before(one.parcel.attempts, work.pace.channel_rest).total_seconds()


def _rest(channel: Channel, posted: Sequence[Posted], work: Work) -> float:
    """Seconds for which a receiver that is down is left alone, by its failures in a row. One that says when is
    believed, unless it says "now" again and again."""
    down = [one.answer for one in posted if one.answer.verdict is Verdict.LATER]
    if not down:
        return 0
    answered = any(one.answer.verdict in (Verdict.TAKEN, Verdict.REFUSED) for one in posted)
    wait = rest_before(1 if answered else channel.failures + 1, work.pace.channel_rest).total_seconds()
    wishes = [answer.after.total_seconds() for answer in down if answer.after is not None]
    return max(*wishes, wait / 60) if wishes else wait


def _say(one: Posted, posted: Sequence[Posted], work: Work) -> None:
    parcel, answer = one.parcel, one.answer
    say = log.bind(channel_id=parcel.channel.id, event_id=one.event_id, attempt=parcel.attempts)
    if answer.verdict is Verdict.TAKEN:
        say.info(
            "delivery.sent",
            message_id=None if parcel.summary else parcel.items[0].gmail_id,
            notifications=len(parcel.items),
            milliseconds=one.milliseconds,
        )
    elif _is_spent(one):
        say.error("delivery.abandoned", reason=answer.reason, notifications=len(parcel.items))
    elif answer.verdict is not Verdict.GONE:
        say.info("delivery.postponed", reason=answer.reason, seconds=round(_wait(one, posted, work), 1))


def _say_of_channel(channel: Channel, posted: Sequence[Posted], work: Work) -> None:
    reasons = {one.answer.verdict: one.answer.reason for one in posted}
    if Verdict.GONE in reasons:
        log.warning("channel.ended", channel_id=channel.id, reason=reasons[Verdict.GONE])
    if Verdict.LATER in reasons:
        seconds = round(_rest(channel, posted, work), 1)
        log.warning("channel.rested", channel_id=channel.id, reason=reasons[Verdict.LATER], seconds=seconds)


def add(
    user_id: str | None, kind: ChannelKind, target: Target, work: Work, location: Where = None
) -> Channel:
    """A new channel, for what comes from now on. Raises Refused for a target that nothing may be sent to, and for
    a user whom nobody knows."""
    try:
        _outside(work).check(kind, target.url)
    except Unusable as error:
        raise Refused(str(error)) from None
    with work.store.begin("channels.add") as tx:
        here = located(location, tx)
        if user_id is not None:
            check_known(user_id, here)
        channel_id = here.channels.add(user_id, kind, target)
    log.info("channel.made", channel_id=channel_id, user_id=user_id, kind=kind.value)
    return Channel(channel_id, kind, target)


def reports(work: Work, location: Where = None) -> tuple[ChannelReport, ...]:
    """All of the organisation's channels, the first made first."""
    with work.store.begin("channels.reports", reads_only=True) as tx:
        return located(location, tx).channels.reports()


def remove(channel_id: int, work: Work, location: Where = None) -> None:
    """End a channel; what waits for it stays on the list and goes nowhere else."""
    with work.store.begin("channels.remove") as tx:
        if not located(location, tx).channels.remove(channel_id):
            raise _unknown(channel_id)
    work.store.scrub()
    log.info("channel.removed", channel_id=channel_id)


def retry(channel_id: int, work: Work, location: Where = None) -> int:
    """Switch it on and try all again: the sweep asks for it; returns how many notifications had been set aside."""
    with work.store.begin("channels.retry") as tx:
        again = located(location, tx).channels.retry(channel_id)
    if again is None:
        raise _unknown(channel_id)
    return again


def send_test(channel_id: int, work: Work, location: Where = None) -> Answer:
    """Send an event that means nothing, and say what came back."""
    with work.store.begin("channels.look", reads_only=True) as tx:
        here = located(location, tx)
        channel = here.channels.get(channel_id)
        name = str(tx.organisations.name_of(here.location))
    if channel is None:
        raise _unknown(channel_id)
    sent = envelope(str(uuid4()), TESTED, name, datetime.now(UTC), {"channel_id": channel_id})
    return _outside(work).send(channel, sent, "This is a test: notifications of the CRM will come here")


def _outside(work: Work) -> Outside:
    if work.outside is None:
        raise LookupError("this process has no way outside")
    return work.outside


def _unknown(channel_id: int) -> Refused:
    return Refused(f"there is no channel {channel_id}; `lodestone channels list` shows them")
