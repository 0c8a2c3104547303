"""The one timer of a process. While a call is out it has what the caller holds extended; a call that takes too long
in all, as by a trickle that meets every timeout of a single read, has its line cut."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from types import TracebackType

import httplib2
import structlog

from infra.gmail.bounds import Bounded

log = structlog.get_logger()

AGAIN = 1.0
"""Seconds after which a line is cut once more: it may not have been open yet."""


@dataclass(slots=True)
class Held:
    """What is to be extended every so many seconds, be that by one call that takes long or by many short ones."""

    every: float
    extend: Callable[[], object]
    due: float = field(init=False)

    def __post_init__(self) -> None:
        self.due = monotonic() + self.every


class Out:
    """A call that is out, as a context. It ends with TimeoutError if its line was cut, whatever came of that."""

    def __init__(self, timer: "Timer", line: httplib2.Http, held: Held | None) -> None:
        self.line = line
        self.held = held
        self.ends = monotonic() + timer.longest
        self.due = min(self.ends, held.due) if held else self.ends
        self.is_cut = False
        self._timer = timer

    def __enter__(self) -> None:
        self._timer.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.remove(self)
        if self.is_cut:
            raise TimeoutError from None

    def postpone(self, now: float) -> None:
        """When it is next looked at."""
        if self.held and not self.is_cut:
            self.held.due = now + self.held.every
        self.due = now + AGAIN if self.is_cut else min(self.ends, self.held.due if self.held else inf)

    def cut(self) -> None:
        """Shut the line, whoever is reading from it, and let none be opened in its place."""
        self.is_cut = True
        for connection in list(self.line.connections.values()):
            connection.is_cut = True
            if connection.wire is not None:
                with suppress(OSError):  # not SSLSocket's own: that is for the thread that reads
                    socket.socket.shutdown(connection.wire, socket.SHUT_RDWR)


class Timer:
    """`longest`: seconds that a call may take in all. The thread starts with the first call."""

    def __init__(self, longest: float) -> None:
        self.longest = longest
        self._changed = threading.Condition()
        self._out: set[Out] = set()
        self._wakes = inf
        self._thread: threading.Thread | None = None

    def add(self, call: Out) -> None:
        """Look after it from now on."""
        with self._changed:
            self._out.add(call)
            if self._thread is None or not self._thread.is_alive():  # a fork leaves it behind
                self._thread = threading.Thread(target=self._run, name="gmail-timer", daemon=True)
                self._thread.start()
            elif call.due < self._wakes:
                self._changed.notify()

    def remove(self, call: Out) -> None:
        """It is over: its line is nobody's to cut any more."""
        with self._changed:
            self._out.discard(call)

    def _run(self) -> None:
        while True:
            for held in self._next():
                try:
                    held.extend()
                except Exception as error:  # whoever commits asks whether it is still held
                    log.warning("claims.not_extended", error=type(error).__name__)

    def _next(self) -> list[Held]:
        """Waits, cuts what has taken too long, and returns what is to be extended."""
        with self._changed:
            while True:
                now = monotonic()
                due = [call for call in self._out if call.due <= now]
                for call in due:
                    if call.ends <= now:
                        call.cut()
                    call.postpone(now)
                if held := [call.held for call in due if call.held and not call.is_cut]:
                    return held
                self._wakes = min((call.due for call in self._out), default=inf)
                self._changed.wait(None if self._wakes == inf else self._wakes - now)


class _Cuttable:
    """A connection that is not made any more once the timer has cut it, and whose answers have a limit. `wire`:
    http.client lets go of the socket of an answer that ends with the connection, while it is read."""

    response_class = Bounded
    is_cut = False
    wire: socket.socket | None = None
    sock: socket.socket | None

    def connect(self) -> None:
        if not self.is_cut:
            super().connect()  # type: ignore[misc]  # httplib2's, which comes after this class
            self.wire = self.sock
        if self.is_cut:
            raise ConnectionAbortedError


class _DialOnce(_Cuttable):
    """One that is not made a second time."""

    dialled = False

    def connect(self) -> None:
        if self.dialled:
            raise ConnectionAbortedError
        self.dialled = True
        super().connect()


class _Plain(_Cuttable, httplib2.HTTPConnectionWithTimeout):  # type: ignore[misc]  # httplib2 has no types
    pass


class _Secure(_Cuttable, httplib2.HTTPSConnectionWithTimeout):  # type: ignore[misc]  # httplib2 has no types
    pass


class _PlainOnce(_DialOnce, httplib2.HTTPConnectionWithTimeout):  # type: ignore[misc]  # httplib2 has no types
    pass


class _SecureOnce(_DialOnce, httplib2.HTTPSConnectionWithTimeout):  # type: ignore[misc]  # httplib2 has no types
    pass


ANY_TIMES = {"http": _Plain, "https": _Secure}
ONCE = {"http": _PlainOnce, "https": _SecureOnce}
"""Connections by scheme: of a line, and of one for a request that must not go out twice."""
