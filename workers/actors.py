"""The actors: each opens a job and calls its handler. A job that fails leaves its work in the ledger (W4)."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import dramatiq
import structlog
from dramatiq.middleware import CurrentMessage

from domain.errors import DatabaseAway
from handlers import (
    channels,
    comparisons,
    contacts,
    labels,
    leaving,
    mailboxes,
    notifications,
    outbox,
    watches,
)
from handlers.work import once_more
from infra.logs import place_of
from workers.bootstrap import App
from workers.broker import QUEUES

log = structlog.get_logger()

HANDLERS: dict[str, Callable[..., None]] = {
    "mailboxes.catch_up": mailboxes.catch_up,
    "mailboxes.compare": comparisons.compare,
    "mailboxes.leave": leaving.leave,
    "mailboxes.renew_watch": watches.renew_watch,
    "contacts.match": contacts.match,
    "notifications.announce": notifications.announce,
    "labels.sort": labels.sort,
    "channels.deliver": channels.deliver,
    "sending.deliver": outbox.deliver,
}
"""A renamed actor would strand the jobs that are queued under its old name."""


def register(app: App) -> None:
    """Give the broker its actors."""
    for name in HANDLERS:
        _register(app, name)


def _register(app: App, name: str) -> None:
    def job(**ids: Any) -> None:
        message = CurrentMessage.get_current_message()
        for step, its in app.onward.steps(name, ids, app.queue.emit):
            with structlog.contextvars.bound_contextvars(job=step, job_id=message and message.message_id):
                _run(partial(HANDLERS[step], work=app.work), its)

    queue = QUEUES.get(name, "mail")
    dramatiq.actor(actor_name=name, queue_name=queue, broker=app.broker)(job)


def _run(handler: Callable[..., None], ids: dict[str, Any]) -> None:
    """Errors end here: their texts and tracebacks may hold content, Dramatiq would keep both (I3)."""
    began = time.monotonic()
    try:
        once_more(lambda: handler(**ids))
    except DatabaseAway as error:
        log.warning(
            "job.postponed",
            reason=error.reason,
            place=place_of(error.__traceback__),
            mailbox_id=ids.get("mailbox_id"),
            channel_id=ids.get("channel_id"),
        )
    except Exception as error:
        log.error(
            "job.failed",
            error=type(error).__name__,
            place=place_of(error.__traceback__),
            milliseconds=round((time.monotonic() - began) * 1000),
            mailbox_id=ids.get("mailbox_id"),
            channel_id=ids.get("channel_id"),
        )
