"""Logs: one line per event, JSON when nobody is watching at a terminal (docs/LOGS.md)."""

import logging
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType

import structlog


def set_up(level: str = "INFO", *, process: str) -> None:
    """Log to standard output; `process` stands on every line. Libraries log warnings and worse, without text
    that could carry content: their messages are ours only by name."""
    terminal = sys.stdout.isatty()
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            lambda logger, name, event: {"process": process, **event},
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
    logging.getLogger().setLevel(logging.WARNING)
    for name in ("", "google"):  # Google's clients keep their own loggers from the root: in plain text, then
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [_Bridge()], False
    threading.excepthook = _say_thread_crashed
    if process != "cli":  # its errors are for the person at the terminal
        sys.excepthook = _say_process_crashed


def _say_thread_crashed(died: threading.ExceptHookArgs) -> None:
    """An error that nobody caught, by its kind and place: Python would print its text (I3)."""
    if not issubclass(died.exc_type, SystemExit):
        place = place_of(died.exc_traceback)
        structlog.get_logger().error("thread.crashed", error=died.exc_type.__name__, place=place)


def _say_process_crashed(kind: type[BaseException], _: BaseException, trace: TracebackType | None) -> None:
    structlog.get_logger().error("process.crashed", error=kind.__name__, place=place_of(trace))


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
