"""The other end of control.py, for tests, the demo and whoever wants trouble."""

import json
from dataclasses import dataclass
from typing import Any

import grpc

SERVICE = "/lodestone.PubsubControl/"
TIMEOUT = 30.0


class PubsubControlError(Exception):
    """The server refused a command, or is not there; one line."""


@dataclass(frozen=True, slots=True)
class PubsubCounters:
    """Since the start or the last reset, over all subscriptions.

    `published` counts messages, `delivered` deliveries, so that one may count many times; `acked`, `nacked` and
    `expired` say how deliveries ended. `doubled`, `late`, `lost` and `reordered` are the work of faults.
    `waiting` is now: what is not acknowledged.
    """

    published: int
    delivered: int
    acked: int
    nacked: int
    expired: int
    dead_lettered: int
    doubled: int
    late: int
    lost: int
    reordered: int
    waiting: int


class PubsubControl:
    """`host` is the server's HOST:PORT. Every command is one short connection; safe for many threads."""

    def __init__(self, host: str) -> None:
        self.host = host

    def fault(self, kind: str, *, share: float = 1.0, seed: int = 0, seconds: float | None = None) -> None:
        """Switch trouble on for a share of the messages; the same seed strikes the same ones.

        "double": it goes out twice, the second time up to `seconds` later (at once). "reorder": it is held
        back for up to `seconds` (0.5), so that others overtake it. "late": it is held back for `seconds` (5).
        "lose": it goes to nobody.
        """
        self._call("fault", kind=kind, share=share, seed=seed, seconds=seconds)

    def faults(self) -> list[dict[str, Any]]:
        """Those switched on, with how often each struck."""
        return list(self._call("faults")["faults"])

    def clear_faults(self) -> None:
        """All off. What is held back still comes at its time; what is lost is lost."""
        self._call("clear_faults")

    def counters(self) -> PubsubCounters:
        """What happened so far."""
        return PubsubCounters(**self._call("counters"))

    def reset_counters(self) -> None:
        """Back to zero; `waiting` is not a count of what happened, and stays."""
        self._call("reset_counters")

    def _call(self, command: str, **body: Any) -> dict[str, Any]:
        own_connection = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self.host, options=own_connection) as channel:
            try:
                answer = channel.unary_unary(SERVICE + command)(json.dumps(body).encode(), timeout=TIMEOUT)
            except grpc.RpcError as error:
                raise PubsubControlError(f"{command}: {error.details()}") from error
        found: dict[str, Any] = json.loads(answer)
        return found
