"""How far a long command is."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from workers.cli.terminal.output import tell

EVERY = 500
"""Records between two updates of the progress bar."""

SECONDS = 2.0
"""Seconds between two lines of a command without a bar."""


def bar() -> Progress:
    """A bar on standard error, if that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())


@contextmanager
def deleting(what: str = "mails") -> Iterator[Callable[[int], None]]:
    """Show how much is deleted of `what`. After Ctrl-C it says what becomes of the rest."""
    mails = 0
    with bar() as progress:
        task = progress.add_task("deleting what was kept", total=None)

        def told(more: int) -> None:
            nonlocal mails
            mails += more
            progress.update(task, description=f"deleting what was kept: {mails:,} {what}")

        try:
            yield told
        except KeyboardInterrupt:
            progress.stop()
            if mails:
                rest = "nothing of it is shown any more, and the sweep does the rest"
                tell(f"stopped: {rest if what == 'mails' else 'give the command again'}")
            raise


def now_and_then(words: str, every: float = SECONDS) -> Callable[[str], None]:
    """Print what is at work, at most once in `every` seconds: for steps of unknown length."""
    began = last = time.monotonic()

    def told(what: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= every:
            last = now
            tell(f"{words}, {now - began:.0f} s: {what}")

    return told
