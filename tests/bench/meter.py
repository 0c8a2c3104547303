"""CPU, memory and Gmail's counters before and after: the one place that measures."""

import os
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import psutil

from infra.local.gmail.control.client import GmailControl


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of its children, the dead ones too."""
    process = psutil.Process(pid)
    spent = sum(process.cpu_times()[:4])
    return spent + sum(sum(child.cpu_times()[:4]) for child in process.children(recursive=True))


def resident_mb(pid: int) -> float:
    """Memory that the process holds, in MB."""
    return float(psutil.Process(pid).memory_info().rss / 1e6)


def cpu_of_strangers() -> float:
    """CPU seconds so far of what is neither this process nor a child of it: other programs, and what the host took
    from a virtual machine."""
    times = psutil.cpu_times()
    return float(sum(times[:8]) - times.idle - getattr(times, "iowait", 0.0) - cpu_seconds(os.getpid()))


def cpu_of(pids: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds so far, by name."""
    return {name: cpu_seconds(pid) for name, pid in pids.items()}


@dataclass(frozen=True, slots=True)
class Spent:
    """What so many mails took. `cpu` is that of the pipeline's own processes; `beside` that of the servers beside it,
    which counts nowhere; `strangers` is the share of the machine that others had meanwhile. `http` is without the
    requests for tokens."""

    mails: int
    wall: float
    cpu: Mapping[str, float]
    beside: Mapping[str, float]
    strangers: float
    units: int
    http: int
    tokens: int
    calls: Mapping[str, int]

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds a mail."""
        return sum(self.cpu.values()) / self.mails * 1000

    @property
    def per_second(self) -> float:
        """Mails a second, the local Google included."""
        return self.mails / self.wall

    @property
    def units_a_mail(self) -> float:
        return self.units / self.mails

    @property
    def requests_a_mail(self) -> float:
        """With those for tokens."""
        return (self.http + self.tokens) / self.mails

    @property
    def tokens_a_mail(self) -> float:
        return self.tokens / self.mails

    def __str__(self) -> str:
        shares = ", ".join(f"{name} {seconds / self.mails * 1000:.2f}" for name, seconds in self.cpu.items())
        beside = ", ".join(
            f"{name} {seconds / self.mails * 1000:.2f}" for name, seconds in self.beside.items()
        )
        return (
            f"{self.mails} mails: {self.cpu_ms:.2f} ms CPU a mail ({shares}; beside {beside}), "
            f"{self.units_a_mail:.2f} units, {self.requests_a_mail:.2f} requests "
            f"({self.tokens_a_mail:.2f} for tokens), {self.per_second:.0f}/s; "
            f"others had {self.strangers:.0%} of the machine"
        )


class Meter:
    """Begun before the mails, read after them."""

    def __init__(self, gmail: GmailControl, ours: Mapping[str, int], beside: Mapping[str, int]) -> None:
        self._gmail = gmail
        self._ours = ours
        self._beside = beside

    def begin(self) -> Self:
        """From now on everything counts."""
        self._counters = self._gmail.counters()
        self._before = cpu_of(self._ours), cpu_of(self._beside)
        self._strangers = cpu_of_strangers()
        self._began = time.monotonic()
        return self

    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def read(self, mails: int, wall: float) -> Spent:
        """What was spent since it began."""
        ours, beside = cpu_of(self._ours), cpu_of(self._beside)
        strangers = (cpu_of_strangers() - self._strangers) / (self.seconds() * (os.cpu_count() or 1))
        now, then = self._gmail.counters(), self._counters
        return Spent(
            mails=mails,
            wall=wall,
            cpu={name: seconds - self._before[0][name] for name, seconds in ours.items()},
            beside={name: seconds - self._before[1][name] for name, seconds in beside.items()},
            strangers=max(0.0, strangers),
            units=now.units - then.units,
            http=now.http_requests - then.http_requests,
            tokens=now.token_requests - then.token_requests,
            calls={
                name: calls for name in now.by_method if (calls := now.calls_of(name) - then.calls_of(name))
            },
        )


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure over all rounds."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def spread(self) -> float:
        """From the lowest to the highest round, as a share of the median."""
        return (max(self.rounds) - min(self.rounds)) / self.median if self.median else 0.0


def say(text: str) -> None:
    """Progress, for whoever waits."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()
