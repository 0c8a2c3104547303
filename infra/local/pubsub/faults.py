"""Faults that Pub/Sub may have, on demand by kind, share and seed, and the meter that counts them."""

import random
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Default seconds for which each kind holds a message back.
KINDS: Mapping[str, float] = {
    "double": 0.0,  # it goes out twice, the second time up to so much later, whatever became of the first
    "late": 5.0,  # it goes out so much later
    "lose": 0.0,  # it is published, and goes to nobody
    "reorder": 0.5,  # it goes out up to so much later: others overtake it
}
COUNTED = (
    *("published", "delivered", "acked", "nacked", "expired", "dead_lettered"),
    *("doubled", "late", "lost", "reordered"),
)
_COUNTED_AS = {"double": "doubled", "late": "late", "lose": "lost", "reorder": "reordered"}


class Meter:
    """Counts since the start or the last reset. Safe for many threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._counts: Counter[str] = Counter()

    def note(self, name: str, times: int = 1) -> None:
        """Count one of COUNTED."""
        with self._guard:
            self._counts[name] += times

    def snapshot(self) -> dict[str, int]:
        """The counts of all of COUNTED."""
        with self._guard:
            return {name: self._counts[name] for name in COUNTED}

    def reset(self) -> None:
        """Set all counts to zero."""
        with self._guard:
            self._counts.clear()


@dataclass(slots=True)
class Fault:
    """A fault that is on."""

    kind: str
    share: float
    seconds: float
    rng: random.Random
    struck: int = 0

    def as_json(self) -> dict[str, Any]:
        """Its form for control."""
        return {"kind": self.kind, "share": self.share, "seconds": self.seconds, "struck": self.struck}


@dataclass
class Faults:
    """The faults that are on. Safe for many threads. The same seed strikes the same places in a row of messages."""

    meter: Meter = field(default_factory=Meter)

    def __post_init__(self) -> None:
        self._guard = threading.Lock()
        self._faults: tuple[Fault, ...] = ()

    @property
    def on(self) -> bool:
        """Whether any fault is on."""
        return bool(self._faults)

    def add(self, kind: str, *, share: float = 1.0, seed: int = 0, seconds: float | None = None) -> None:
        """Switch one more fault on. Raises ValueError for an unknown kind or an impossible share."""
        if kind not in KINDS:
            raise ValueError(f"unknown fault {kind}; known: {', '.join(KINDS)}")
        held = KINDS[kind] if seconds is None else float(seconds)
        if not (0 < share <= 1 and held >= 0):
            raise ValueError("share must be over 0 and at most 1, seconds not below 0")
        fault = Fault(kind, float(share), held, random.Random(seed))  # noqa: S311 - repeatable on purpose
        with self._guard:
            self._faults += (fault,)

    def clear(self) -> None:
        """Switch all faults off. Messages that are held back still come at their time."""
        with self._guard:
            self._faults = ()

    def all(self) -> tuple[Fault, ...]:
        """The faults that are on."""
        return self._faults

    def strike(self, *kinds: str) -> float | None:
        """Seconds for which a fault of these kinds holds the next message back; None when no fault strikes it."""
        for fault in self._faults:
            if fault.kind in kinds and (held := self._strike(fault)) is not None:
                self.meter.note(_COUNTED_AS[fault.kind])
                return held
        return None

    def _strike(self, fault: Fault) -> float | None:
        with self._guard:
            if fault.rng.random() >= fault.share:
                return None
            fault.struck += 1
            return fault.seconds if fault.kind == "late" else fault.rng.uniform(0, fault.seconds)
