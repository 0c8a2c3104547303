"""The whole run: every pipeline is prepared, then all take their turn in each round."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench.latency import Waits, listening, one_at_a_time
from tests.bench.meter import Spent, cpu_of, resident_mb, say
from tests.bench.patterns import arrival, burst, synced_burst, warm_up
from tests.bench.pipelines import TEXTBOOK, Ours, Pipeline, opened

IDLE_BOXES = 20
"""So many mailboxes are connected while the processes have nothing to do."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: `arrivals`, `bursts` and `lone` are mails a round."""

    rounds: int = 3
    mailboxes: int = 300
    per_second: float = 15
    arrivals: int = 1_000
    bursts: int = 3_000
    burst_boxes: int = 30
    lone: int = 60
    idle_seconds: float = 20
    warm_per_second: float = 30


QUICK = Size(
    rounds=1, mailboxes=60, arrivals=120, bursts=600, burst_boxes=6, lone=20, idle_seconds=6
)  # fmt: skip


@dataclass(slots=True)
class Seen:
    """What was seen of one pipeline, a value for each round; `memory` is the worker's in MB, warm and at the end."""

    arrivals: list[Spent] = field(default_factory=list)
    bursts: list[Spent] = field(default_factory=list)
    synced: list[Spent] = field(default_factory=list)
    bytes_a_mail: list[float] = field(default_factory=list)
    waits: list[Waits] = field(default_factory=list)
    idle: dict[str, float] = field(default_factory=dict)
    memory: list[float] = field(default_factory=list)


def measured(names: Sequence[str], size: Size) -> dict[str, Seen]:
    """By pipeline, in the order in which they take their turn."""
    seen = {name: Seen() for name in names}
    with opened(names) as pipelines:
        for one in pipelines:
            _prepare(one, size, seen[one.name])
        for number in range(size.rounds):
            for one in pipelines:
                say(f"round {number + 1} of {size.rounds}: {one.name}")
                _round(one, size, seen[one.name])
        for one in pipelines:
            seen[one.name].memory.append(resident_mb(one.pids["worker"]))
    return seen


def _prepare(pipeline: Pipeline, size: Size, seen: Seen) -> None:
    """Connected, started and warm. The textbook's processes know only the mailboxes that were there at their start."""
    boxes = [f"user{number}@firm.example" for number in range(size.mailboxes)]
    say(f"{pipeline.name}: {size.mailboxes} mailboxes are connected")
    first = len(boxes) if pipeline.name == TEXTBOOK else IDLE_BOXES
    pipeline.connect(boxes[:first])
    pipeline.start()
    pipeline.await_quiet()
    seen.idle = _idle(pipeline, size.idle_seconds)
    pipeline.connect(boxes[first:])
    say(f"{pipeline.name}: warming up")
    warm_up(pipeline, size.warm_per_second)
    if isinstance(pipeline, Ours):
        pipeline.connect_synced(f"synced{number}@firm.example" for number in range(size.burst_boxes))
        synced_burst(pipeline, 2 * size.burst_boxes)
    seen.memory.append(resident_mb(pipeline.pids["worker"]))


def _idle(pipeline: Pipeline, seconds: float) -> dict[str, float]:
    """Per cent of a core, by process, once what their start and the new mailboxes caused is over."""
    time.sleep(seconds)
    before = cpu_of(pipeline.pids)
    time.sleep(seconds)
    return {name: (now - before[name]) / seconds * 100 for name, now in cpu_of(pipeline.pids).items()}


def _round(pipeline: Pipeline, size: Size, seen: Seen) -> None:
    seen.arrivals.append(arrival(pipeline, size.arrivals, size.per_second))
    say(f"    one by one: {seen.arrivals[-1]}")
    seen.bursts.append(burst(pipeline, size.bursts, size.burst_boxes))
    say(f"    in bursts: {seen.bursts[-1]}")
    if isinstance(pipeline, Ours):
        spent, on_disk = synced_burst(pipeline, size.bursts)
        seen.synced.append(spent)
        seen.bytes_a_mail.append(on_disk)
        say(f"    in bursts, two-way sync: {spent}, {on_disk:,.0f} bytes a mail")
        with listening(pipeline) as receiver:
            seen.waits.append(one_at_a_time(pipeline, receiver, size.lone))
