"""The sweep process: the clock of the pipeline. Several may run; one of them acts."""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC
from functools import partial
from typing import Any

import structlog
from apscheduler.events import EVENT_SCHEDULER_STARTED
from apscheduler.executors.base import BaseExecutor, run_job
from apscheduler.schedulers import SchedulerNotRunningError
from apscheduler.schedulers.blocking import BlockingScheduler
from redis.exceptions import RedisError

from domain.errors import DatabaseAway
from handlers import retention, sweep
from handlers.troubles import once_more
from workers import process
from workers.bootstrap import App
from workers.jobs import JOBS

log = structlog.get_logger()

PURGE_LOOK_EVERY = 60
"""Seconds between two checks whether a purge is due."""

STARTS_WITHIN = 2.0
ENDS_WITHIN = 5.0
"""Seconds that the sweep waits for a duty to end. A duty that hangs on the database ends with the process."""


def main() -> None:
    """Run until SIGTERM or Ctrl-C."""
    process.run("sweep", parts, process.count)


def parts(app: App) -> Iterator[process.Part]:
    """The scheduler."""
    # A tick whose duty is still at work is skipped; what holds the duty up is logged there.
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
    scheduler = BlockingScheduler(
        executors={"default": _Threads()},
        timezone=UTC,
        job_defaults={"coalesce": True, "max_instances": 1},
    )
    token = uuid.uuid4().hex
    for name, duty, seconds in _duties(app):
        words = (name, duty, app, token)
        scheduler.add_job(_run, "interval", seconds=seconds, args=words, misfire_grace_time=None)

    running = threading.Event()
    scheduler.add_listener(lambda _: running.set(), EVENT_SCHEDULER_STARTED)

    def stop() -> None:
        running.wait(STARTS_WITHIN)  # it cannot be stopped before it runs
        with suppress(SchedulerNotRunningError):
            scheduler.shutdown()

    yield process.OneThread(app, "scheduler", scheduler.start, stop)


class _Threads(BaseExecutor):  # type: ignore[misc]  # apscheduler annotates nothing
    """Runs each duty on a daemon thread. Python would wait for the threads of a pool, however long they hang."""

    def __init__(self) -> None:
        super().__init__()
        self._at_work: set[threading.Thread] = set()

    def _do_submit_job(self, job: Any, run_times: Any) -> None:
        thread = threading.Thread(target=self._work, args=(job, run_times), daemon=True)
        self._at_work = {one for one in self._at_work if one.is_alive()} | {thread}
        thread.start()

    def _work(self, job: Any, run_times: Any) -> None:
        self._run_job_success(job.id, run_job(job, job._jobstore_alias, run_times, self._logger.name))

    def shutdown(self, wait: bool = True) -> None:
        ends = time.monotonic() + ENDS_WITHIN
        for thread in self._at_work if wait else ():
            thread.join(max(0.0, ends - time.monotonic()))


def _duties(app: App) -> Iterator[tuple[str, Callable[[], int], float]]:
    """The duties, each with its name and the seconds between two runs."""
    context, tick = app.context, app.settings.sweep_tick
    for job in JOBS:
        if job.due is not None:
            yield job.name, partial(sweep.ask_for_due, job, context), job.due.ticks * tick
    yield "redrive", partial(sweep.redrive, JOBS, context), tick
    yield "purge", partial(retention.purge, context), PURGE_LOOK_EVERY


def _run(name: str, duty: Callable[[], int], app: App, token: str) -> None:
    """Run a duty if this process leads. While Redis or the database is away, each tick logs that and tries again."""
    try:
        if app.queue.leads(token, seconds=10 * app.settings.sweep_tick):
            once_more(duty)
    except (RedisError, DatabaseAway) as error:
        log.warning("duty.postponed", duty=name, error=type(error).__name__)
