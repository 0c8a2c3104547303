"""A receiver of webhooks on loopback, as somebody else would write one: it checks signatures and counts ids."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self

from standardwebhooks import Webhook, WebhookVerificationError

Answer = tuple[int, Mapping[str, str]]


@dataclass(slots=True)
class Got:
    """One POST and when it came: its headers in lower case, and the event where the signature holds."""

    headers: Mapping[str, str]
    body: bytes
    event: Mapping[str, Any] | None
    answered: int
    at: datetime


@dataclass
class Receiver:
    """Listens while it is entered. `secrets` are those of its channels; `answers` are given in turn, 204 when there
    are none; while `open` is cleared it lets everybody wait. `seconds` is what each answer takes it, `connections` how
    many were made."""

    secrets: list[str] = field(default_factory=list)
    answers: deque[Answer] = field(default_factory=deque)
    got: list[Got] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)
    tls: SSLContext | None = None
    port: int = 0
    seconds: float = 0
    connections: int = 0

    def __enter__(self) -> Self:
        self.open.set()
        self._server = _server(self)(("127.0.0.1", self.port), _handler(self))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        if self.tls:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/hook"

    @property
    def taken(self) -> list[Mapping[str, Any]]:
        """The events that it has accepted, repeats and all."""
        return [one.event for one in self.got if one.event is not None and 200 <= one.answered < 300]

    @property
    def unsigned(self) -> int:
        """How many of all posts were not signed by one of its secrets."""
        return sum(one.event is None for one in self.got)

    def verified(self, body: bytes, headers: dict[str, str]) -> Mapping[str, Any] | None:
        """The event, if one of the secrets has signed it just now."""
        for secret in self.secrets:
            try:
                event: Mapping[str, Any] = Webhook(secret).verify(body, headers)
            except WebhookVerificationError:
                continue
            return event
        return None


def _server(receiver: Receiver) -> type[ThreadingHTTPServer]:
    class Server(ThreadingHTTPServer):
        def process_request(self, *arguments: Any) -> None:
            receiver.connections += 1
            super().process_request(*arguments)

    return Server


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            receiver.open.wait(60)
            time.sleep(receiver.seconds)
            status, more = receiver.answers.popleft() if receiver.answers else (204, {})
            event = receiver.verified(body, headers)
            receiver.got.append(Got(headers, body, event, status, datetime.now(UTC)))
            try:
                self.send_response(status)
                for name, value in {"Content-Length": "0", **more}.items():
                    self.send_header(name, value)
                self.end_headers()
            except OSError:
                return  # whoever sent it has stopped waiting

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library names it
            """It keeps quiet."""

    return Handler
