"""HTTP/1.1 with keep-alive over plain threads, as small as a fast local server can be.

http.server parses every header block with the email package, which costs more than most of
our answers; this reads the lines itself and sends each answer in one write.
"""

import logging
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import BinaryIO, cast

from infra.local.gmail.http.errors import Headers
from infra.local.gmail.http.line import Trouble

log = logging.getLogger(__name__)

JSON_TYPE = "application/json; charset=UTF-8"
MAX_LINE = 1 << 16
MAX_HEADERS = 200
MAX_BODY = 1 << 29
REASONS = {status.value: status.phrase for status in HTTPStatus}


class BadRequestError(Exception):
    """The bytes on the socket are not HTTP; the connection ends after one 400."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived: the path still percent-encoded, header names in lower case."""

    verb: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; Date, Content-Type and Content-Length are added when it is written."""

    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: Headers = ()
    trouble: Trouble | None = None

    def head(self, length: int | None = None, *, inner: bool = False) -> bytes:
        """Status line and headers with the empty line; `inner` is a part of a batch answer, `length` a wrong one."""
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Unknown')}"]
        if self.body:
            lines.append(f"Content-Type: {self.content_type}")
        # a part of a batch must have a header, or the client library cannot find its body
        lines.append("Vary: Origin" if inner else f"Date: {_date(int(time.time()))}")
        if self.status != 204:
            lines.append(f"Content-Length: {len(self.body) if length is None else length}")
        lines.extend(f"{name}: {value}" for name, value in self.headers)
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def parse_head(lines: list[bytes]) -> dict[str, str]:
    """Header lines into a dict; the first of a doubled name wins."""
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if colon:
            headers.setdefault(name.decode("latin-1").strip().lower(), value.decode("latin-1").strip())
    return headers


def parse_request_line(line: bytes) -> tuple[str, str, str]:
    """(verb, path, query) of "GET /x?y HTTP/1.1"; raises BadRequestError for anything else."""
    parts = line.decode("latin-1").split()
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequestError("not an HTTP request line")
    target = parts[1]
    if not target.startswith("/"):  # absolute form, as a proxy would get it
        target = "/" + target.partition("://")[2].partition("/")[2]
    path, _, query = target.partition("?")
    return parts[0].upper(), path, query


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    rbufsize = 1 << 16

    def handle(self) -> None:
        server = cast("HttpServer", self.server)
        try:
            while server.keep(self.connection) and self._one(server):
                pass
        except (ConnectionError, TimeoutError, ValueError):  # the other side went away
            return
        finally:
            server.forget(self.connection)

    def _one(self, server: "HttpServer") -> bool:
        try:
            request = self._read()
        except BadRequestError as error:
            self._write(Answer(400, str(error).encode(), "text/plain", (("Connection", "close"),)))
            return False
        if request is None:
            return False
        answer = server.answer(request)
        if answer.trouble is None:
            self._write(answer)
        elif not answer.trouble.send(self.connection, answer.head, answer.body):
            return False
        return request.headers.get("connection", "").lower() != "close"

    def _write(self, answer: Answer) -> None:
        self.connection.sendall(answer.head() + answer.body)

    def _read(self) -> Request | None:
        rfile = cast(BinaryIO, self.rfile)
        line = rfile.readline(MAX_LINE + 1)
        while line in (b"\r\n", b"\n"):
            line = rfile.readline(MAX_LINE + 1)
        if not line:
            return None
        if len(line) > MAX_LINE:
            raise BadRequestError("request line too long")
        verb, path, query = parse_request_line(line)
        lines: list[bytes] = []
        while (line := rfile.readline(MAX_LINE + 1)) not in (b"\r\n", b"\n", b""):
            if len(line) > MAX_LINE or len(lines) >= MAX_HEADERS:
                raise BadRequestError("too many headers")
            lines.append(line)
        headers = parse_head(lines)
        if headers.get("expect", "").lower() == "100-continue":
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return Request(verb, path, query, headers, self._body(rfile, headers))

    @staticmethod
    def _body(rfile: BinaryIO, headers: dict[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return _chunks(rfile)
        text = headers.get("content-length", "0")
        if not text.isdecimal() or int(text) > MAX_BODY:
            raise BadRequestError("bad Content-Length")
        body = rfile.read(int(text))
        if len(body) < int(text):
            raise ConnectionAbortedError
        return body


def _chunks(rfile: BinaryIO) -> bytes:
    found: list[bytes] = []
    total = 0
    while True:
        try:
            size = int(rfile.readline(100).split(b";")[0], 16)
        except ValueError as error:
            raise BadRequestError("bad chunk") from error
        total += size
        if size < 0 or total > MAX_BODY:
            raise BadRequestError("bad chunk")
        if size == 0:
            while rfile.readline(MAX_LINE) not in (b"\r\n", b"\n", b""):
                pass
            return b"".join(found)
        found.append(rfile.read(size))
        rfile.readline(3)


class HttpServer(socketserver.ThreadingTCPServer):
    """`serve()` answers on a thread per connection until `close()`."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, host: str, port: int, answer: Callable[[Request], Answer]) -> None:
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._closing = False
        self._answer = answer
        super().__init__((host, port), _Connection)

    def answer(self, request: Request) -> Answer:
        """The application's answer; a bug in it becomes a logged 500, never a dead connection."""
        try:
            return self._answer(request)
        except Exception:
            log.exception("local gmail: %s %s failed", request.verb, request.path)
            return Answer(500, b'{"error": {"code": 500, "message": "bug in the local Gmail"}}')

    def keep(self, connection: socket.socket) -> bool:
        """Remember an open connection; False once the server is closing."""
        with self._guard:
            self._open.add(connection)
            return not self._closing

    def forget(self, connection: socket.socket) -> None:
        """The connection's thread is done with it."""
        with self._guard:
            self._open.discard(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log instead of printing a traceback on standard error."""
        log.exception("local gmail: connection failed")

    def serve(self) -> None:
        """Accept until closed. A plain blocking accept: an idle server costs nothing."""
        while True:
            try:
                connection, address = self.socket.accept()
            except OSError:  # the caller gave up, or we are out of file descriptors for a moment
                time.sleep(0.01)
                continue
            if self._closing:
                connection.close()
                return
            self.process_request(connection, address)

    def close(self) -> None:
        """Stop accepting, end the open connections, wait a moment for their threads."""
        with self._guard:
            self._closing = True
        with socket.socket(self.address_family) as knock:  # wakes accept()
            knock.connect(self.server_address)
        with self._guard:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue
        deadline = time.monotonic() + 2
        while self._open and time.monotonic() < deadline:
            time.sleep(0.002)
