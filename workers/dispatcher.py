"""The dispatcher process: Pub/Sub in, one catch_up per mailbox out. It never calls Gmail."""

import threading

import structlog
from redis.exceptions import RedisError

from domain.errors import DatabaseAway
from handlers import pushes
from infra.pubsub import StreamLost, Subscription, Unready
from workers import vital
from workers.bootstrap import App, start

log = structlog.get_logger()


def main() -> None:
    """Pull until SIGTERM or Ctrl-C. While Redis or the database is away nothing is pulled (W13)."""
    app = start("dispatcher")
    stopping = threading.Event()
    vital.stop_on_signal(stopping)
    if app.wait_until_ready(stopping):
        _pull(app, stopping)
    log.info("process.stopped")


def _pull(app: App, stopping: threading.Event) -> None:
    subscription = Subscription(
        app.settings.pubsub_project,
        app.settings.pubsub_subscription,
        take=lambda data: _take(data, app),
        ready=lambda: app.wait_until_ready(stopping),
        stopping=stopping,
    )
    log.info("process.started")
    try:
        subscription.run()
    except StreamLost:
        vital.end("pubsub", stopping.set)


def _take(data: bytes, app: App) -> None:
    try:
        pushes.take(data, app.work)
    except (RedisError, DatabaseAway) as error:
        log.warning("push.returned", error=type(error).__name__)
        raise Unready from None
