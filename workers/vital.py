"""The end of a process: asked for by a signal, or because what it cannot live without is gone. Then it ends with a
code, so that its supervisor acts: one that lives on with half of its threads looks well and lets mail wait for ever."""

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
"""Seconds; together less than the ten that a supervisor is promised."""

CODE = 1


def stop_on_signal(stopping: threading.Event) -> None:
    """SIGTERM and Ctrl-C ask for the end.

    A handler runs amid whatever the main thread does, which may hold the event's own lock: then nobody would ever set
    it. A SimpleQueue allows for that, and another thread sets the event.
    """
    asked = SimpleQueue[None]()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: asked.put(None))

    def wait() -> None:
        asked.get()
        stopping.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()


def until_stopped(stopping: threading.Event, lost: Callable[[], str | None]) -> str | None:
    """Wait for the end; None when it was asked for, the name of what is vital when that is lost first."""
    while not stopping.wait(LOOK_EVERY):
        part = lost()
        if part is not None and not stopping.is_set():  # what has ended because it was asked to is not lost
            return part
    return None


def end(part: str, tidy: Callable[[], object]) -> NoReturn:
    """Say so, give back what can be given back in time, and end, whatever the other threads are doing."""
    log.error("part.lost", part=part)
    tidying = threading.Thread(target=tidy, daemon=True)
    tidying.start()
    tidying.join(TIDY_WITHIN)
    os._exit(CODE)
