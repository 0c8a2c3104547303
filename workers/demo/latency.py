"""From the delivery, which pushes, to the label set: by the worker's own log, both clocks being this machine's."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from pathlib import Path

from workers.demo.show import Sent


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds for so many mails."""

    mails: int
    p50: float
    p99: float


def labelled_at(log: Path) -> dict[str, datetime]:
    """When each mail's label had been set and the ledger knew it."""
    found: dict[str, datetime] = {}
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            event = _event(line)
            if event.get("event") == "message.sorted" and event.get("changed"):
                found.setdefault(event["message_id"], datetime.fromisoformat(event["timestamp"]))
    return found


def measure(sent: Iterable[Sent], moments: Mapping[str, datetime]) -> Latency | None:
    """None when none of the mails was labelled."""
    waits = sorted(
        (moments[one.message_id] - one.at).total_seconds() * 1000 for one in sent if one.message_id in moments
    )
    return Latency(len(waits), percentile(waits, 50), percentile(waits, 99)) if waits else None


def percentile(ascending: list[float], percent: float) -> float:
    """The smallest value that so many percent of the values do not exceed."""
    return ascending[max(0, ceil(len(ascending) * percent / 100) - 1)]


def _event(line: str) -> dict[str, str]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
