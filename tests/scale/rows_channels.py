"""What has waited for a receiver that was out of order, sent by one notifier."""

import multiprocessing
import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from typing import NamedTuple

from sqlalchemy import text

from domain.channels import ChannelKind, Target
from domain.events import DeliveryDue, Event
from domain.ids import ChannelId
from handlers import channels
from handlers.context import Context
from infra.notifiers import Notifiers
from tests.scale.frame import Figure, Place
from tests.scale.rows_work import transactions, work_on
from tests.worlds import HERE
from workers.demo.receiver import Receiver

WAITING = 50_000
USERS = 1_000
THREADS = 8
ANSWER = 0.002
"""Seconds that the receiver takes for an answer."""

_HOUR = 3_600_000
_TELL = """
INSERT INTO notifications (organisation_id, location_id, id, kind, connection_id, user_id, message_id, contact_id,
  author, received_at, created_at, late)
SELECT 1, 1, 10000000 + n, 'mail', 1 + n % :users, 'u' || (1 + n % :users), 'd' || n, 'c' || n,
  'c' || n || '@customer.example', :at + n, :at + n, false
FROM (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :waiting) SELECT n FROM c) AS numbers
"""
_SEND = """
INSERT INTO deliveries (channel_id, notification_id, user_id, state, ready_at, redrive_at)
SELECT :first + id % :channels, id, user_id, 'waiting', created_at, created_at FROM notifications
WHERE id > 10000000
"""


def outage(place: Place) -> Iterator[Figure]:
    """Of two days, so that each user's mail goes out as one; and of an hour, so that each mail goes out by itself, to
    one receiver of everybody's mail, and to as many receivers as there are users."""
    for what, hours, many, events in (
        ("50,000 late deliveries of 1,000 users", 48, 1, USERS),
        ("50,000 deliveries of an hour", 1, 1, WAITING),
        ("50,000 deliveries of an hour by 1,000 channels", 1, USERS, WAITING),
    ):
        seconds, cpu = _after(place, hours, many, events)
        yield Figure(what, seconds, "s", 60)
        yield Figure("its notifier's CPU an event", 1000 * cpu / events, "ms", 1 if events == WAITING else 50)


def _after(place: Place, hours: int, many: int, events: int) -> tuple[float, float]:
    """How long the notifier took for it, and of what CPU."""
    secret = f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"
    with place.copy() as other, work_on(other) as (context, sent), _receiver(secret) as (url, ask):
        size = {"users": USERS, "waiting": WAITING, "at": round(1000 * time.time()) - hours * _HOUR}
        with other.store.begin("scale.channel") as tx:
            target = Target(url, secret)
            ids = [tx.of(HERE).channels.add(None, ChannelKind.WEBHOOK, target) for _ in range(many)]
            tx.db.execute(text(_TELL), size)
            tx.db.execute(text(_SEND), {"first": ids[0], "channels": many})
            if not other.is_sqlite:
                tx.db.exec_driver_sql(
                    "ANALYZE deliveries"
                )  # by itself a minute later; an outage lasts longer
        with transactions(other) as longest:
            began, cpu = time.perf_counter(), time.process_time()
            _send(ids, context, sent)
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        got = ask()
        place.say(f"{got}; longest transaction: {1000 * longest.seconds:.0f} ms")
        if (got.events, got.different) != (events, events):
            raise AssertionError(f"{got} instead of {events}")
        return seconds, cpu


def _send(channel_ids: list[ChannelId], context: Context, sent: list[Event]) -> None:
    """As the notifier does it, by its usual number of threads, until nothing waits any more."""
    notifier = replace(context, outside=Notifiers(may_be_private=True))
    again: list[DeliveryDue] = [DeliveryDue(channel_id) for channel_id in channel_ids]
    with ThreadPoolExecutor(THREADS) as pool:
        while again:
            sent.clear()
            list(pool.map(partial(channels.deliver, context=notifier), [event.channel_id for event in again]))
            again = [event for event in sent if isinstance(event, DeliveryDue)]


class _Got(NamedTuple):
    """What a receiver has got."""

    events: int
    different: int
    connections: int


@contextmanager
def _receiver(secret: str) -> Iterator[tuple[str, Callable[[], _Got]]]:
    """One in a process of its own, as somebody else's is: its URL, and how to ask what it has got."""
    spawn = multiprocessing.get_context("spawn")
    ours, its = spawn.Pipe()
    process = spawn.Process(target=_receive, args=(its, secret), daemon=True)
    process.start()
    url = ours.recv()

    def ask() -> _Got:
        ours.send(None)
        return _Got(*ours.recv())

    yield url, ask
    process.terminate()
    process.join()


def _receive(asked: Connection, secret: str) -> None:
    with Receiver([secret], seconds=ANSWER) as receiver:
        asked.send(receiver.url)
        while True:
            asked.recv()
            ids = {one["id"] for one in receiver.taken}
            asked.send((len(receiver.taken), len(ids), receiver.connections))
