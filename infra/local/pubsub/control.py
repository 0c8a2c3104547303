"""Commands that switch faults on and off and read the meter.

They are methods beside Google's own on the same port, with JSON in and out. `PubsubControl` in client.py calls them.
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
        """Run a command; returns JSON. Raises INVALID_ARGUMENT for a bad value."""
        try:
            return json.dumps(COMMANDS[command](self, **json.loads(body))).encode()
        except (ValueError, TypeError) as error:
            raise checks.invalid(str(error)) from error

    def fault(self, kind: str, **options: Any) -> Json:
        """Switch a fault on, with the parameters of Faults.add."""
        self._broker.faults.add(kind, **options)
        return {}

    def faults(self) -> Json:
        """The faults that are on, each with its number of strikes."""
        return {"faults": [fault.as_json() for fault in self._broker.faults.all()]}

    def clear_faults(self) -> Json:
        """Switch all faults off."""
        self._broker.faults.clear()
        return {}

    def counters(self) -> Json:
        """The counts of the meter, and the number of unacknowledged messages."""
        return {**self._broker.faults.meter.snapshot(), "waiting": self._broker.backlog()}

    def reset_counters(self) -> Json:
        """Set all counts to zero."""
        self._broker.faults.meter.reset()
        return {}


COMMANDS: Mapping[str, Callable[..., Json]] = {
    "fault": Control.fault,
    "faults": Control.faults,
    "clear_faults": Control.clear_faults,
    "counters": Control.counters,
    "reset_counters": Control.reset_counters,
}
