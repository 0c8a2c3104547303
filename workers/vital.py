"""A process ends when a signal asks for it, or when a part that it needs is lost.

Then it ends with an exit code, so that its supervisor starts it again. If it went on with half of its threads it would
look well while mail waits for ever.
"""

import os
import signal
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import NoReturn

import structlog

log = structlog.get_logger()

LOOK_EVERY = 1.0
TIDY_WITHIN = 5.0
"""Seconds; together less than the ten that docs/RUNBOOK.md promises."""

CODE = 1


def stop_on_signal(stopping: threading.Event) -> None:
    """SIGTERM and Ctrl-C set the event.

    A signal handler interrupts the main thread, which may hold the event's own lock. So the handler only writes to a
    SimpleQueue, which allows that, and another thread sets the event.
    """
    asked = SimpleQueue[None]()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: asked.put(None))

    def wait() -> None:
        asked.get()
        stopping.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()


def until_stopped(stopping: threading.Event, lost: Callable[[], str | None]) -> str | None:
    """Wait for the end; returns None when it was asked for, else the name of the part that is lost."""
    while not stopping.wait(LOOK_EVERY):
        part = lost()
        if part is not None and not stopping.is_set():  # a part that was stopped is not lost
            return part
    return None


def end(part: str, tidy: Callable[[], object]) -> NoReturn:
    """Log the lost part, call `tidy` for up to TIDY_WITHIN seconds, and end, whatever other threads do."""
    log.error("part.lost", part=part)
    tidying = threading.Thread(target=tidy, daemon=True)
    tidying.start()
    tidying.join(TIDY_WITHIN)
    os._exit(CODE)
