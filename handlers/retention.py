"""Once an hour what is too old is deleted (D2), in short transactions with pauses between them."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import structlog

from domain.errors import ObjectsAway
from domain.retention import After, Forgotten
from handlers import copies
from handlers.context import Context
from handlers.ports.store import Transaction
from handlers.stretches import stretch_by_stretch

log = structlog.get_logger()

PURGE_EVERY = 3_600.0
"""Seconds from the end of one purge to the next, also across restarts."""

TURN = 60.0
"""Seconds after which another sweep takes up a purge that was cut off."""

_KINDS: dict[str, Callable[[Transaction, Context, int, After], Forgotten]] = {
    "messages": lambda tx, context, rows, after: tx.retention.mails(context.retention.mail, rows, after),
    "sendings": lambda tx, context, rows, after: tx.retention.sent(context.retention.mail, rows, after),
    "deliveries": lambda tx, context, rows, after: tx.retention.deliveries(
        context.retention.deliveries, rows, after
    ),
    "event_deliveries": lambda tx, context, rows, after: tx.retention.event_deliveries(
        context.retention.deliveries, rows, after
    ),
    "events": lambda tx, context, rows, after: tx.retention.events(context.retention.mail, rows, after),
    "notifications": lambda tx, context, rows, after: tx.retention.notifications(
        context.retention.notifications, rows, after
    ),
    "units": lambda tx, context, rows, _: tx.units.forget(_units_kept_since(context), rows),
    "merges": lambda tx, context, rows, _: tx.retention.merges(context.retention.merged, rows),
    "versions": lambda tx, context, rows, after: tx.retention.versions(
        context.retention.deleted, rows, after
    ),
}


def purge(context: Context) -> int:
    """Delete what is too old, if the last purge ended an hour ago; returns how many rows.

    The database keeps that moment, so that one of several sweeps acts and a restart changes nothing. A purge that is
    cut off goes on later with what is left.
    """
    with context.store.begin("sweep.purge_due") as tx:
        if not tx.retention.take_turn("purge", TURN):
            return 0
        tx.retention.sign_ins()
    forgotten = Counter[str]()
    for kind in _KINDS:
        if not _forget(kind, forgotten, context):
            return _say(forgotten)
    if not _remove_objects(forgotten, context):
        return _say(forgotten)
    context.store.scrub(within=1)  # a reader may prevent it; the process is to end within two seconds
    with context.store.begin("sweep.purged") as tx:
        tx.retention.keep_turn("purge", PURGE_EVERY)
    return _say(forgotten)


def _forget(kind: str, forgotten: Counter[str], context: Context) -> bool:
    """Delete one kind, a stretch at a time; False when the process has to end first."""

    def run(rows: int, after: After) -> After | None:
        with context.store.begin("sweep.purge") as tx:
            tx.retention.keep_turn("purge", TURN)
            found = _KINDS[kind](tx, context, rows, after)
        forgotten[kind] += found.rows
        for channel_id, number in found.channels.items():
            if number:
                events = number if kind == "event_deliveries" else 0
                notifications = number - events
                log.warning(
                    "channel.expired", channel_id=channel_id, notifications=notifications, events=events
                )
        return found.after

    return stretch_by_stretch(run, lambda: _say(forgotten), context)


def _remove_objects(forgotten: Counter[str], context: Context) -> bool:
    """Remove what nothing names from the object store; False when the process has to end first. Where the store is away
    the next purge does it."""

    def run(rows: int, after: After) -> After | None:
        with context.store.begin("sweep.purge") as tx:
            tx.retention.keep_turn("purge", TURN)
        removed, more = copies.remove_some(rows, after, context)
        forgotten["objects"] += removed
        return more

    try:
        context.objects.tidy()
        return stretch_by_stretch(run, lambda: _say(forgotten), context)
    except ObjectsAway as error:
        log.warning("objects.postponed", reason=error.reason)
        return True


def _units_kept_since(context: Context) -> date:
    """The first day that is kept: days of units are the provider's, not those of UTC."""
    return context.tally.quota.day(datetime.now(UTC)) - timedelta(days=context.retention.mail)


def _say(forgotten: Counter[str]) -> int:
    if forgotten.total():
        log.info(
            "ledger.purged",
            messages=forgotten["messages"],
            sendings=forgotten["sendings"],
            deliveries=forgotten["deliveries"] + forgotten["event_deliveries"],
            events=forgotten["events"],
            notifications=forgotten["notifications"],
            units=forgotten["units"],
            merges=forgotten["merges"],
            versions=forgotten["versions"],
            objects=forgotten["objects"],
        )
    return forgotten.total()
