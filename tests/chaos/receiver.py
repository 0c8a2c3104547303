"""The CRM's own receiver of notifications: it takes events, is down now and then, and remembers what it got."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from sqlalchemy import select

from infra.db.schema import notifications
from infra.local.ports import LOOPBACK
from tests.chaos.reading import reading


class Receiver:
    """`down` makes it refuse everything. `taken` has the notifications of mail that came under each event id.

    That a user must sign in is told, too, but leaves the list when he has.
    """

    def __init__(self) -> None:
        self.down = False
        self.refused = 0
        self.bodies: list[bytes] = []
        self.taken: defaultdict[str, list[Any]] = defaultdict(list)
        self._guard = threading.Lock()
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _handler(self))

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._server.server_port}/events"

    @property
    def repeated(self) -> int:
        """Events that came more than once, as they may: their ids say so."""
        return sum(len(times) - 1 for times in self.taken.values())

    def take(self, body: bytes) -> int:
        """The answer's status."""
        with self._guard:
            if self.down:
                self.refused += 1
                return 503
            event = json.loads(body)
            self.bodies.append(body)
            if "message_id" in event["data"]:
                self.taken[event["id"]].append(event["data"]["notification_id"])
            return 204

    def faults(self, database_url: str) -> Iterator[str]:
        """Each notification of a mail came, under one id of its own, and nothing else did (I2)."""
        with reading(database_url) as db:
            due = set(db.scalars(select(notifications.c.id).where(notifications.c.kind == "mail")))
        with self._guard:
            came = {event_id: set(numbers) for event_id, numbers in self.taken.items()}
        ids = [number for numbers in came.values() for number in numbers]
        yield from (f"notification {number} was not delivered" for number in sorted(due - set(ids)))
        yield from (
            f"an event tells of notification {number}, which there is not" for number in set(ids) - due
        )
        yield from (f"notification {n} came under several ids" for n in due if ids.count(n) > 1)
        yield from (
            f"event {event_id} tells of several things" for event_id, ns in came.items() if len(ns) > 1
        )

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status = receiver.take(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """In silence."""

    return Handler
