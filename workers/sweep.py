"""The sweep process: the clock of the pipeline. Several may run; one of them acts (DESIGN §6)."""

import logging
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC

import structlog
from apscheduler.schedulers import SchedulerNotRunningError
from apscheduler.schedulers.blocking import BlockingScheduler
from redis.exceptions import RedisError

from domain.errors import DatabaseAway
from handlers import retention, sweep
from handlers.work import Work, once_more
from workers import vital
from workers.bootstrap import App, start
from workers.units import keep_count

log = structlog.get_logger()

WATCHES_EVERY = 5
"""Ticks."""
PURGE_LOOK_EVERY = 60
"""Seconds; whether it is due the database knows."""


def main() -> None:
    """Keep the clock until SIGTERM or Ctrl-C."""
    app = start("sweep")
    vital.stop_on_signal(app.stopping)
    if app.wait_until_ready(app.stopping):
        keep_count(app)
        _keep_clock(app)
    log.info("process.stopped")


def _keep_clock(app: App) -> None:
    # A tick that finds its duty at work still is left out; what holds the duty up is said by itself.
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
    scheduler = BlockingScheduler(timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1})
    token = uuid.uuid4().hex
    tick = app.settings.sweep_tick
    duties: tuple[tuple[Callable[[Work], int], float], ...] = (
        (sweep.catch_up_due, tick),
        (sweep.redrive, tick),
        (sweep.renew_watches, WATCHES_EVERY * tick),
        (sweep.compare_lists, WATCHES_EVERY * tick),
        (sweep.end_left, tick),
        (retention.purge, PURGE_LOOK_EVERY),
    )
    for duty, seconds in duties:
        scheduler.add_job(_run, "interval", seconds=seconds, args=(duty, app, token), misfire_grace_time=None)
    clock = threading.Thread(target=scheduler.start, name="clock", daemon=True)
    clock.start()
    log.info("process.started")
    if not vital.until_stopped(app.stopping, lambda: not clock.is_alive()):
        vital.end("scheduler", app.stopping.set)
    with suppress(SchedulerNotRunningError):  # asked to stop before it ran
        scheduler.shutdown(wait=False)


def _run(duty: Callable[[Work], int], app: App, token: str) -> None:
    """One duty, if this process keeps the clock. What is away is said and waited for: the next tick is near."""
    try:
        if app.queue.leads(token, seconds=10 * app.settings.sweep_tick):
            once_more(lambda: duty(app.work))
    except (RedisError, DatabaseAway) as error:
        log.warning("duty.postponed", duty=duty.__name__, error=type(error).__name__)
