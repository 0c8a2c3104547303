"""A burst delivered while the worker is stopped, then worked off: wall time, CPU, memory, units, requests.

`python -m tests.bench.burst --mails 5000 --mailboxes 50`
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import psutil
from sqlalchemy import func, select

from infra.db.schema import decisions
from infra.local.gmail.client import Mail
from infra.local.postgres import fresh_database, postgres_or_start
from tests.journeys.world import closing_engine, crm, mail
from workers.demo.stage import PROCESSES, Stage

CUSTOMERS_SHARE = ("ann", "nora", "cid", "nora")
"""Half of the mail comes from contacts with deals, none of it in threads."""


def main() -> None:
    """Print the figures as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=1_000)
    parser.add_argument("--mailboxes", type=int, default=10)
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = None
        if options.postgres:
            url = stack.enter_context(fresh_database(stack.enter_context(postgres_or_start(folder / "pg"))))
        stage = stack.enter_context(Stage(folder / "stage", database_url=url))
        json.dump(burst(stage, options.mails, options.mailboxes), sys.stdout, indent=2)
        sys.stdout.write("\n")


def burst(stage: Stage, mails: int, mailboxes: int) -> dict[str, object]:
    """Deliver, start the processes, wait for the last outcome."""
    with closing_engine(stage) as engine:
        crm(engine)
    boxes = [f"user{n}@firm.example" for n in range(mailboxes)]
    for box in boxes:
        stage.connect(box.partition("@")[0], box, "--magnet", "--sorting")
    stage.start(*PROCESSES)
    to_start = settled_cpu(stage, PROCESSES)
    for name in PROCESSES:
        stage.stop(name)
    stage.gmail.reset_counters()
    for start in range(0, mails, 500):
        stage.gmail.deliver_many(
            Mail(boxes[n % mailboxes], mail(CUSTOMERS_SHARE[n // mailboxes % 4], n, to=boxes[n % mailboxes]))
            for n in range(start, min(start + 500, mails))
        )
    began = time.monotonic()
    stage.start(*PROCESSES)
    while (done := _done(stage)) < mails:
        sys.stderr.write(f"\r{done}/{mails} after {time.monotonic() - began:.0f} s ")
        time.sleep(0.25)
    wall = time.monotonic() - began
    ours = {name: psutil.Process(stage.servers[name].pid) for name in PROCESSES}
    cpu = {name: sum(process.cpu_times()[:2]) for name, process in ours.items()}
    counters = stage.gmail.counters()
    return {
        "mails": mails,
        "wall_seconds": round(wall, 1),
        "cpu_seconds_per_1000": round((sum(cpu.values()) - sum(to_start.values())) / mails * 1000, 2),
        "cpu_to_start": round(sum(to_start.values()), 1),
        **{f"cpu_{name}": round(seconds, 1) for name, seconds in cpu.items()},
        "worker_rss_mb": round(ours["worker"].memory_info().rss / 1e6),
        "units_per_mail": round(counters.units / mails, 2),
        "calls": {name: found["calls"] for name, found in counters.by_method.items()},
        "http_requests_per_mail": round((counters.http_requests + counters.token_requests) / mails, 3),
        "gmail_cpu": round(sum(psutil.Process(stage.servers["gmail"].pid).cpu_times()[:2]), 1),
    }


def settled_cpu(stage: Stage, names: Iterable[str], seconds: float = 2) -> dict[str, float]:
    """CPU seconds that these processes needed to start: asked until they have been idle for a while."""
    processes = {name: psutil.Process(stage.servers[name].pid) for name in names}
    before: dict[str, float] = {}
    while True:
        now = {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}
        if before and sum(now.values()) - sum(before.values()) < 0.1 * seconds * len(now):
            return before
        before = now
        time.sleep(seconds)


def _done(stage: Stage) -> int:
    with closing_engine(stage) as engine, engine.connect() as db:
        query = select(func.count()).select_from(decisions).where(decisions.c.outcome.is_not(None))
        return int(db.scalar(query) or 0)


if __name__ == "__main__":
    main()
