"""The notifier process: sends notifications outside. Its threads wait for receivers so that no worker's need (I5)."""

from workers.actors import register
from workers.bootstrap import start
from workers.broker import OUTSIDE
from workers.consumer import take_jobs


def main() -> None:
    """Send until SIGTERM or Ctrl-C."""
    app = start("notifier")
    app.wait_until_ready()
    register(app)
    take_jobs(app, {OUTSIDE}, threads=app.settings.notifier_threads)
