"""What Lodestone's own logs say of the run, and whether each line names whose it is."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OUTAGES = frozenset(
    {
        "ConnectionError",
        "TimeoutError",
        "BusyLoadingError",
        "OperationalError",
        "InterfaceError",
        "DBAPIError",
    }
)
"""Errors of a job that met a part which was killed under it."""


@dataclass(frozen=True, slots=True)
class Owners:
    """In which locations a mail's connections are, and where each connection is."""

    of_mails: Mapping[str, Collection[int]]
    of_connections: Mapping[int, int]


@dataclass(slots=True)
class Logs:
    """`unexpected`: what should not be there, and how often it is."""

    owners: Owners
    failed: Counter[str] = field(default_factory=Counter)
    unexpected: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)

    def read(self, folder: Path, processes: Collection[str]) -> "Logs":
        """All that these processes have said."""
        for name in sorted({process.partition(" ")[0] for process in processes}):
            for line in (folder / f"{name}.log").read_text(errors="replace").splitlines():
                self._line(name, line)
        return self

    def _line(self, process: str, line: str) -> None:
        try:
            entry = json.loads(line)
        except ValueError:
            if line.startswith("Traceback"):
                self.unexpected[f"{process}: a traceback"] += 1
            return
        event = entry.get("event", "")
        self.events[event] += 1
        if event == "job.failed":
            where = f"{entry['job']} {entry['error']} {entry['place']}"
            self.failed[where] += 1
            if entry["error"] not in OUTAGES:
                self.unexpected[f"job.failed {where}"] += 1
        if "location_id" in entry:
            self._whose(event, entry)

    def _whose(self, event: str, entry: Mapping[str, Any]) -> None:
        """A line of one organisation tells of nothing of another's (T2)."""
        location, mail, connection = (
            entry.get(name) for name in ("location_id", "message_id", "connection_id")
        )
        if location not in self.owners.of_mails.get(mail or "", (location,)):
            self.unexpected[f"{event} names location {location} for a mail of another"] += 1
        if self.owners.of_connections.get(connection or 0, location) != location:
            self.unexpected[f"{event} names location {location} for a connection of another"] += 1


def lines_about(folder: Path, message_id: str) -> Iterator[str]:
    """All that is logged about a mail."""
    for file in sorted(folder.glob("*.log")):
        for line in file.read_text(errors="replace").splitlines():
            if message_id in line:
                yield f"{file.stem}: {line}"
