"""The hand behind the scenes: it switches faults on and off and reads the meter.

A few methods beside Google's own on the same port, JSON in and out. `PubsubControl` in client.py is its
other end.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from infra.local.pubsub import checks
from infra.local.pubsub.broker import Broker

Json = dict[str, Any]


class Control:
    """The commands of one broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def answer(self, command: str, body: bytes) -> bytes:
        """INVALID_ARGUMENT for a bad value."""
        try:
            return json.dumps(COMMANDS[command](self, **json.loads(body))).encode()
        except (ValueError, TypeError) as error:
            raise checks.invalid(str(error)) from error

    def fault(self, kind: str, **options: Any) -> Json:
        """Switch one on: the fields of Faults.add."""
        self._broker.faults.add(kind, **options)
        return {}

    def faults(self) -> Json:
        """Those switched on, and how often each struck."""
        return {"faults": [fault.as_json() for fault in self._broker.faults.all()]}

    def clear_faults(self) -> Json:
        """All off."""
        self._broker.faults.clear()
        return {}

    def counters(self) -> Json:
        """What the meter counted, and how many messages nobody has acknowledged."""
        return {**self._broker.faults.meter.snapshot(), "waiting": self._broker.backlog()}

    def reset_counters(self) -> Json:
        """Back to zero."""
        self._broker.faults.meter.reset()
        return {}


COMMANDS: Mapping[str, Callable[..., Json]] = {
    "fault": Control.fault,
    "faults": Control.faults,
    "clear_faults": Control.clear_faults,
    "counters": Control.counters,
    "reset_counters": Control.reset_counters,
}
