"""A process: its parts are started, watched and ended together. When one of them is lost the process ends (W16)."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Protocol

import structlog

from domain.errors import DatabaseAway
from infra.db.migrate import WrongSchema, check_schema
from workers import vital
from workers.bootstrap import App, start
from workers.units import keep_count, write

log = structlog.get_logger()

STOP_WITHIN = 25.0
"""The longest that a process takes to end, in seconds. A supervisor has to allow for it."""

WORK_WITHIN = 20.0
"""Of these, seconds to finish what was begun; the rest is for releasing claims and writing down units."""

WRITTEN_WITHIN = 3.0

SCHEMA_EVERY = 60.0
"""Seconds between two checks of the database's schema, or a lease, if that is shorter: a process that finds another
release's tables has no claims left then."""


class Part(Protocol):
    """What a process does on threads of its own."""

    name: str
    """Its name in the log (docs/LOGS.md, part.lost)."""
    threads: int
    """How many of its threads take jobs."""
    error: Exception | None
    """The error that has ended it; the process raises it."""

    def start(self) -> None: ...

    def is_ready(self) -> bool:
        """Whether it has begun its work."""

    def is_lost(self) -> bool:
        """Whether one of its threads has ended without being asked to."""

    def stop(self) -> None:
        """Finish or release what was begun. What takes too long is left to the ledger."""


class OneThread:
    """A part that is one thread.

    `run` has to return once the process is to stop and `stop` was called; the process waits for it up to `ends_within`
    seconds. With `ready`, the part is ready when `run` has set it, else at once.
    """

    threads = 0

    def __init__(
        self,
        app: App,
        name: str,
        run: Callable[[], object],
        stop: Callable[[], object] = lambda: None,
        ends_within: float = 0.0,
        ready: threading.Event | None = None,
    ) -> None:
        self.name = name
        self.error: Exception | None = None
        self._app = app
        self._run = run
        self._stop = stop
        self._ends_within = ends_within
        self._ready = ready
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def _work(self) -> None:
        try:
            self._run()
        except Exception as error:
            self.error = error
            self._app.stopping.set()

    def start(self) -> None:
        self._thread.start()

    def is_ready(self) -> bool:
        return self._ready is None or self._ready.is_set()

    def is_lost(self) -> bool:
        return self.error is None and not self._thread.is_alive()

    def stop(self) -> None:
        self._stop()
        self._thread.join(self._ends_within)


def run(process: str, *makers: Callable[[App], Iterable[Part]]) -> None:
    """Run the process until SIGTERM or Ctrl-C, then finish or release what was begun.

    Its parts are made once database and Redis are there. Raises the error that has ended a part, and WrongSchema when
    another release has changed the tables.
    """
    app = start(process)
    vital.stop_on_signal(app.stopping)
    if app.wait_until_ready():
        parts = [part for make in makers for part in make(app)]
        _work(app, [*parts, OneThread(app, "schema", partial(_watch_schema, app))])
    log.info("process.stopped")


def _work(app: App, parts: Sequence[Part]) -> None:
    for part in parts:
        part.start()
    waiting = [*parts]

    def look() -> str | None:
        """The name of a part that is lost. Logs once that all are ready."""
        if waiting:
            waiting[:] = [part for part in waiting if not part.is_ready()]
            if not waiting:
                _say_started(sum(part.threads for part in parts))
        return next((part.name for part in parts if part.is_lost()), None)

    look()
    lost = vital.until_stopped(app.stopping, look)
    if lost is not None:
        vital.end(lost, partial(_stop, app, parts))
    _stop(app, parts)
    for part in parts:
        if part.error is not None:
            if isinstance(part.error, WrongSchema):
                log.error("schema.changed", migration=part.error.found)
            raise part.error


def _say_started(threads: int) -> None:
    if threads:
        log.info("process.started", threads=threads)
    else:
        log.info("process.started")


def _stop(app: App, parts: Sequence[Part]) -> None:
    """Stop all parts at the same time, then write down the units that they have spent."""
    app.stopping.set()
    _side_by_side([part.stop for part in parts], STOP_WITHIN - WRITTEN_WITHIN)
    if not _side_by_side([partial(write, app.context)], WRITTEN_WITHIN):
        log.warning("units.postponed", reason="stopping")


def _side_by_side(steps: Iterable[Callable[[], object]], seconds: float) -> bool:
    """Run the steps at the same time; returns whether all were done in time. The others end with the process."""
    ends = time.monotonic() + seconds
    threads = [threading.Thread(target=step, daemon=True) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


def count(app: App) -> Iterator[Part]:
    """The part that writes down the units that this process spends."""
    yield OneThread(app, "units", partial(keep_count, app))


def _watch_schema(app: App) -> None:
    """Raise WrongSchema when another release has changed the tables. Other parts log that the database is away."""
    while not app.stopping.wait(min(SCHEMA_EVERY, app.settings.lease)):
        try:
            check_schema(app.store.engine)
        except DatabaseAway:
            continue
