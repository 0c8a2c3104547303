"""Connections to receivers, kept from one event to the next during a run.

One thread watches all connections in use and cuts each one when its time is over, so that no receiver can hold one by
sending a byte now and then. When the process is to stop, answers that are under way get GRACE seconds.
"""

import http.client
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from types import TracebackType
from typing import Self

from domain.errors import LodestoneError

LOOK_EVERY = 0.1
GRACE = 0.5
"""Seconds for answers that are under way when the process is to stop."""


class Left(LodestoneError):
    """The process is to stop, and the answer has not come within GRACE."""


class Wire:
    """One connection to `place`. It is cut when `time.monotonic()` reaches `ends`.

    `socket` is None until it is opened. `is_whole`: the last answer was read to its end, and another may follow.
    `is_over`: it was cut; `is_left`: because the process is to stop.
    """

    def __init__(self, place: object, ends: float) -> None:
        self.place = place
        self.ends = ends
        self.socket: socket.socket | None = None
        self.is_whole = False
        self.is_over = False
        self.is_left = False

    @property
    def seconds_left(self) -> float:
        """Seconds until it is cut. Raises TimeoutError when its time is over."""
        left = self.ends - monotonic()
        if left <= 0 or self.is_over:
            raise TimeoutError
        return left

    def is_silent(self) -> bool:
        """Whether it can be used again: the receiver has neither ended it nor sent anything unasked."""
        if self.socket is None:
            return False
        said = select.poll()
        said.register(self.socket, select.POLLIN)
        return not said.poll(0)

    def cut(self) -> None:
        """Shut it while another thread uses it."""
        self.is_over = True
        if self.socket is not None:
            # Not SSLSocket's own shutdown, which would take the TLS state from the thread that reads.
            with suppress(OSError):  # it may have ended by itself, or not be open yet
                socket.socket.shutdown(self.socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket, if there is one."""
        if self.socket is not None:
            self.socket.close()


class Wires:
    """The connections of one run, as a context that closes the idle ones. Several threads may use it, each a wire of
    its own. `stopping` says that the process is to end."""

    def __init__(self, stopping: Callable[[], bool] = lambda: False) -> None:
        self._stopping = stopping
        self._guard = threading.Lock()
        self._idle: list[Wire] = []
        self._used: set[Wire] = set()
        self._closed = threading.Event()
        self._watch: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        for wire in self._idle:
            wire.close()

    @property
    def idle(self) -> int:
        """How many connections are kept and not in use."""
        return len(self._idle)

    def kept(self, place: object) -> Wire | None:
        """A kept connection to the place that is not in use and still open; None when there is none."""
        with self._guard:
            found = next((wire for wire in self._idle if wire.place == place), None)
            if found is None:
                return None
            self._idle.remove(found)
        if found.is_silent():
            return found
        found.close()
        return None

    @contextmanager
    def used(self, wire: Wire) -> Iterator[None]:
        """Watch the wire while the context is open; then keep it if it is whole, else close it.

        Raises TimeoutError when its time was over, Left when the process is to stop, else the error of the body.
        """
        with self._guard:
            self._used.add(wire)
            if self._watch is None:
                self._watch = threading.Thread(target=self._look, name="wires", daemon=True)
                self._watch.start()
        try:
            yield
        except (OSError, http.client.HTTPException):
            if wire.is_left:
                raise Left from None
            if wire.is_over:
                raise TimeoutError from None
            raise
        finally:
            with self._guard:
                self._used.discard(wire)
                if wire.is_whole and not wire.is_over:
                    self._idle.append(wire)
                else:
                    wire.close()

    def _look(self) -> None:
        stop_at: float | None = None
        while not self._closed.wait(LOOK_EVERY):
            now = monotonic()
            if stop_at is None and self._stopping():
                stop_at = now + GRACE
            with self._guard:
                for wire in self._used:
                    if stop_at is not None and stop_at <= now:
                        wire.is_left = wire.is_left or not wire.is_over
                        wire.cut()
                    elif wire.ends <= now:
                        wire.cut()
