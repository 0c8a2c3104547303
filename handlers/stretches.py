"""Long work on the database, a stretch a transaction, with room for others between two (W11)."""

import time
from collections.abc import Callable

from domain.retention import FEWEST, MOST, After, next_stretch
from handlers.context import Context

SAID_EVERY = 10.0
REST = 0.1
"""Seconds between two stretches, less after a short one: who waits for SQLite's one writer looks as often."""


def stretch_by_stretch(
    run: Callable[[int, After], After | None],
    say: Callable[[], object],
    context: Context,
    *,
    most: int = MOST,
) -> bool:
    """`run` does a stretch of so many rows, from where the last one ended, and says where this one did. `say` is
    called now and then while it goes on. False when the process is to end first."""
    after: After | None = ()
    rows = FEWEST
    said = time.monotonic()
    while after is not None:
        if context.stopping():
            return False
        began = time.monotonic()
        after = run(rows, after)
        took = time.monotonic() - began
        rows = next_stretch(rows, took, most)
        if time.monotonic() > said + SAID_EVERY:
            said = time.monotonic()
            say()
        if after is not None:
            time.sleep(min(2 * took, REST))
    return True
