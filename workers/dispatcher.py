"""The dispatcher process takes pushes from Pub/Sub and wakes one catch_up for each mailbox. It reads no mailbox."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import structlog
from redis.exceptions import RedisError

from domain.errors import DatabaseAway
from handlers.mailboxes import pushes
from infra.gmail.grants import NAME
from infra.gmail.pubsub import PushNotTaken, StreamLost, Subscription
from workers import process
from workers.bootstrap import App

log = structlog.get_logger()


def main() -> None:
    """Run until SIGTERM or Ctrl-C. While Redis or the database is away nothing is pulled (W13)."""
    process.run("dispatcher", parts)


def parts(app: App) -> Iterator[process.Part]:
    """The thread that pulls. It is ready once the stream stands: only then Google has accepted our credentials and the
    subscription is known to exist."""
    stands = threading.Event()
    pulling = partial(pull, app, stands.set)
    yield process.OneThread(app, "pubsub", pulling, ends_within=process.WORK_WITHIN, ready=stands)


def pull(app: App, stands: Callable[[], object] = lambda: None) -> None:
    """Pull until the process is to stop or the stream is lost. Calls `stands` once the stream stands."""
    subscription = Subscription(
        app.settings.pubsub_project,
        app.settings.pubsub_subscription,
        take=lambda data: _take(data, app),
        ready=lambda: app.wait_until_ready(),
        stopping=app.stopping,
        stands=stands,
    )
    with suppress(StreamLost):  # the process sees that this thread has ended
        subscription.run()


def _take(data: bytes, app: App) -> None:
    try:
        pushes.take(data, NAME, app.context)
    except (RedisError, DatabaseAway) as error:
        log.warning("push.returned", error=type(error).__name__)
        raise PushNotTaken from None
