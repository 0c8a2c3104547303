"""Makes the parts of a process from its settings. No other module knows all parts."""

import os
import socket
import threading
from collections.abc import Callable
from functools import partial

import structlog
from dramatiq.brokers.redis import RedisBroker
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from domain.errors import DatabaseAway
from domain.retention import Retention
from handlers.context import Context
from handlers.ports.objects import ObjectStore
from handlers.timing import Timing
from handlers.units import Tally
from infra import logs
from infra.db.migrate import WrongSchema, check_schema
from infra.db.store import Store
from infra.notifiers import Notifiers
from infra.objects import open_store
from infra.queue import RedisQueue
from infra.secrets import Cipher
from infra.settings import Settings, load, wrong
from workers import providers
from workers.broker import make_broker, send
from workers.onward import Onward

log = structlog.get_logger()

RETRY_EVERY = 2.0


class App:
    """The parts of one process, made from its settings and shared by its threads. `provider` is the default one."""

    def __init__(self, settings: Settings, process: str) -> None:
        self.settings = settings
        self.stopping = threading.Event()
        self.redis: Redis = Redis.from_url(
            settings.redis_url.get_secret_value(),
            socket_timeout=30,
            socket_connect_timeout=5,
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 3),
        )
        self.broker: RedisBroker = make_broker(self.redis)
        self.cipher = Cipher(tuple(key.get_secret_value() for key in settings.token_keys))
        self.store = Store(
            settings.database_url.get_secret_value(),
            self.cipher,
            redrive_after=settings.redrive_after,
            gather=settings.gather,
        )
        known = providers.of_settings(settings)
        self.provider = next(iter(known.values()))
        self.onward = Onward(self.stopping.is_set)
        self.queue = RedisQueue(self.redis, partial(send, self.broker), self.onward.takes)
        owner = f"{socket.gethostname()}:{os.getpid()}:{process}"
        self.context = Context(
            store=self.store,
            providers=known,
            queue=self.queue,
            objects=_objects(settings),
            owner=owner,
            tally=Tally(self.provider.about.quota, owner),
            timing=Timing(
                sync_due_after=settings.sweep_due_after,
                settle_after=settings.settle_after,
                compare_every=settings.compare_every,
                push_recall=settings.push_recall,
                lease=settings.lease,
                redrive_after=settings.redrive_after,
                channel_rest=settings.channel_rest,
                channel_timeout=settings.channel_timeout,
                hand_over=settings.hand_over,
                long_lease=settings.long_lease,
            ),
            daily_limit=settings.daily_limit,
            as_of=settings.as_of,
            retention=Retention(
                notifications=settings.keep_notifications,
                deleted=settings.keep_deleted,
                deliveries=settings.keep_deliveries,
            ),
            stopping=self.stopping.is_set,
            outside=Notifiers(
                may_be_private=settings.channels_may_be_private, seconds=settings.channel_timeout
            ),
        )

    def wait_until_ready(self) -> bool:
        """Wait for database and Redis, and log which one is away (W13). False when the process is to stop before.

        Raises WrongSchema for a database that is not ours (W16).
        """
        return _wait_for(
            "database", lambda: check_schema(self.store.engine), DatabaseAway, self.stopping
        ) and _wait_for("redis", self.redis.ping, RedisError, self.stopping)


def start(process: str) -> App:
    """Read the settings, set up the log and make the parts; "cli" is a command. Raises WrongSetting first of all."""
    settings = load()
    logs.set_up(settings.command_log_level if process == "cli" else settings.log_level, process=process)
    return App(settings, process)


def _objects(settings: Settings) -> ObjectStore:
    """Raises WrongSetting for a place that cannot be used at all; what is away now may come."""
    try:
        return open_store(settings.objects_place)
    except (ImportError, ValueError):
        raise wrong("objects") from None


def _wait_for(
    part: str, look: Callable[[], object], away: type[Exception], stopping: threading.Event
) -> bool:
    while not stopping.is_set():
        try:
            look()
        except away as error:
            log.warning("part.awaited", part=part, error=type(error).__name__)
            stopping.wait(RETRY_EVERY)
        else:
            return True
    return False


__all__ = ["App", "WrongSchema", "start"]
