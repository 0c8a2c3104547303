"""The one table of budgets: what each is, its bound, and which figure of a run is held against it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench.meter import Figure, Spent
from tests.bench.run import Seen
from workers.demo.latency import percentile

Look = Callable[[Seen, Seen], Figure | None]
"""The figure of one pipeline, with the textbook's beside it; None where it has none."""

SCALE = "`make scale`"
DAY = "`python -m tests.scale.day`"


@dataclass(frozen=True, slots=True)
class Row:
    """`most` or `least` is the budget; a row without either shows where the cost lies. `elsewhere` says who measures
    it when this run does not."""

    what: str
    unit: str
    look: Look | None = None
    most: float | None = None
    least: float | None = None
    elsewhere: str = ""

    @property
    def bound(self) -> str:
        """As people write it."""
        if self.most is not None:
            return f"≤ {self.most:g} {self.unit}".strip()
        return f"≥ {self.least:g} {self.unit}".strip() if self.least is not None else ""

    def is_met(self, figure: Figure) -> bool | None:
        """By the median; None for a row without a bound."""
        if self.most is not None:
            return figure.median <= self.most
        return figure.median >= self.least if self.least is not None else None


def _of(spent: Sequence[Spent], value: Callable[[Spent], float]) -> Figure | None:
    return Figure(tuple(value(one) for one in spent)) if spent else None


def _against(ours: Sequence[Spent], textbook: Sequence[Spent]) -> Figure | None:
    """Round by round: both had their turn one after the other."""
    pairs = list(zip(ours, textbook, strict=False))
    return Figure(tuple(one.cpu_ms / other.cpu_ms for one, other in pairs)) if pairs else None


def _against_live(seen: Seen) -> Figure | None:
    """Round by round, as mails a second."""
    pairs = list(zip(seen.synced, seen.bursts, strict=False))
    return Figure(tuple(one.per_second / live.per_second for one, live in pairs)) if pairs else None


def _beside(spent: Sequence[Spent], name: str) -> Figure | None:
    return _of([one for one in spent if name in one.beside], lambda one: one.beside[name] / one.mails * 1000)


def _wait(waits: Sequence[Sequence[float]], percent: float) -> Figure | None:
    """The median of each round; what is rarer is looked for in all rounds together."""
    if not waits:
        return None
    if percent <= 50:
        return Figure(tuple(percentile(list(one), percent) for one in waits))
    return Figure((percentile(sorted(wait for one in waits for wait in one), percent),))


def _labels(percent: float) -> Look:
    return lambda seen, _: _wait([one.label for one in seen.waits], percent)


def _webhooks(percent: float) -> Look:
    return lambda seen, _: _wait([one.webhook for one in seen.waits], percent)


def _memory(index: int) -> Look:
    return lambda seen, _: Figure((seen.memory[index],)) if seen.memory else None


def _idle(seen: Seen, _: Seen) -> Figure | None:
    return Figure((sum(seen.idle.values()),)) if seen.idle else None


def _growth(seen: Seen, _: Seen) -> Figure | None:
    return Figure(((seen.memory[-1] / seen.memory[0] - 1) * 100,)) if len(seen.memory) > 1 else None


ROWS = (
    Row(
        "CPU a mail, one by one, against the textbook", "×",
        lambda seen, textbook: _against(seen.arrivals, textbook.arrivals), most=1.0,
    ),
    Row("HTTP requests a mail, one by one, those for tokens too", "",
        lambda seen, _: _of(seen.arrivals, lambda one: one.requests_a_mail), most=4),
    Row("units a mail, one by one", "", lambda seen, _: _of(seen.arrivals, lambda one: one.units_a_mail), most=28),
    Row(
        "CPU a mail, in bursts, against the textbook", "×",
        lambda seen, textbook: _against(seen.bursts, textbook.bursts), most=0.33,
    ),
    Row("HTTP requests a mail, in bursts, those for tokens too", "",
        lambda seen, _: _of(seen.bursts, lambda one: one.requests_a_mail), most=0.10),
    Row("units a mail, in bursts", "", lambda seen, _: _of(seen.bursts, lambda one: one.units_a_mail), most=21.1),
    Row("throughput, in bursts", "mails/s",
        lambda seen, _: _of(seen.bursts, lambda one: one.per_second), least=950),
    Row("push → label, one at a time, p50", "ms", _labels(50), most=40),
    Row("push → label, one at a time, p99", "ms", _labels(99), most=120),
    Row("push → webhook's 2xx, p50", "ms", _webhooks(50), most=120),
    Row("push → webhook's 2xx, p99", "ms", _webhooks(99), most=400),
    Row("all processes idle, 20 mailboxes", "% of a core", _idle, most=2),
    Row("memory of a worker at the end", "MB", _memory(-1), most=150),
    Row("growth of a worker's memory since it was warm", "%", _growth, most=10),
    Row("units of an idle mailbox a day", "", most=200, elsewhere=DAY),
    Row("sweep tick with nothing due, 100,000 mailboxes", "ms", most=5, elsewhere=SCALE),
    Row("purge of 100,000 old mails, no writer waiting over 1 s, 100,000 mailboxes", "s", most=60, elsewhere=SCALE),
    Row("a contact's page, 100,000 connections", "ms", most=20, elsewhere=SCALE),
    Row("cost a mail, 10 k → 10 M rows and 100 → 100,000 labelled mails", "×", most=1.2, elsewhere=SCALE),
    Row("units a kept SYNC mail without files", "",
        lambda seen, _: _of(seen.synced, lambda one: one.units_a_mail), most=25),
    Row("SYNC throughput against LIVE, same run", "×",
        lambda seen, _: _against_live(seen), least=0.7),
    Row("CPU a kept SYNC mail, in bursts", "ms", lambda seen, _: _of(seen.synced, lambda one: one.cpu_ms)),
    Row("a kept SYNC mail on disk", "bytes",
        lambda seen, _: Figure(tuple(seen.bytes_a_mail)) if seen.bytes_a_mail else None),
    Row("CPU a mail, one by one", "ms", lambda seen, _: _of(seen.arrivals, lambda one: one.cpu_ms)),
    Row("requests for tokens a mail, one by one", "",
        lambda seen, _: _of(seen.arrivals, lambda one: one.tokens_a_mail)),
    Row("beside it the database's server, one by one", "ms", lambda seen, _: _beside(seen.arrivals, "database")),
    Row("beside it Redis, one by one", "ms", lambda seen, _: _beside(seen.arrivals, "redis")),
    Row("CPU a mail, in bursts", "ms", lambda seen, _: _of(seen.bursts, lambda one: one.cpu_ms)),
    Row("requests for tokens a mail, in bursts", "",
        lambda seen, _: _of(seen.bursts, lambda one: one.tokens_a_mail)),
    Row("beside it the database's server, in bursts", "ms", lambda seen, _: _beside(seen.bursts, "database")),
    Row("beside it Redis, in bursts", "ms", lambda seen, _: _beside(seen.bursts, "redis")),
    Row("memory of a worker when warm", "MB", _memory(0)),
)  # fmt: skip
"""Budgets first, then where the cost lies."""
