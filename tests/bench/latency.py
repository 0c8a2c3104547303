"""One mail at a time on an idle queue: from the push to the label, and to the webhook's 2xx."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from infra.local.ports import wait_until
from tests.bench.patterns import PATIENCE_SECONDS, Stuck
from tests.bench.pipelines import Pipeline
from tests.journeys.world import mail, wait_for
from workers.demo.latency import labelled_at
from workers.demo.receiver import Receiver

PAUSE_SECONDS = 0.15
"""From one mail's webhook to the next mail: its label is set meanwhile."""

LOG_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Waits:
    """Milliseconds, one for each mail, in ascending order."""

    label: tuple[float, ...]
    webhook: tuple[float, ...]


@contextmanager
def listening(pipeline: Pipeline) -> Iterator[Receiver]:
    """A receiver on this machine that is told of everybody's mail."""
    with Receiver() as receiver:
        words = ("channels", "add", "--webhook", receiver.url, "--json")
        channel = json.loads(pipeline.stage.run(*words))
        receiver.secrets.append(channel["secret"])
        yield receiver
        pipeline.stage.run("channels", "remove", str(channel["channel_id"]))


def one_at_a_time(pipeline: Pipeline, receiver: Receiver, mails: int) -> Waits:
    """The clock runs from just before the delivery: Gmail's and Pub/Sub's part is in it. The label counts as set when
    the worker has logged it, the webhook as answered when the receiver answers."""
    goal = pipeline.done() + mails
    sent: dict[str, datetime] = {}
    for number in range(mails):
        box, sender = pipeline.boxes[number % len(pipeline.boxes)], ("ann", "cid")[number % 2]
        raw, told, began = mail(sender, pipeline.sent, to=box), len(receiver.got), datetime.now(UTC)
        pipeline.sent += 1
        sent[pipeline.stage.gmail.deliver(box, raw).id] = began
        if not wait_until(partial(_told, receiver, told + 1), seconds=PATIENCE_SECONDS):
            raise Stuck(f"{pipeline.name}: the webhook was not told of a mail")
        time.sleep(PAUSE_SECONDS)
    if not wait_for(lambda: pipeline.done() >= goal, PATIENCE_SECONDS):
        raise Stuck(f"{pipeline.name}: not every mail was labelled")
    time.sleep(LOG_SECONDS)
    told_at = {one.event["subject"]: one.at for one in receiver.got if one.event}
    return Waits(
        label=_waits(sent, labelled_at(pipeline.stage.logs / "worker.log")),
        webhook=_waits(sent, told_at),
    )


def _told(receiver: Receiver, times: int) -> bool:
    return len(receiver.got) >= times


def _waits(sent: Mapping[str, datetime], ended: Mapping[str, datetime]) -> tuple[float, ...]:
    return tuple(sorted((ended[one] - began).total_seconds() * 1000 for one, began in sent.items()))
