"""Tells other processes which units this one spends at the provider, and writes them into the ledger."""

from collections.abc import Callable

import structlog

from domain.errors import DatabaseAway
from domain.quota import SLOT
from handlers.context import Context
from handlers.spending import learn_day, write_down
from workers.bootstrap import App

log = structlog.get_logger()

TOLD_IN_A_MINUTE = 60 // SLOT


def keep_count(app: App) -> None:
    """Tell and write until the process is to stop; then the caller writes the rest."""
    rounds = 0
    while not app.stopping.wait(SLOT):
        rounds += 1
        app.context.tally.tell(app.context.queue)
        if rounds % TOLD_IN_A_MINUTE == 0:
            _unless_away(app.context, write_down, learn_day)


def write(context: Context) -> None:
    """Write down the units. If the database is away, it is logged and done a minute later, or lost with the process."""
    _unless_away(context, write_down)


def _unless_away(context: Context, *steps: Callable[[Context], None]) -> None:
    try:
        for step in steps:
            step(context)
    except DatabaseAway as error:
        log.warning("units.postponed", reason=error.reason)
