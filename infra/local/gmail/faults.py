"""Trouble on demand: Gmail's failures by kind, by method, by mailbox, by share or for the next calls.

A kind is one entry in KINDS: a function that raises what Gmail would answer. A kind of another
sort (a delay, a cut connection) is one more entry with a function that does that instead.
PASSIVE kinds do not fail a call; whoever is concerned asks `strikes`.
"""

import random
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from infra.local.gmail.errors import ApiError, Json, not_found, rate_limited, unauthenticated
from infra.local.gmail.quota import retry_text


@dataclass(slots=True)
class Fault:
    """One switched-on fault. Empty selectors select everything; `left` None is without end."""

    id: int
    kind: str
    methods: frozenset[str] = frozenset({"*"})
    mailbox: str = ""
    message_id: str = ""
    share: float = 1.0
    left: int | None = None
    retry_after: float = 1.0
    rng: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - chosen, not secret
    struck: int = 0

    def as_json(self) -> Json:
        """How control shows it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "methods": sorted(self.methods),
            "mailbox": self.mailbox,
            "message_id": self.message_id,
            "share": self.share,
            "left": self.left,
            "struck": self.struck,
        }


Effect = Callable[[Fault], None]


def _raising(make: Callable[[Fault], ApiError]) -> Effect:
    def effect(fault: Fault) -> None:
        raise make(fault)

    return effect


def _usage(reason: str, message: str) -> Effect:
    return _raising(lambda _: ApiError(403, reason, message, domain="usageLimits"))


def _backend(code: int, message: str) -> Effect:
    return _raising(lambda _: ApiError(code, "backendError", message))


def _too_many(fault: Fault) -> ApiError:
    return ApiError(
        429,
        "rateLimitExceeded",
        "Too many concurrent requests for user.",
        headers=(("Retry-After", str(max(1, round(fault.retry_after)))),),
    )


KINDS: dict[str, Effect] = {
    "401": _raising(lambda _: unauthenticated()),
    "403.rateLimitExceeded": _usage("rateLimitExceeded", "Rate Limit Exceeded"),
    "403.userRateLimitExceeded": _raising(lambda fault: rate_limited(403, retry_text(fault.retry_after))),
    "403.dailyLimitExceeded": _usage("dailyLimitExceeded", "Daily Limit Exceeded"),
    "403.domainPolicy": _raising(
        lambda _: ApiError(403, "domainPolicy", "The domain administrators have disabled Gmail apps.")
    ),
    "404": _raising(lambda _: not_found()),
    "429": _raising(_too_many),
    "500": _backend(500, "Internal error encountered."),
    "503": _backend(503, "The service is currently unavailable."),
}
PASSIVE = frozenset({"lose_push", "omit_label_ids"})


class Faults:
    """The faults switched on now. Safe for many threads; the same seed strikes the same calls."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._faults: dict[int, Fault] = {}
        self._number = 0

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
    ) -> Fault:
        """Switch a fault on. Method names are the discovery ids without "gmail.users.", "token" or
        "batch" (the whole request), or "*" for every API method. Raises ValueError for an unknown kind."""
        if kind not in KINDS and kind not in PASSIVE:
            raise ValueError(f"unknown fault {kind}; known: {', '.join(sorted([*KINDS, *PASSIVE]))}")
        with self._guard:
            self._number += 1
            fault = Fault(
                self._number,
                kind,
                frozenset(methods) or frozenset({"*"}),
                mailbox.lower(),
                message_id,
                share,
                times,
                retry_after,
                random.Random(seed),  # noqa: S311 - repeatable on purpose
            )
            self._faults[fault.id] = fault
            return fault

    def remove(self, fault_id: int | None = None) -> None:
        """Switch one fault off, or all."""
        with self._guard:
            if fault_id is None:
                self._faults.clear()
            else:
                self._faults.pop(fault_id, None)

    def all(self) -> list[Fault]:
        """Those switched on, used-up ones included."""
        with self._guard:
            return list(self._faults.values())

    def check(self, method: str, mailbox: str = "", message_ids: Collection[str] = ()) -> None:
        """Let the faults happen that concern this call."""
        for fault in self.all() if self._faults else ():
            if fault.kind in KINDS and self._strikes(fault, method, mailbox, message_ids):
                KINDS[fault.kind](fault)

    def strikes(self, kind: str, mailbox: str) -> bool:
        """Whether a passive fault of this kind happens now."""
        faults = self.all() if self._faults else ()
        return any(fault.kind == kind and self._strikes(fault, "*", mailbox, ()) for fault in faults)

    def _strikes(self, fault: Fault, method: str, mailbox: str, message_ids: Collection[str]) -> bool:
        with self._guard:
            return _concerns(fault, method, mailbox, message_ids) and _hits(fault)


def _concerns(fault: Fault, method: str, mailbox: str, message_ids: Collection[str]) -> bool:
    everywhere = "*" in fault.methods and method not in ("token", "batch")
    return (
        (everywhere or method in fault.methods)
        and fault.mailbox in ("", mailbox)
        and (not fault.message_id or fault.message_id in message_ids)
    )


def _hits(fault: Fault) -> bool:
    if fault.left == 0 or (fault.share < 1 and fault.rng.random() >= fault.share):
        return False
    fault.left = None if fault.left is None else fault.left - 1
    fault.struck += 1
    return True
