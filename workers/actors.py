"""The actors: each opens a job and calls its handler. A job that fails leaves its work in the ledger (W4)."""

import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dramatiq
import structlog

from handlers import connections, contacts, labels, mailboxes, notifications
from workers.bootstrap import App
from workers.broker import QUEUES

log = structlog.get_logger()

LONGEST_JOB = 15 * 60 * 1000


def register(app: App) -> None:
    """Give the broker its actors. A renamed actor would strand the jobs that are queued under its old name."""
    work = app.work
    _actor(
        app, "mailboxes.catch_up", lambda mailbox_id, came_by: mailboxes.catch_up(mailbox_id, came_by, work)
    )
    _actor(app, "mailboxes.renew_watch", lambda mailbox_id: connections.renew_watch(mailbox_id, work))
    _actor(app, "contacts.match", lambda mailbox_id: contacts.match(mailbox_id, work))
    _actor(app, "notifications.announce", lambda mailbox_id: notifications.announce(mailbox_id, work))
    _actor(app, "labels.sort", lambda mailbox_id: labels.sort(mailbox_id, work))


def _actor(app: App, name: str, handler: Callable[..., None]) -> None:
    def job(**ids: Any) -> None:
        with structlog.contextvars.bound_contextvars(job=name):
            _run(handler, ids)

    queue = QUEUES.get(name, "mail")
    dramatiq.actor(actor_name=name, queue_name=queue, broker=app.broker, time_limit=LONGEST_JOB)(job)


def _run(handler: Callable[..., None], ids: dict[str, Any]) -> None:
    """Errors end here: their texts and tracebacks may hold content, Dramatiq would keep both (I3)."""
    began = time.monotonic()
    try:
        handler(**ids)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        log.error(
            "job.failed",
            error=type(error).__name__,
            place=f"{Path(place.filename).name}:{place.lineno}",
            milliseconds=round((time.monotonic() - began) * 1000),
            mailbox_id=ids.get("mailbox_id"),
        )
