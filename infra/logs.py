"""Logs: one line per event, JSON unless the output is a terminal (docs/LOGS.md). Logging never raises."""

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
    """Log to standard output; `process` is on every line. Libraries log warnings and worse only, without their texts,
    which could hold content (I3)."""
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
    for name in ("", "google"):  # else Google's clients would log plain text past the root
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [_Bridge()], False
    threading.excepthook = _say_thread_crashed
    if process != "cli":  # a command shows its errors at the terminal
        sys.excepthook = _say_process_crashed


PATIENCE = 2_000
"""Milliseconds that a line waits for a reader that has stopped. The lines after it do not wait: they are lost."""


class _Sink:
    """Writes lines. A closed pipe, a reader that has stopped or a full disk costs lines and nothing else.

    It bypasses Python's buffer, which would keep the lines that it cannot write and fail at the exit.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._file = _descriptor(stream)
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        # Reentrant: a signal handler or a finalizer may log while this thread writes.
        self._lock = threading.RLock()
        self._torn = False
        self._lost = 0

    def write(self, line: str) -> int:
        """Write a line; returns how many lines were lost before it and not reported yet."""
        with self._lock:
            try:
                self._write(f"{line}\n")
            except (OSError, ValueError):  # ValueError: the stream is closed
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
            rest = memoryview(b"\n" + rest)  # ends the piece of a line that was written
        while rest:
            if not room.poll(0 if self._lost else PATIENCE):
                raise BlockingIOError
            written = os.write(self._file, rest[: select.PIPE_BUF])  # never blocks where there is room
            rest = rest[written:]
            self._torn = bool(rest)


class _Lines:
    """The logger to which structlog hands its lines."""

    def __init__(self, sink: _Sink) -> None:
        self._sink = sink

    def msg(self, line: str) -> None:
        lost = self._sink.write(line)
        if lost:
            structlog.get_logger().warning("log.resumed", lines=lost)

    debug = info = warning = error = critical = msg


def _descriptor(stream: TextIO | None) -> int | None:
    """The stream's file descriptor; None when it has none, as in tests."""
    try:
        return stream.fileno() if stream is not None else None
    except (OSError, ValueError):
        return None


def _say_thread_crashed(died: threading.ExceptHookArgs) -> None:
    """Log an uncaught error by kind and place. Python would print its text (I3)."""
    if not issubclass(died.exc_type, SystemExit):
        place = place_of(died.exc_traceback)
        structlog.get_logger().error("thread.crashed", error=died.exc_type.__name__, place=place)


def _say_process_crashed(kind: type[BaseException], _: BaseException, trace: TracebackType | None) -> None:
    """Log the error and end the process. Python would wait for the other threads, which may never end."""
    structlog.get_logger().error("process.crashed", error=kind.__name__, place=place_of(trace))
    os._exit(1)


def place_of(trace: TracebackType | None) -> str | None:
    """File and line where an error was raised; None without a traceback."""
    steps = traceback.extract_tb(trace)
    return f"{Path(steps[-1].filename).name}:{steps[-1].lineno}" if steps else None


class _Bridge(logging.Handler):
    """Logs libraries' records by logger and place. Their texts and tracebacks may hold content (I3)."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        structlog.get_logger().warning(
            "library.warned", logger=record.name, place=f"{record.module}:{record.lineno}", error=kind
        )
