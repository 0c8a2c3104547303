"""Messages that other programs have queued are checked before Dramatiq sees them.

Dramatiq trusts its messages. One that is no JSON makes it lose all that it has fetched; one that names another queue
ends a thread; one for an unknown actor stays in the dead letters for a week, with its values (I3).
"""

import json
import time
from typing import Any

import dramatiq
import structlog
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker

CRM, SIGN_IN = "crm", "sign_in"
GUARDED = frozenset({CRM, SIGN_IN})
TRIES = "tries"
"""The option of a message that counts how often its job has failed."""

WAIT = 1
"""Seconds that Redis waits for a job. A consumer may take as long to end."""

PAUSE = 20
"""Milliseconds between two looks: after a wait in which nothing came, and while there is no room for more."""

LOOK_EVERY = 1.0
"""Seconds between two looks for messages whose fetch got no answer, while nothing comes."""

log = structlog.get_logger()


class _Unreadable(Exception):
    """A message that no actor can take; the text says why, without its content."""


class Broker(RedisBroker):
    """Dramatiq's broker with two changes: it checks the messages of guarded queues, and it has Redis wait for the next
    job instead of polling."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]  # dramatiq annotates nothing here
        self._handed: dict[str, set[bytes]] = {name: set() for name in GUARDED}
        self._looked_at = dict.fromkeys(GUARDED, 0.0)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5_000) -> dramatiq.Consumer:
        """A new consumer gets the messages that a consumer had when an outage ended it."""
        if queue_name in GUARDED:
            self._handed[queue_name].clear()
        return super().consume(queue_name, prefetch, PAUSE)

    def do_fetch(self, queue_name: str, prefetch: int) -> list[bytes]:
        """Messages that Dramatiq can work with; others are deleted from Redis and logged.

        Of guarded queues also messages whose fetch got no answer (FACTS §7), because no ledger brings them back.

        BLMOVE of the queue's first message to its own place changes nothing, but waits while the queue is empty. All
        waiting processes are told of a message, and one gets it.
        """
        key = f"{self.namespace}:{queue_name}"
        self.client.blmove(key, key, WAIT, "LEFT", "LEFT")
        found: list[bytes] = self._dispatch("fetch")(queue_name, prefetch)  # type: ignore[no-untyped-call]
        if queue_name not in GUARDED:
            return found
        if not found and time.monotonic() - self._looked_at[queue_name] < LOOK_EVERY:
            return []
        self._looked_at[queue_name] = time.monotonic()
        return self._sound(queue_name)

    def do_ack(self, queue_name: str, redis_id: str | bytes) -> None:
        """The job is done. If Redis does not learn of it, the message is handed out again."""
        try:
            self._dispatch("ack")(queue_name, redis_id)  # type: ignore[no-untyped-call]
        finally:
            if queue_name in GUARDED:
                self._handed[queue_name].discard(redis_id.encode() if isinstance(redis_id, str) else redis_id)

    def _sound(self, queue_name: str) -> list[bytes]:
        """Messages that this process has fetched, and neither acknowledged nor handed out."""
        handed = self._handed[queue_name].copy()  # first: a job that ends meanwhile is not new
        new = list(self.client.smembers(f"{self.namespace}:__acks__.{self.broker_id}.{queue_name}") - handed)
        there = self.client.hmget(f"{self.namespace}:{queue_name}.msgs", new) if new else []
        sound = []
        for redis_id, data in zip(new, there, strict=True):
            try:
                sound.append(self._read(queue_name, data, redis_id))
                self._handed[queue_name].add(redis_id)
            except _Unreadable as error:
                self.do_ack(queue_name, redis_id)
                log.warning(
                    "job.refused",
                    queue=queue_name,
                    job_id=redis_id.decode(errors="replace"),
                    reason=str(error),
                )
        return sound

    def _read(self, queue_name: str, data: bytes | None, redis_id: bytes) -> bytes:
        """The message rebuilt with what is needed, and no other option of Dramatiq's. Raises _Unreadable."""
        if data is None:
            raise _Unreadable("there is no message of this id")
        try:
            fields, key = json.loads(data), redis_id.decode()
        except (ValueError, RecursionError):
            raise _Unreadable("the message is no JSON") from None
        if not isinstance(fields, dict):
            raise _Unreadable("the message is no JSON object")
        name, args, kwargs = fields.get("actor_name"), fields.get("args", []), fields.get("kwargs", {})
        if not isinstance(name, str) or name not in self.actors or self.actors[name].queue_name != queue_name:
            raise _Unreadable("actor_name is no actor of this queue")
        if not isinstance(args, list) or not isinstance(kwargs, dict) or "self" in kwargs:
            raise _Unreadable("args or kwargs cannot be given to an actor")
        message_id = fields.get("message_id")
        message = Message[None](
            queue_name=queue_name,
            actor_name=name,
            args=tuple(args),
            kwargs=kwargs,
            options={"redis_message_id": key, TRIES: _tries(fields.get("options"))},
            message_id=message_id if isinstance(message_id, str) else key,
        )
        try:
            return message.encode()
        except RecursionError:
            raise _Unreadable("the message is nested too deep") from None


def _tries(options: object) -> int:
    tries = options.get(TRIES) if isinstance(options, dict) else None
    return tries if isinstance(tries, int) and tries > 0 else 0
