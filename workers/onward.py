"""Few mails go all their way in one job: what a step asks for when it is done, the same thread does next.

Each step is claimed from the ledger as by a job of its own, and may be by one. Whoever is killed in between leaves the
rest to the ledger (W2).
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
"""Seconds that one job may go on for: what follows then is a job of its own."""


class Onward:
    """What is next on the way of the job that each thread is at."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self._stopping = stopping
        self._mine = threading.local()

    def takes(self, event: Event) -> bool:
        """Whether this thread is at a job of which the event asks for the next step, and is going to do it."""
        way: deque[Event] | None = getattr(self._mine, "way", None)
        if way is None or not all(job.goes_on for job in woken_by(event)):
            return False
        way.append(event)
        return True

    def steps(
        self, name: str, ids: dict[str, Any], hand_over: Callable[[Event], None]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """The handler of this name and those that follow, each with its ids; who asks for the next one has run the
        last. What is left when the process is to stop, or after a while, is handed over."""
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
