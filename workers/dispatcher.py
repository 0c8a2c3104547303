"""The dispatcher process: Pub/Sub in, one catch_up per mailbox out. It never calls Gmail."""

from contextlib import suppress
from functools import partial

import structlog
from redis.exceptions import RedisError

from domain.errors import DatabaseAway
from handlers import pushes
from infra.pubsub import StreamLost, Subscription, Unready
from workers import process
from workers.bootstrap import App

log = structlog.get_logger()


def main() -> None:
    """Pull until SIGTERM or Ctrl-C. While Redis or the database is away nothing is pulled (W13)."""
    process.run(
        "dispatcher",
        lambda app: [process.OneThread(app, "pubsub", partial(pull, app), ends_within=process.WORK_WITHIN)],
    )


def pull(app: App) -> None:
    """Until the process is to stop, or the stream is lost."""
    subscription = Subscription(
        app.settings.pubsub_project,
        app.settings.pubsub_subscription,
        take=lambda data: _take(data, app),
        ready=lambda: app.wait_until_ready(),
        stopping=app.stopping,
    )
    with suppress(StreamLost):  # whoever watches this thread misses it
        subscription.run()


def _take(data: bytes, app: App) -> None:
    try:
        pushes.take(data, app.work)
    except (RedisError, DatabaseAway) as error:
        log.warning("push.returned", error=type(error).__name__)
        raise Unready from None
