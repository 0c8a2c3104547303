"""Channels outside: notifications leave the list, each by itself or late ones together (Z25, E91, I5)."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import structlog

from domain.channels import (
    TRIES,
    Answer,
    Channel,
    ChannelKind,
    ChannelReport,
    Parcel,
    Target,
    Unusable,
    Verdict,
    event_id,
    rest_before,
)
from domain.cloud_events import TESTED, envelope, event, line
from domain.events import DeliveryDue
from domain.notifications import NoticeKind
from handlers.connections import Refused, check_known
from handlers.ports import Outside, Transaction
from handlers.work import Work, in_turn, written

log = structlog.get_logger()

TURN = 20.0
"""Seconds after which a channel lets others have the thread."""


def deliver(channel_id: int, work: Work) -> None:
    """Everything that waits for this channel, one after the other, one run at a time."""
    in_turn(
        "deliver", channel_id, DeliveryDue(channel_id), work, lambda keep: _deliver(channel_id, work, keep)
    )


def _deliver(channel_id: int, work: Work, keep: Callable[[], bool]) -> bool:
    end = time.monotonic() + TURN
    while not work.stopping():
        if time.monotonic() > end:
            work.queue.mark("deliver", channel_id)  # one more run, behind all that is queued now
            return True
        parcel = _take(channel_id, work)
        if parcel is None:
            return True
        _send(parcel, work)
        if not keep():
            return False
    return False


def _take(channel_id: int, work: Work) -> Parcel | None:
    """What is to be sent next, with the settings and names of this moment (E92); its tries are committed (W3)."""
    lease = work.pace.lease + 2 * work.pace.channel_timeout
    with work.store.begin("deliveries.take") as tx:
        return tx.deliveries.take(channel_id, work.me(), lease)


def _send(parcel: Parcel, work: Work) -> None:
    began = time.monotonic()
    if not all(item.due for item in parcel.items):
        with work.store.begin("deliveries.omit") as tx:
            # A mail's notification waits for the sign-in, and is not taken until then (D12).
            if parcel.items[0].kind is NoticeKind.MAIL:
                tx.deliveries.give_back(parcel, work.me(), 0, "sign_in", counted=False, untouched=True)
            else:
                tx.deliveries.finish(parcel, work.me())
        log.info("delivery.omitted", channel_id=parcel.channel.id, notification_id=parcel.items[0].id)
        return
    if parcel.attempts > TRIES:
        answer = Answer(Verdict.REFUSED, "crash", counted=True)
    else:
        answer = _outside(work).send(parcel.channel, event(parcel), line(parcel))
    if written(lambda: _record(parcel, answer, work), work):
        _say(parcel, answer, work, round((time.monotonic() - began) * 1000))


def _record(parcel: Parcel, answer: Answer, work: Work) -> bool:
    """What came of it; False when the parcel is somebody else's by now, who says what came of it then."""
    me, channel_id = work.me(), parcel.channel.id
    with work.store.begin("deliveries.record") as tx:
        match answer.verdict:
            case Verdict.TAKEN:
                tx.channels.answered(channel_id, None)
                return tx.deliveries.finish(parcel, me)
            case Verdict.GONE:
                tx.channels.switch_off(channel_id, answer.reason)
            case Verdict.LATER:
                tx.channels.rest(channel_id, _rest(parcel, answer, work), answer.reason)
            case Verdict.REFUSED:
                tx.channels.answered(channel_id, answer.reason)
        return _keep(parcel, answer, tx, work)


def _keep(parcel: Parcel, answer: Answer, tx: Transaction, work: Work) -> bool:
    if _is_spent(parcel, answer):
        return tx.deliveries.set_aside(parcel, work.me(), answer.reason)
    return tx.deliveries.give_back(
        parcel,
        work.me(),
        _rest(parcel, answer, work),
        answer.reason,
        counted=answer.counted,
        untouched=answer.untouched,
    )


def _is_spent(parcel: Parcel, answer: Answer) -> bool:
    return answer.counted and parcel.attempts >= TRIES


def _rest(parcel: Parcel, answer: Answer, work: Work) -> float:
    """Seconds: a receiver that is down rests by its own failures in a row, an event by those that it has met.

    A receiver that says when is believed, unless it says "now" again and again.
    """
    row = parcel.channel.failures + 1 if answer.verdict is Verdict.LATER else parcel.attempts
    wait = rest_before(row, work.pace.channel_rest).total_seconds()
    return wait if answer.after is None else max(answer.after.total_seconds(), wait / 60)


def _say(parcel: Parcel, answer: Answer, work: Work, milliseconds: int) -> None:
    say = log.bind(channel_id=parcel.channel.id, event_id=event_id(parcel), attempt=parcel.attempts)
    if answer.verdict is Verdict.TAKEN:
        say.info(
            "delivery.sent",
            message_id=None if parcel.summary else parcel.items[0].gmail_id,
            notifications=len(parcel.items),
            milliseconds=milliseconds,
        )
        return
    if answer.verdict is Verdict.GONE:
        log.warning("channel.ended", channel_id=parcel.channel.id, reason=answer.reason)
    elif _is_spent(parcel, answer):
        say.error("delivery.abandoned", reason=answer.reason, notifications=len(parcel.items))
    else:
        seconds = round(_rest(parcel, answer, work), 1)
        say.info("delivery.postponed", reason=answer.reason, seconds=seconds)
    if answer.verdict is Verdict.LATER:
        log.warning(
            "channel.rested",
            channel_id=parcel.channel.id,
            reason=answer.reason,
            seconds=round(_rest(parcel, answer, work), 1),
        )


def add(user_id: str | None, kind: ChannelKind, target: Target, work: Work) -> Channel:
    """A new channel, for what comes from now on. Raises Refused for a target that nothing may be sent to, and for
    a user whom nobody knows."""
    try:
        _outside(work).check(kind, target.url)
    except Unusable as error:
        raise Refused(str(error)) from None
    with work.store.begin("channels.add") as tx:
        if user_id is not None:
            check_known(user_id, tx)
        channel_id = tx.channels.add(user_id, kind, target)
    log.info("channel.made", channel_id=channel_id, user_id=user_id, kind=kind.value)
    return Channel(channel_id, kind, target)


def reports(work: Work) -> tuple[ChannelReport, ...]:
    """All channels, the first made first."""
    with work.store.begin("channels.reports", reads_only=True) as tx:
        return tx.channels.reports()


def remove(channel_id: int, work: Work) -> None:
    """End a channel; what waits for it stays on the list and goes nowhere else."""
    with work.store.begin("channels.remove") as tx:
        if not tx.channels.remove(channel_id):
            raise _unknown(channel_id)
    work.store.scrub()
    log.info("channel.removed", channel_id=channel_id)


def retry(channel_id: int, work: Work) -> int:
    """Switch it on and try all again: the sweep asks for it; returns how many notifications had been set aside."""
    with work.store.begin("channels.retry") as tx:
        again = tx.channels.retry(channel_id)
    if again is None:
        raise _unknown(channel_id)
    return again


def send_test(channel_id: int, work: Work) -> Answer:
    """Send an event that means nothing, and say what came back."""
    with work.store.begin("channels.look", reads_only=True) as tx:
        channel = tx.channels.get(channel_id)
    if channel is None:
        raise _unknown(channel_id)
    sent = envelope(str(uuid4()), TESTED, datetime.now(UTC), {"channel_id": channel_id})
    return _outside(work).send(channel, sent, "This is a test: notifications of the CRM will come here")


def _outside(work: Work) -> Outside:
    if work.outside is None:
        raise LookupError("this process has no way outside")
    return work.outside


def _unknown(channel_id: int) -> Refused:
    return Refused(f"there is no channel {channel_id}; `lodestone channels list` shows them")
