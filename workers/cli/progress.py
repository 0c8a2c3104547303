"""How far a long command is."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from workers.cli.output import tell

EVERY = 500
"""Records between two looks at the progress bar."""


def bar() -> Progress:
    """A bar on standard error, if somebody is there to see it."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())


@contextmanager
def deleting(what: str = "mails") -> Iterator[Callable[[int], None]]:
    """How much is deleted, of what was kept of mail or of `what`. Whoever does not wait for it is told what becomes of
    the rest."""
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
