"""Faults on demand: Gmail's failures by kind, method, mailbox, share and seed, for some calls or some time.

A kind in KINDS or LASTING makes a call fail: its function raises what Gmail would answer. The part of the server that
a PASSIVE kind concerns asks `struck`; for a wire fault it asks `line`.
"""

import math
import random
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from infra.local.gmail.control.kinds import KINDS as KINDS
from infra.local.gmail.control.kinds import LASTING
from infra.local.gmail.http.errors import NO_TOKEN, Json

_ALL = KINDS | LASTING

HALVES = ("short", "long", "json")
"""The forms of half an answer. "short": the line ends before Content-Length is reached. "long": the whole answer with a
Content-Length that is too small. "json": a part of the JSON with its right Content-Length."""


@dataclass(slots=True)
class Fault:
    """A fault that is on. Empty selectors select everything; `left` None means no limit of strikes."""

    id: int
    kind: str
    methods: frozenset[str] = frozenset({"*"})
    mailbox: str = ""
    message_id: str = ""
    share: float = 1.0
    left: int | None = None
    seed: int = 0
    retry_after: float = 1.0
    delay: float = 0.0
    after: bool = False
    half: str = ""
    began: float = field(default_factory=time.monotonic)
    until: float = float("inf")
    rng: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - chosen, not secret
    struck: int = 0

    def as_json(self) -> Json:
        """Its form for control."""
        return {
            "id": self.id,
            "kind": self.kind,
            "methods": sorted(self.methods),
            "mailbox": self.mailbox,
            "message_id": self.message_id,
            "share": self.share,
            "left": self.left,
            "seed": self.seed,
            "delay": self.delay,
            "after": self.after,
            "half": self.half,
            "over": self.over,
            "struck": self.struck,
        }

    @property
    def over(self) -> bool:
        """Whether it will strike no more."""
        return self.left == 0 or time.monotonic() >= self.until

    def concerns(self, methods: Collection[str], mailbox: str, message_ids: Collection[str]) -> bool:
        """Whether it is about such a call. "*" is every API method, but not "token", nor "batch" alone."""
        everywhere = "*" in self.methods and not OUTSIDE.issuperset(methods)
        return (
            (everywhere or not self.methods.isdisjoint(methods))
            and self.mailbox in ("", mailbox)
            and (not self.message_id or self.message_id in message_ids)
        )

    def picks(self, thing: str) -> bool:
        """Whether this thing is in its share: the same answer for it every time."""
        return self.share >= 1 or random.Random(f"{self.seed} {thing}").random() < self.share  # noqa: S311


LINE = frozenset({"slow", "timeout", "cut", "half_answer", "trickle"})
PUSHES = frozenset({"lose_push", "late_push", "double_push", "reorder_push"})
HISTORY = frozenset(
    {
        *("omit_label_ids", "empty_page", "repeat_page", "expire_history"),
        *("history_lag", "history_drop", "refuse_history"),
    }
)
"""`history_lag`: an answer leaves records out until they are as old as the delay, and its historyId is ahead of them.
`history_drop`: a record that came while the fault was on is never shown. `refuse_history`: every id is refused. The
share is one of records, and of mailboxes."""
BATCHES = frozenset({"batch_part", "batch_no_ids", "batch_shuffled"})
TOKENS = frozenset({"token_death", "token_limited"})
SEARCHES = frozenset({"search_lag"})
"""Lists and searches do not find mail that came within the delay."""

PASSIVE = LINE | PUSHES | HISTORY | BATCHES | TOKENS | {"read_lag"}

DELAYS = {
    "history_lag": 3.0,
    "late_push": 5.0,
    "reorder_push": 2.0,
    "read_lag": 3.0,
    "search_lag": 3.0,
    "slow": 1.0,
    "timeout": 60.0,
    "trickle": 1.0,
}
"""Default delays in seconds."""
OUTSIDE = frozenset({"token", "batch"})
BY_METHOD = frozenset({*KINDS, *LASTING, *LINE, *BATCHES, *SEARCHES})
"""The kinds that methods may be chosen for. The others are for one method, or for none."""


class Faults:
    """The faults that are on. Safe for many threads. The same seed strikes the same calls."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._faults: dict[int, Fault] = {}
        self._number = 0

    def __bool__(self) -> bool:
        """Whether there is any fault."""
        return bool(self._faults)

    def add(
        self,
        kind: str,
        *,
        methods: Collection[str] = (),
        mailbox: str = "",
        message_id: str = "",
        share: float = 1.0,
        times: int | None = None,
        seed: int = 0,
        retry_after: float = 1.0,
        seconds: float | None = None,
        delay: float | None = None,
        after: bool | None = None,
        half: str = "",
    ) -> Fault:
        """Switch a fault on, for `times` strikes or `seconds` at most. Method names are the discovery ids
        without "gmail.users.", "token" or "batch" (the whole request), or "*" for every API method; they
        choose among BY_METHOD only. Raises ValueError for an unknown kind or a value that makes no sense."""
        known = {*_ALL, *PASSIVE, *SEARCHES}
        if kind not in known:
            raise ValueError(f"unknown fault {kind}; known: {', '.join(sorted(known))}")
        if not 0 <= share <= 1 or min(times or 0, seconds or 0, delay or 0) < 0:
            raise ValueError("share is from 0 to 1; times, seconds and delay are not negative")
        if half and half not in HALVES:
            raise ValueError(f"half is one of {', '.join(HALVES)}")
        fault = Fault(
            0,
            kind,
            frozenset(["token"] if kind in NO_TOKEN else methods if kind in BY_METHOD else ())
            or frozenset("*"),
            mailbox.lower(),
            message_id,
            share,
            times,
            seed,
            retry_after,
            DELAYS.get(kind, 0.0) if delay is None else float(delay),
            kind == "timeout" if after is None else after,
            half,
            rng=random.Random(seed),  # noqa: S311 - repeatable on purpose
        )
        fault.until = float("inf") if seconds is None else fault.began + seconds
        with self._guard:
            self._number += 1
            fault.id = self._number
            self._faults[fault.id] = fault
        return fault

    def remove(self, fault_id: int | None = None) -> None:
        """Switch one fault off by its id, or all."""
        with self._guard:
            if fault_id is None:
                self._faults.clear()
            else:
                self._faults.pop(fault_id, None)

    def all(self) -> list[Fault]:
        """All faults that are on, used-up ones included."""
        with self._guard:
            return list(self._faults.values())

    def check(self, method: str, mailbox: str = "", message_ids: Collection[str] = ()) -> None:
        """Raise the error of a fault that makes this call fail, if one strikes."""
        for fault in self.all() if self._faults else ():
            if fault.kind in _ALL and self._strikes(fault, (method,), mailbox, message_ids):
                _ALL[fault.kind](fault)

    def check_one_of(
        self, kind: str, kinds: Collection[str], mailbox: str, methods: Collection[str] = ("*",)
    ) -> None:
        """If a fault of `kind` strikes, raise the error of one of `kinds`, by its seed."""
        fault = self.struck(kind, mailbox, methods)
        if fault:
            KINDS[fault.rng.choice(list(kinds))](fault)

    def struck(
        self,
        kind: str,
        mailbox: str,
        methods: Collection[str] = ("*",),
        message_ids: Collection[str] = (),
        thing: str = "",
        since: float = 0.0,
        born: float = math.inf,
        age: float = -1.0,
    ) -> Fault | None:
        """The fault of this kind that strikes now, else None. It began between `since` and `born`, and its delay is
        longer than `age`. For a named `thing` the share is one of things, not of calls."""
        if not self._faults:
            return None
        mine = (f for f in self.all() if f.kind == kind and since <= f.began <= born and f.delay > age)
        return next((f for f in mine if self._strikes(f, methods, mailbox, message_ids, thing)), None)

    def line(self, methods: Collection[str], mailbox: str, message_ids: Collection[str]) -> Fault | None:
        """The wire fault that strikes this request and its answer, else None."""
        mine = (fault for fault in self.all() if fault.kind in LINE)
        return next((f for f in mine if self._strikes(f, methods, mailbox, message_ids)), None)

    def _strikes(
        self,
        fault: Fault,
        methods: Collection[str],
        mailbox: str,
        message_ids: Collection[str],
        thing: str = "",
    ) -> bool:
        with self._guard:
            return fault.concerns(methods, mailbox.lower(), message_ids) and _hits(fault, thing)


def _hits(fault: Fault, thing: str) -> bool:
    if fault.over:
        return False
    if not (fault.picks(thing) if thing else fault.share >= 1 or fault.rng.random() < fault.share):
        return False
    fault.left = None if fault.left is None else fault.left - 1
    fault.struck += 1
    return True
