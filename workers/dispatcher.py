"""The dispatcher process: Pub/Sub in, one catch_up per mailbox out. It never calls Gmail."""

import signal

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from handlers import pushes
from infra.pubsub import Subscription, Unready
from workers.bootstrap import App, start

log = structlog.get_logger()


def main() -> None:
    """Pull until SIGTERM or Ctrl-C. While Redis or the database is away nothing is pulled (W13)."""
    app = start("dispatcher")
    app.wait_until_ready()
    settings = app.settings
    subscription = Subscription(
        settings.pubsub_project,
        settings.pubsub_subscription,
        take=lambda data: _take(data, app),
        ready=app.wait_until_ready,
    )
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: subscription.stop())
    log.info("process.started")
    subscription.run()
    log.info("process.stopped")


def _take(data: bytes, app: App) -> None:
    try:
        pushes.take(data, app.work)
    except (RedisError, DBAPIError) as error:
        log.warning("push.returned", error=type(error).__name__)
        raise Unready from None
