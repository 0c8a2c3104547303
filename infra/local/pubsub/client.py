"""The client of control.py, for tests and the demo."""

import json
from dataclasses import dataclass
from typing import Any

import grpc

SERVICE = "/lodestone.PubsubControl/"
TIMEOUT = 30.0


class PubsubControlError(Exception):
    """The server refused a command or does not answer. The message is one line."""


@dataclass(frozen=True, slots=True)
class PubsubCounters:
    """Counts over all subscriptions since the start or the last reset.

    `published` counts messages. `delivered` counts deliveries, of which a message may have several; `acked`, `nacked`
    and `expired` count how they ended. `doubled`, `late`, `lost` and `reordered` count strikes of faults. `waiting` is
    the present number of unacknowledged messages.
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
    """Sends commands to the server at `host` (HOST:PORT), each on a connection of its own. Safe for many threads."""

    def __init__(self, host: str) -> None:
        self.host = host

    def fault(self, kind: str, *, share: float = 1.0, seed: int = 0, seconds: float | None = None) -> None:
        """Switch a fault on for a share of the messages. The same seed strikes the same ones.

        "double": the message goes out twice, the second time up to `seconds` later (0 by default). "reorder": it is
        held back for up to `seconds` (0.5), so that others overtake it. "late": it is held back for `seconds` (5).
        "lose": it is not delivered.
        """
        self._call("fault", kind=kind, share=share, seed=seed, seconds=seconds)

    def faults(self) -> list[dict[str, Any]]:
        """The faults that are on, each with its number of strikes."""
        return list(self._call("faults")["faults"])

    def clear_faults(self) -> None:
        """Switch all faults off. Messages that are held back still come at their time; lost ones stay lost."""
        self._call("clear_faults")

    def counters(self) -> PubsubCounters:
        """The counts so far."""
        return PubsubCounters(**self._call("counters"))

    def reset_counters(self) -> None:
        """Set all counts but `waiting` to zero."""
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
