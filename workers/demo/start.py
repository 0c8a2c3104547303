"""Lodestone's own processes on the stage, until they are ready for the first mail."""

import time
from collections.abc import Collection

from workers.demo.ledger import Ledger
from workers.demo.stage import PROCESSES, CommandFailed, Stage

READY_WITHIN = 90.0


def start_processes(stage: Stage, ledger: Ledger, mailbox_ids: Collection[int], *, calm: bool) -> None:
    """Until every process works and every mailbox has been swept once; Gmail's meters begin at zero then.

    `calm`: until no watch is about to be renewed either, since that makes Gmail speak for once.
    """
    stage.supervise()
    end = time.monotonic() + READY_WITHIN
    while not (_all_started(stage) and ledger.is_swept(mailbox_ids, calm=calm)):
        if time.monotonic() > end or not stage.servers["supervisor"].is_running():
            raise CommandFailed(f"Lodestone's processes did not start; see {stage.logs}")
        time.sleep(0.05)
    stage.gmail.reset_counters()


def _all_started(stage: Stage) -> bool:
    logs = [stage.logs / f"{name}.log" for name in PROCESSES]
    return all(log.exists() and "process.started" in log.read_text(errors="replace") for log in logs)
