"""A CRM's own receiver of notifications: it takes events, is down now and then, and remembers what it got."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from infra.local.ports import LOOPBACK
from tests.chaos.books import Books
from tests.chaos.people import name_of
from tests.chaos.places import Place


class Receiver:
    """Of all that the users of an organisation are told, or of what one of them is: its channel belongs to the
    organisation of the place.

    `down` makes it refuse everything. `taken` has the notifications of mail that came under each event id.
    That a user must sign in is told, too, but leaves the list when he has: of that only the connections are kept.
    """

    def __init__(self, place: Place, user: str = "") -> None:
        self.place = place
        self.user = user
        self.down = False
        self.refused = 0
        self.bodies: list[bytes] = []
        self.taken: defaultdict[str, list[int]] = defaultdict(list)
        self._mails: dict[int, dict[str, Any]] = {}
        self._troubled: set[tuple[int, str]] = set()
        self._guard = threading.Lock()
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _handler(self))

    @property
    def words(self) -> list[str]:
        """Of `lodestone channels` that make events come here."""
        whose = ["--user", self.user] if self.user else []
        return ["channels", "add", "--webhook", self._url, *whose, "--location", str(self.place)]

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
            data = event["data"]
            if "message_id" in data:
                self.taken[event["id"]].append(data["notification_id"])
                self._mails[data["notification_id"]] = data | {"location": event["location"]}
            elif "connection_id" in data:
                self._troubled.add((data["connection_id"], event["location"]))
            return 204

    def faults(self, books: Books) -> Iterator[str]:
        """Each notification of a mail came, under one id of its own, and nothing else did, of the other organisation
        least of all (I2, T2)."""
        organisation = books.locations[self.place].organisation_id
        due = {
            row.id: row
            for row in books.told
            if row.organisation_id == organisation and self.user in ("", row.user_id)
        }
        with self._guard:
            came = {event_id: set(numbers) for event_id, numbers in self.taken.items()}
            mails, troubled = dict(self._mails), set(self._troubled)
        ids = [number for numbers in came.values() for number in numbers]
        yield from (f"{self} was not told of notification {n}" for n in sorted(due.keys() - set(ids)))
        yield from (f"{self} was told of notification {n}" for n in set(ids) - due.keys())
        yield from (f"notification {n} came to {self} under several ids" for n in due if ids.count(n) > 1)
        yield from (
            f"event {event_id} tells of several things" for event_id, ns in came.items() if len(ns) > 1
        )
        yield from (
            f"notification {number} came to {self} with {wrong}"
            for number, row in due.items()
            for wrong in _wrong(mails.get(number, {}), row, books)
        )
        here = {
            (connection, str(place))
            for (place, _), connection in books.connection_ids.items()
            if place.organisation == self.place.organisation
        }
        yield from (f"{self} was told of connection {one} of {where}" for one, where in troubled - here)

    def __str__(self) -> str:
        return f"the receiver of {self.user or 'everybody'} at {self.place.organisation}"

    @property
    def _url(self) -> str:
        return f"http://{LOOPBACK}:{self._server.server_port}/events"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _wrong(data: dict[str, Any], row: Any, books: Books) -> Iterator[str]:
    """What of an event is not as the list has it, and as its location calls the contact."""
    place = next(place for place, here in books.locations.items() if here.id == row.location_id)
    its = {
        "location": str(place),
        "user_id": row.user_id,
        "connection_id": row.connection_id,
        "message_id": row.message_id,
        "contact_id": row.contact_id,
        "name": name_of(row.contact_id, place),
        "from": row.author,
    }
    yield from (f"{name} {data[name]}" for name, value in its.items() if data and data[name] != value)


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
