"""What a process cannot live without. When it is gone the process ends with a code, so that its supervisor acts:
one that lives on with half of its threads looks well and lets mail wait for ever."""

import os
import threading
from collections.abc import Callable
from typing import NoReturn

import structlog

log = structlog.get_logger()

LOOK_EVERY = 1.0
TIDY_WITHIN = 5.0
"""Seconds; together less than the ten that a supervisor is promised."""

CODE = 1


def until_stopped(stopping: threading.Event, gone: Callable[[], bool]) -> bool:
    """Wait for the end; True when it was asked for, False when what is vital is gone first."""
    while not stopping.wait(LOOK_EVERY):
        if gone():
            return False
    return True


def end(part: str, tidy: Callable[[], object]) -> NoReturn:
    """Say so, give back what can be given back in time, and end, whatever the other threads are doing."""
    log.error("part.lost", part=part)
    tidying = threading.Thread(target=tidy, daemon=True)
    tidying.start()
    tidying.join(TIDY_WITHIN)
    os._exit(CODE)
