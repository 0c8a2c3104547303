"""A few mails take all their steps in one job: the thread that ends a step does the next one itself.

Each step is claimed from the ledger as by a job of its own. A process that is killed between two steps leaves the rest
to the ledger (W2).
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from domain.events import Event
from workers.jobs import woken_by

A_WHILE = 60.0
"""Seconds after which the next step is a job of its own."""


class Onward:
    """The next steps of the job that each thread works on."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self._stopping = stopping
        self._mine = threading.local()

    def takes(self, event: Event) -> bool:
        """Whether this thread works on a job whose next step the event asks for, and will do that step itself."""
        way: deque[Event] | None = getattr(self._mine, "way", None)
        if way is None or not all(job.goes_on for job in woken_by(event)):
            return False
        way.append(event)
        return True

    def steps(
        self, name: str, ids: dict[str, Any], hand_over: Callable[[Event], None]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """The job of this name and those that follow, each with its ids. The caller runs one, then asks for the next.

        When the process is to stop, or after A_WHILE, `hand_over` gets the remaining events.
        """
        ends = time.monotonic() + A_WHILE
        way = self._mine.way = deque[Event]()
        try:
            yield name, ids
            while way and not self._stopping() and time.monotonic() < ends:
                event = way.popleft()
                for job in woken_by(event):
                    yield job.name, asdict(event)
        finally:
            self._mine.way = None
        for event in way:
            hand_over(event)
