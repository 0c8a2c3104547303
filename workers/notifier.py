"""The notifier process sends notifications outside. Its threads wait for receivers, so that no worker's do (I5)."""

from collections.abc import Iterator

from handlers.jobs import OUTSIDE
from workers import process
from workers.actors import register
from workers.bootstrap import App
from workers.consumer import Jobs


def main() -> None:
    """Run until SIGTERM or Ctrl-C."""
    process.run("notifier", parts)


def parts(app: App) -> Iterator[process.Part]:
    """The part that takes the jobs of the queue OUTSIDE."""
    register(app, {OUTSIDE})
    yield Jobs(app, "notifier", {OUTSIDE}, app.settings.notifier_threads)
