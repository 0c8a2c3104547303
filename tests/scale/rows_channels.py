"""What has waited for a receiver that was out of order, sent by one notifier."""

import secrets
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy import text

from domain.channels import ChannelKind, Target
from domain.events import DeliveryDue, Event
from handlers import channels
from handlers.work import Work
from infra.notifiers import Notifiers
from tests.scale.frame import Figure, Place
from tests.scale.rows_work import transactions, work_on
from workers.demo.receiver import Receiver

WAITING = 50_000
USERS = 1_000
SENT = 2_000
"""Single events of which the rate is taken: 50,000 are no different."""

_HOUR = 3_600_000
_TELL = """
INSERT INTO notifications (id, kind, connection_id, user_id, gmail_id, contact_id, author, received_at,
  created_at, late)
SELECT 10000000 + n, 'mail', 1 + n % :users, 'u' || (1 + n % :users), 'd' || n, 'c' || n,
  'c' || n || '@customer.example', :at + n, :at + n, false
FROM (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :waiting) SELECT n FROM c) AS numbers
"""
_SEND = """
INSERT INTO deliveries (channel_id, notification_id, user_id, state, ready_at, redrive_at)
SELECT 1, id, user_id, 'waiting', created_at, created_at FROM notifications WHERE id > 10000000
"""


def outage(place: Place) -> Iterator[Figure]:
    """Of two days, so that each user's mail goes out as one; and of an hour, so that each mail goes out by itself."""
    seconds, events = _after(place, 48, WAITING)
    if events != USERS:
        raise AssertionError(f"{events} events for {USERS} users")
    yield Figure("50,000 late deliveries of 1,000 users", seconds, "s", 60)
    seconds, events = _after(place, 1, SENT)
    yield Figure("50,000 deliveries of an hour, by 2,000 of them", seconds / events * WAITING, "s", 60)


def _after(place: Place, hours: int, most: int) -> tuple[float, int]:
    """How long the notifier took for what it had sent by then, and how many events that was."""
    secret = f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"
    with (
        place.copy() as other,
        work_on(other) as (work, sent),
        Receiver([secret]) as receiver,
        transactions(other) as longest,
    ):
        with other.store.begin("scale.channel") as tx:
            channel_id = tx.channels.add(None, ChannelKind.WEBHOOK, Target(receiver.url, secret))
            at = round(1000 * time.time()) - hours * _HOUR
            tx.db.execute(text(_TELL), {"users": USERS, "waiting": WAITING, "at": at})
            tx.db.execute(text(_SEND))
        longest.seconds = 0
        began = time.perf_counter()
        _send(channel_id, receiver, most, work, sent)
        seconds = time.perf_counter() - began
        place.say(f"longest transaction: {1000 * longest.seconds:.0f} ms")
        return seconds, len(receiver.got)


def _send(channel_id: int, receiver: Receiver, most: int, work: Work, sent: list[Event]) -> None:
    """As the notifier does it, turn by turn, until so many have gone out or nothing waits any more."""
    notifier = replace(
        work, outside=Notifiers(may_be_private=True), stopping=lambda: len(receiver.got) >= most
    )
    again: list[Event] = [DeliveryDue(channel_id)]
    while again and not notifier.stopping():
        sent.clear()
        channels.deliver(channel_id, notifier)
        again = [event for event in sent if event == DeliveryDue(channel_id)]
