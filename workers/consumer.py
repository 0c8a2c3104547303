"""What the processes that take jobs share: one Dramatiq worker, many threads, and a clean end (W16)."""

from collections.abc import Collection

import dramatiq
import structlog

from workers import vital
from workers.bootstrap import App

log = structlog.get_logger()

PREFETCH = 64
STOP_WITHIN = 25_000
IDLE = 500
"""Milliseconds after which a thread that has nothing to do asks whether it is to end."""


def take_jobs(app: App, queues: Collection[str], *, threads: int) -> None:
    """Take the jobs of these queues until SIGTERM or Ctrl-C, then finish or release what was begun within 25 s."""
    worker = dramatiq.Worker(app.broker, queues=set(queues), worker_timeout=IDLE, worker_threads=threads)
    worker.queue_prefetch = PREFETCH
    vital.stop_on_signal(app.stopping)
    worker.start()
    log.info("process.started", threads=threads)
    if not vital.until_stopped(app.stopping, lambda: _has_died(worker)):
        vital.end("threads", lambda: worker.stop(timeout=STOP_WITHIN))
    worker.stop(timeout=STOP_WITHIN)
    log.info("process.stopped")


def _has_died(worker: dramatiq.Worker) -> bool:
    """Whether one of its threads is gone: Dramatiq starts no other, and what it had taken waits for ever."""
    return not all(thread.is_alive() for thread in (*worker.consumers.values(), *worker.workers))
