"""Webhooks: CloudEvents in a POST signed as Standard Webhooks, to an address that was looked at (D2, I10).

Made of the standard library's own parts, because it must be certain whom it talks to: the host is resolved once,
every address looked at, the connection made to one of these, and certificate and Host header are the host's.
Redirects are not followed and the proxies of the environment not used: both could lead elsewhere.
"""

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from standardwebhooks import Webhook

from domain.channels import Answer, Target, Unusable, Verdict, judge
from infra.faults import reached
from infra.notifiers.addresses import Resolve, checked, system_resolve

MOST = 64 << 10
"""Bytes of an answer that are read, and dropped."""


@dataclass(frozen=True, slots=True)
class _Place:
    host: str
    port: int
    path: str
    secure: bool


class WebhookSender:
    """Sends events; connecting, sending and the answer take so many seconds together at most. `may_be_private` allows
    targets in our own network, and http there."""

    def __init__(
        self,
        *,
        may_be_private: bool,
        seconds: float = 10,
        resolve: Resolve = system_resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._may_be_private = may_be_private
        self._seconds = seconds
        self._resolve = resolve
        self._tls = tls or ssl.create_default_context()

    def check(self, url: str) -> None:
        """Raises Unusable for a URL that nothing may be sent to."""
        place = self._place(url)
        try:
            self._addresses(place)
        except OSError:
            raise Unusable(f"the host {place.host} cannot be found") from None

    def send(self, target: Target, event: Mapping[str, Any]) -> Answer:
        """One POST. The answer's body is dropped."""
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        headers = _headers(target, str(event["id"]), body)
        try:
            place = self._place(target.url)
            addresses = self._addresses(place)
        except Unusable:
            return Answer(Verdict.LATER, "private address", untouched=True)
        except OSError:
            return Answer(Verdict.LATER, "host not found", untouched=True)
        return self._post(place, addresses, body.encode(), headers)

    def _post(
        self, place: _Place, addresses: tuple[str, ...], body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        asked = False
        try:
            with self._connected(place, addresses) as (connection, over), reached("deliveries.post"):
                asked = True
                connection.request("POST", place.path, body, dict(headers))
                response = connection.getresponse()
                too_late = over.is_set()
                with suppress(OSError, http.client.HTTPException):
                    response.read(MOST)
        except ssl.SSLCertVerificationError:
            return Answer(Verdict.LATER, "certificate", untouched=True)
        except TimeoutError:
            return Answer(Verdict.LATER, "timeout", untouched=not asked)
        except (OSError, http.client.HTTPException) as error:
            return Answer(Verdict.LATER, type(error).__name__, untouched=not asked)
        if too_late:
            return Answer(Verdict.LATER, "timeout")
        return judge(response.status, response.headers.get("retry-after"), datetime.now(UTC))

    @contextmanager
    def _connected(
        self, place: _Place, addresses: tuple[str, ...]
    ) -> Iterator[tuple[http.client.HTTPConnection, threading.Event]]:
        """A connection to the first address that answers, and whether its time is over: the socket is shut then,
        so that nobody can hold it by sending a byte now and then."""
        began = time.monotonic()
        plain = self._first(addresses, place.port)
        with closing(plain):
            if place.secure:
                plain = self._tls.wrap_socket(
                    plain, server_hostname=place.host, do_handshake_on_connect=False
                )
            over = threading.Event()
            timer = threading.Timer(self._seconds - (time.monotonic() - began), _shut, (plain, over))
            timer.start()
            connection = http.client.HTTPConnection(place.host, place.port)
            connection.default_port = 443 if place.secure else 80
            connection.sock = plain
            try:
                if isinstance(plain, ssl.SSLSocket):
                    plain.do_handshake()
                yield connection, over
            except (OSError, http.client.HTTPException):
                if over.is_set():
                    raise TimeoutError from None
                raise
            finally:
                timer.cancel()
                connection.close()
                plain.close()

    def _first(self, addresses: tuple[str, ...], port: int) -> socket.socket:
        end = time.monotonic() + self._seconds
        failed: OSError | None = None
        for address in addresses:
            left = end - time.monotonic()
            if left <= 0:
                break
            try:
                return socket.create_connection((address, port), timeout=left)
            except OSError as error:
                failed = error
        raise failed or TimeoutError

    def _addresses(self, place: _Place) -> tuple[str, ...]:
        return checked(place.host, place.port, may_be_private=self._may_be_private, resolve=self._resolve)

    def _place(self, url: str) -> _Place:
        """The parts of a URL. Raises Unusable for one that is malformed or not allowed."""
        if not url.isprintable() or " " in url:
            raise Unusable("that is no URL; https://hooks.example.com/crm is one")
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").encode("idna").decode()
            port = parts.port
        except ValueError:
            raise Unusable("that is no URL; https://hooks.example.com/crm is one") from None
        if parts.scheme not in ("http", "https") or not host:
            raise Unusable("that is no URL; https://hooks.example.com/crm is one")
        if parts.username is not None or parts.password is not None:
            raise Unusable("a user name or password in the URL is not used: the signature proves who sends")
        secure = parts.scheme == "https"
        if not secure and not self._may_be_private:
            raise Unusable("a webhook's URL begins with https://")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return _Place(host, port or (443 if secure else 80), _ascii(path), secure)


def _ascii(path: str) -> str:
    """The path as a request line can carry it."""
    return quote(path, safe="/%:?=&+,;@!$'()*~-._[]")


def _headers(target: Target, event_id: str, body: str) -> Mapping[str, str]:
    now = datetime.now(UTC)
    return {
        "Content-Type": "application/cloudevents+json; charset=utf-8",
        "User-Agent": "Lodestone",
        "Connection": "close",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(target.secret or "").sign(event_id, now, body),
    }


def _shut(connection: socket.socket, over: threading.Event) -> None:
    """Not SSLSocket's own shutdown: the thread that reads is still using what that takes away."""
    over.set()
    with suppress(OSError):  # it may have ended by itself
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
