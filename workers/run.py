"""All processes in one, for a small installation and for a first look."""

from functools import partial

import structlog

from workers import notifier, process, sweep, worker
from workers.bootstrap import App

log = structlog.get_logger()


def main() -> None:
    """Run until SIGTERM or Ctrl-C."""
    process.run("run", _dispatcher, worker.parts, sweep.parts, notifier.parts, process.count)


def _dispatcher(app: App) -> list[process.Part]:
    return [process.OneThread(app, "pubsub", partial(_pull, app), ends_within=process.WORK_WITHIN)]


def _pull(app: App) -> None:
    """Pull pushes, if Pub/Sub is set up; else the sweep finds the mail."""
    if not app.settings.has_pubsub:
        _go_without("LODESTONE_PUBSUB_PROJECT", app)
        return
    from google.auth.exceptions import DefaultCredentialsError  # with Pub/Sub, half of the memory

    from workers import dispatcher

    try:
        dispatcher.pull(app)
    except DefaultCredentialsError:
        _go_without("GOOGLE_APPLICATION_CREDENTIALS", app)


def _go_without(missing: str, app: App) -> None:
    log.warning("pubsub.unconfigured", missing=missing)
    app.stopping.wait()
