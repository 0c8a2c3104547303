"""The notifier process: sends notifications outside. Its threads wait for receivers so that no worker's need (I5)."""

from collections.abc import Iterator

from handlers.jobs import OUTSIDE
from workers import process
from workers.actors import register
from workers.bootstrap import App
from workers.consumer import Jobs


def main() -> None:
    """Send until SIGTERM or Ctrl-C."""
    process.run("notifier", parts)


def parts(app: App) -> Iterator[process.Part]:
    """What takes the jobs that lead outside."""
    register(app, {OUTSIDE})
    yield Jobs(app, "notifier", {OUTSIDE}, app.settings.notifier_threads)
