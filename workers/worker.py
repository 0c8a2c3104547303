"""The worker process: one Dramatiq worker, many threads. More processes is how it grows (DESIGN §6)."""

import signal

import dramatiq
import structlog

from workers.actors import register
from workers.bootstrap import start

log = structlog.get_logger()

WORKER_TIMEOUT = 20
PREFETCH = 64
STOP_WITHIN = 25_000


def main() -> None:
    """Work until SIGTERM or Ctrl-C; then finish or release what was begun within 25 s (W16)."""
    app = start("worker")
    app.wait_until_ready()
    register(app)
    worker = dramatiq.Worker(
        app.broker, worker_timeout=WORKER_TIMEOUT, worker_threads=app.settings.worker_threads
    )
    worker.queue_prefetch = PREFETCH
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: app.stopping.set())
    worker.start()
    log.info("process.started", threads=app.settings.worker_threads)
    app.stopping.wait()
    worker.stop(timeout=STOP_WITHIN)
    log.info("process.stopped")
