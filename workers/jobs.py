"""The pipeline on one screen: every job, its handler and queue, what wakes it, and how the sweep asks for it again.

A job is added here, with its event in domain/events.py and its handler.
"""

from collections.abc import Mapping, Sequence

from domain.events import (
    ComparisonDue,
    ConnectionEnded,
    DeliveryDue,
    Event,
    MailAnnounced,
    MailboxChanged,
    MailFound,
    MailJoined,
    MailMatched,
    OutboxDue,
    WatchDue,
)
from domain.ledger import Step
from domain.locks import LockKind
from domain.quota import Purpose
from handlers import channels, matching, notifications
from handlers.connections import disconnecting
from handlers.conversations import copying, gathering
from handlers.jobs import OUTSIDE, UPKEEP, Due, Job
from handlers.mailboxes import comparisons, history, watches
from handlers.outbox import delivery
from handlers.sorting.sort import sort

SELDOM = 5
"""Ticks of the sweep."""

JOBS = (
    Job(
        "mailboxes.catch_up",
        history.catch_up,
        MailboxChanged,
        due=Due(
            "sweep.due",
            lambda mailbox_id: MailboxChanged(mailbox_id, "sweep"),
            lambda tx, most, again: tx.mailboxes.redrive_syncs(most, again),
            Purpose.SWEEP,
        ),
        marked=LockKind.SYNC,
    ),
    Job("contacts.match", matching.match, MailFound, goes_on=True, step=Step.MATCH),
    Job("conversations.copy", copying.copy, MailJoined, goes_on=True, step=Step.COPY),
    Job("conversations.gather", gathering.gather, MailJoined, goes_on=True, step=Step.GATHER),
    Job("notifications.announce", notifications.announce, MailMatched, goes_on=True, step=Step.ANNOUNCE),
    Job("labels.sort", sort, MailAnnounced, goes_on=True, step=Step.SORT),
    Job(
        "channels.deliver",
        channels.deliver,
        DeliveryDue,
        OUTSIDE,
        redrive=lambda tx, most: tx.deliveries.redrive(most),
    ),
    Job(
        "outbox.deliver",
        delivery.deliver,
        OutboxDue,
        UPKEEP,
        redrive=lambda tx, most: tx.outbox.redrive(most),
    ),
    Job(
        "mailboxes.renew_watch",
        watches.renew_watch,
        WatchDue,
        UPKEEP,
        due=Due(
            "sweep.watches",
            WatchDue,
            lambda tx, most, again: tx.mailboxes.redrive_watches(most, again),
            Purpose.WATCH,
            SELDOM,
        ),
    ),
    Job(
        "mailboxes.compare",
        comparisons.compare,
        ComparisonDue,
        UPKEEP,
        due=Due(
            "sweep.comparisons",
            ComparisonDue,
            lambda tx, most, again: tx.history.redrive_comparisons(most, again),
            Purpose.COMPARE,
            SELDOM,
        ),
    ),
    Job(
        "mailboxes.leave",
        disconnecting.leave,
        ConnectionEnded,
        UPKEEP,
        due=Due(
            "sweep.disconnecting",
            ConnectionEnded,
            lambda tx, most, again: tx.connections.redrive_disconnecting(most, again),
        ),
    ),
)

BY_NAME: Mapping[str, Job] = {job.name: job for job in JOBS}

_WOKEN: Mapping[type[Event], Sequence[Job]] = {
    kind: tuple(job for job in JOBS if job.woken_by is kind) for kind in {job.woken_by for job in JOBS}
}


def woken_by(event: Event) -> Sequence[Job]:
    """The jobs that the event wakes."""
    return _WOKEN[type(event)]
