"""Logs: one line per event, JSON when nobody is watching at a terminal (docs/LOGS.md). Logging never raises."""

import logging
import os
import select
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType
from typing import TextIO

import structlog


def set_up(level: str = "INFO", *, process: str) -> None:
    """Log to standard output; `process` stands on every line. Libraries log warnings and worse, without text
    that could carry content: their messages are ours only by name."""
    terminal = sys.stdout is not None and sys.stdout.isatty()
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    )
    lines = _Lines(_Sink(sys.stdout))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            lambda logger, name, event: {"process": process, **event},
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    logging.getLogger().setLevel(logging.WARNING)
    for name in ("", "google"):  # Google's clients keep their own loggers from the root: in plain text, then
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [_Bridge()], False
    threading.excepthook = _say_thread_crashed
    if process != "cli":  # its errors are for the person at the terminal
        sys.excepthook = _say_process_crashed


PATIENCE = 2_000
"""Milliseconds that a line waits for a reader that has stopped, once; those after it are lost at once."""


class _Sink:
    """Where lines go: a pipe that nobody reads any more, a reader that has stopped, or a disk that is full, costs
    lines and nothing else.

    Written past Python's own buffer, which would keep what it could not write, and fail with it at the exit.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._file = _descriptor(stream)
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        # Not one that a thread could wait for itself: a signal, or what is cleared away, may log in the middle.
        self._lock = threading.RLock()
        self._torn = False
        self._lost = 0

    def write(self, line: str) -> int:
        """How many lines were lost before this one, when they are to be told of now."""
        with self._lock:
            try:
                self._write(f"{line}\n")
            except (OSError, ValueError):  # ValueError: somebody has closed the stream
                self._lost += 1
                return 0
            lost, self._lost = self._lost, 0
            return lost

    def _write(self, text: str) -> None:
        if self._file is None:
            if self._stream is not None:
                self._stream.write(text)
                self._stream.flush()
            return
        room = select.poll()
        room.register(self._file, select.POLLOUT)
        rest = memoryview(text.encode(self._encoding, "backslashreplace"))
        if self._torn:
            rest = memoryview(b"\n" + rest)  # the piece of a line stands there
        while rest:
            if not room.poll(0 if self._lost else PATIENCE):
                raise BlockingIOError
            written = os.write(
                self._file, rest[: select.PIPE_BUF]
            )  # so much never blocks where there is room
            rest = rest[written:]
            self._torn = bool(rest)


class _Lines:
    """What structlog hands its lines to."""

    def __init__(self, sink: _Sink) -> None:
        self._sink = sink

    def msg(self, line: str) -> None:
        lost = self._sink.write(line)
        if lost:
            structlog.get_logger().warning("log.resumed", lines=lost)

    debug = info = warning = error = critical = msg


def _descriptor(stream: TextIO | None) -> int | None:
    """None where there is no file behind it, as in tests."""
    try:
        return stream.fileno() if stream is not None else None
    except (OSError, ValueError):
        return None


def _say_thread_crashed(died: threading.ExceptHookArgs) -> None:
    """An error that nobody caught, by its kind and place: Python would print its text (I3)."""
    if not issubclass(died.exc_type, SystemExit):
        place = place_of(died.exc_traceback)
        structlog.get_logger().error("thread.crashed", error=died.exc_type.__name__, place=place)


def _say_process_crashed(kind: type[BaseException], _: BaseException, trace: TracebackType | None) -> None:
    """And end it: Python would wait for its other threads first, which may work on for ever."""
    structlog.get_logger().error("process.crashed", error=kind.__name__, place=place_of(trace))
    os._exit(1)


def place_of(trace: TracebackType | None) -> str | None:
    """File and line of the place where an error was raised."""
    steps = traceback.extract_tb(trace)
    return f"{Path(steps[-1].filename).name}:{steps[-1].lineno}" if steps else None


class _Bridge(logging.Handler):
    """What libraries have to say, by logger and place. Their texts and tracebacks may hold content (I3)."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        structlog.get_logger().warning(
            "library.warned", logger=record.name, place=f"{record.module}:{record.lineno}", error=kind
        )
