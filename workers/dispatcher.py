"""The dispatcher process: Pub/Sub in, one catch_up per mailbox out. It calls no provider."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import structlog
from redis.exceptions import RedisError

from domain.errors import DatabaseAway
from handlers.mailboxes import pushes
from infra.gmail.pubsub import StreamLost, Subscription, Unready
from workers import process
from workers.bootstrap import App

log = structlog.get_logger()


def main() -> None:
    """Pull until SIGTERM or Ctrl-C. While Redis or the database is away nothing is pulled (W13)."""
    process.run("dispatcher", parts)


def parts(app: App) -> Iterator[process.Part]:
    """The stream. Whether Google takes our credentials, and the subscription is there, only the stream tells: so the
    process has started once that stands."""
    stands = threading.Event()
    pulling = partial(pull, app, stands.set)
    yield process.OneThread(app, "pubsub", pulling, ends_within=process.WORK_WITHIN, ready=stands)


def pull(app: App, stands: Callable[[], object] = lambda: None) -> None:
    """Until the process is to stop, or the stream is lost. `stands` is called once Pub/Sub has let us in."""
    subscription = Subscription(
        app.settings.pubsub_project,
        app.settings.pubsub_subscription,
        take=lambda data: _take(data, app),
        ready=lambda: app.wait_until_ready(),
        stopping=app.stopping,
        stands=stands,
    )
    with suppress(StreamLost):  # whoever watches this thread misses it
        subscription.run()


def _take(data: bytes, app: App) -> None:
    try:
        pushes.take(data, app.provider.about.name, app.context)
    except (RedisError, DatabaseAway) as error:
        log.warning("push.returned", error=type(error).__name__)
        raise Unready from None
