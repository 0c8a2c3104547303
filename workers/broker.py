"""Dramatiq on Redis, set up for many short jobs and a ledger that retries (FACTS §7, W4)."""

import logging
from dataclasses import asdict

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import CurrentMessage
from redis import Redis

from domain.events import Event
from workers.intake import GUARDED, Broker
from workers.jobs import JOBS, woken_by

HEARTBEAT = 10_000
MAINTENANCE_CHANCE = 250_000
"""Chance of Dramatiq's maintenance, in a million, at each look at a queue (one a second while nothing comes). So a
killed worker's jobs come back in seconds, and `KEYS` stays rare."""

DEAD_FOR = 60_000
"""Milliseconds that Dramatiq keeps undeliverable messages. Nothing reads them, and they may hold content (I3)."""


def make_broker(redis: Redis) -> RedisBroker:
    """The broker, without Dramatiq's retries and time limits.

    The ledger alone retries (W4). Every call in a job has a timeout of its own; a job that Dramatiq ends would count as
    done.
    """
    logging.getLogger("dramatiq").setLevel(logging.ERROR)
    broker = Broker(
        client=redis,
        namespace="lodestone:queue",
        middleware=[CurrentMessage()],
        heartbeat_timeout=HEARTBEAT,
        maintenance_chance=MAINTENANCE_CHANCE,
        dead_message_ttl=DEAD_FOR,
    )
    dramatiq.set_broker(broker)
    for queue in sorted(GUARDED.union(job.queue for job in JOBS)):
        broker.declare_queue(queue)
    return broker


def send(broker: RedisBroker, event: Event) -> None:
    """Queue the jobs of the event. Messages carry names and ids only, because Dramatiq prints them (D2)."""
    for job in woken_by(event):
        broker.enqueue(
            dramatiq.Message(
                queue_name=job.queue,
                actor_name=job.name,
                args=(),
                kwargs=asdict(event),
                options={},
            )
        )
