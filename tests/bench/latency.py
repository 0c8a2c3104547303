"""One mail at a time on an idle queue: from the push being published to the label being set.

`python -m tests.bench.latency --mails 60`
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.journeys.world import closing_engine, crm, mail
from workers.demo.stage import PROCESSES, Stage

MAILBOXES = 8
"""Gmail pushes once a second and mailbox: several of them let mails follow one another sooner."""


def main() -> None:
    """Print p50 and p99 in milliseconds as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Stage(Path(folder) / "stage") as stage:
        json.dump(measure(stage, options.mails), sys.stdout, indent=2)
        sys.stdout.write("\n")


def measure(stage: Stage, mails: int) -> dict[str, float]:
    """Deliver one by one, the next when the last is labelled; the first of each mailbox is not counted."""
    with closing_engine(stage) as engine:
        crm(engine)
    boxes = [f"user{n}@firm.example" for n in range(MAILBOXES)]
    for box in boxes:
        stage.connect(box.partition("@")[0], box, "--magnet", "--sorting")
    stage.start(*PROCESSES)
    taken = [_one(stage, boxes[n % MAILBOXES], n) for n in range(mails + MAILBOXES)][MAILBOXES:]
    cuts = statistics.quantiles(taken, n=100)
    return {"mails": mails, "p50_ms": round(cuts[49] * 1000), "p99_ms": round(cuts[98] * 1000)}


def _one(stage: Stage, box: str, number: int) -> float:
    began = time.monotonic()
    gmail_id = stage.gmail.deliver(box, mail("ann", number, to=box)).id
    while not _labelled(stage, box, gmail_id):
        time.sleep(0.002)
    took = time.monotonic() - began
    time.sleep(max(0.0, 2.4 / MAILBOXES - took))
    return took


def _labelled(stage: Stage, box: str, gmail_id: str) -> bool:
    message = stage.gmail.dump(box).message(gmail_id)
    return message is not None and "Open Deals" in message.labels


if __name__ == "__main__":
    main()
