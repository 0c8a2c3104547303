"""The whole archive of known threads through the real processes, in order, reversed and shuffled.

    python -m tests.bench.threads                 10,000 mails in 2,000 threads, on SQLite
    python -m tests.bench.threads --mails 500     a quick look
    DATABASE_URL=… python -m tests.bench.threads  on this PostgreSQL, each time in a database of its own

Prints what is not as it was written; ends with 1 where anything is not.
"""

import argparse
import os
import random
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import func, select

from infra.db.store import open_engine
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions
from infra.local.postgres import fresh_database
from tests.bench.archive import MAILS_A_THREAD, ME, Written, archive, people
from tests.bench.clusters import AT_ONCE, Delivery, know, wrong
from tests.bench.meter import say
from tests.journeys.world import wait_for
from workers.demo.replay import SETTINGS
from workers.demo.stage import Stage

PATIENCE = 600.0
SHOWN = 10


def main() -> None:
    """Each order in a world of its own."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.threads",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--mails", type=int, default=10_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    options = parser.parse_args()
    found = 0
    for order in ("in order", "reversed", "shuffled"):
        mails = archive(options.mails, options.seed)
        if order == "reversed":
            mails.reverse()
        elif order == "shuffled":
            random.Random(options.seed).shuffle(mails)
        began = time.monotonic()
        mistakes = _run(mails, options.mails // MAILS_A_THREAD)
        found += len(mistakes)
        for one in mistakes[:SHOWN]:
            say(f"    {one}")
        say(f"{order}: {len(mails):,} mails, {len(mistakes)} mistakes, {time.monotonic() - began:.0f} s")
    sys.exit(1 if found else 0)


def _run(mails: Sequence[Written], threads: int) -> list[str]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="lodestone-threads-")))
        server = os.environ.get("DATABASE_URL")
        url = stack.enter_context(fresh_database(server)) if server else None
        stage = stack.enter_context(Stage(folder, database_url=url, gmail_costs="2025", **SETTINGS))
        stage.gmail.quota(enforced=False)
        engine = open_engine(stage.database_url)
        stack.callback(engine.dispose)
        know(engine, people(threads), "uwe")
        stage.connect("uwe", ME, "--sync")
        stage.start("dispatcher", "worker", "sweep")
        delivery = Delivery(stage.gmail)
        for begin in range(0, len(mails), AT_ONCE):
            delivery.deliver(mails[begin : begin + AT_ONCE])
        ended = select(func.count()).select_from(decisions).where(decisions.c.outcome.is_not(None))
        waiting = select(func.count()).select_from(steps).where(steps.c.state == "waiting")

        def is_done() -> bool:
            with engine.connect() as db:
                return db.scalar(ended) == len(mails) and not db.scalar(waiting)

        if not wait_for(is_done, PATIENCE):
            return [f"not all mails were through within {PATIENCE:.0f} s"]
        return wrong(engine, delivery.delivered)


if __name__ == "__main__":
    main()
