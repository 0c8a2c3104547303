"""The clock of this process's spending of Google's units: told to the others, written into the ledger."""

import threading

import structlog

from domain.errors import DatabaseAway
from domain.quota import SLOT
from handlers.spending import write_down
from handlers.work import Work
from workers.bootstrap import App

log = structlog.get_logger()

TOLD_IN_A_MINUTE = 60 // SLOT


def keep_count(app: App) -> None:
    """On a thread of its own, until the process is to stop: then whoever started it writes the rest."""
    threading.Thread(target=_count, args=(app,), name="units", daemon=True).start()


def _count(app: App) -> None:
    rounds = 0
    while not app.stopping.wait(SLOT):
        rounds += 1
        app.work.tally.tell(app.work.queue)
        if rounds % TOLD_IN_A_MINUTE == 0:
            write(app.work)


def write(work: Work) -> None:
    """What cannot be written now is written with the next minute's, or lost with the process, and said."""
    try:
        write_down(work)
    except DatabaseAway as error:
        log.warning("units.postponed", reason=error.reason)
