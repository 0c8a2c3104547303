"""The actors: each calls the handler of its job. A job that fails leaves its work in the ledger (W4)."""

import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import dramatiq
import structlog
from dramatiq.middleware import CurrentMessage

from domain.errors import DatabaseAway
from handlers.jobs import Job
from handlers.troubles import once_more
from infra.logs import place_of
from workers.bootstrap import App
from workers.jobs import BY_NAME, JOBS

log = structlog.get_logger()


def register(app: App, queues: Collection[str]) -> None:
    """Register the actors of the jobs in these queues."""
    for job in JOBS:
        if job.queue in queues:
            _register(app, job)


def _register(app: App, job: Job) -> None:
    def run(**ids: Any) -> None:
        message = CurrentMessage.get_current_message()
        for name, its in app.onward.steps(job.name, ids, app.queue.emit):
            with structlog.contextvars.bound_contextvars(job=name, job_id=message and message.message_id):
                _run(partial(BY_NAME[name].handler, context=app.context), its)

    dramatiq.actor(actor_name=job.name, queue_name=job.queue, broker=app.broker)(run)


def _run(handler: Callable[..., None], ids: dict[str, Any]) -> None:
    """Run a handler and log its error without the text, which may hold content: Dramatiq would keep it (I3)."""
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
