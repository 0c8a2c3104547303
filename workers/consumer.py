"""The part of a process that takes jobs: a Dramatiq worker with many threads, and a clean end (W16)."""

from collections.abc import Collection

import dramatiq

from workers.bootstrap import App
from workers.process import WORK_WITHIN

PREFETCH = 64
IDLE = 500
"""Milliseconds after which an idle thread checks whether it is to end."""


class Jobs:
    """Takes the jobs of these queues. At the end, begun jobs are finished or released.

    `lodestone run` has two, so that a receiver outside holds no thread that mail needs (I5). Dramatiq advises one in a
    process because middleware may share state; ours shares none.
    """

    error: Exception | None = None

    def __init__(self, app: App, name: str, queues: Collection[str], threads: int) -> None:
        self.name = name
        self.threads = threads
        self._worker = dramatiq.Worker(
            app.broker, queues=set(queues), worker_timeout=IDLE, worker_threads=threads
        )
        self._worker.queue_prefetch = PREFETCH

    def start(self) -> None:
        self._worker.start()

    def is_ready(self) -> bool:
        return True

    def is_lost(self) -> bool:
        """Dramatiq does not replace a lost thread, and the jobs that it has taken would wait for ever."""
        return not all(one.is_alive() for one in (*self._worker.consumers.values(), *self._worker.workers))

    def stop(self) -> None:
        self._worker.stop(timeout=round(1000 * WORK_WITHIN))
