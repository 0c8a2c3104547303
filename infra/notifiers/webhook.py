"""Webhooks: CloudEvents in a POST signed as Standard Webhooks, to an address that was checked (D2, I10).

With the standard library's own parts the receiver is certain: the host is resolved once, every address is checked, the
connection goes to one of these, and the certificate and the Host header are the host's. Redirects are not followed and
the proxies of the environment not used, because both could lead elsewhere.
"""

import http.client
import json
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

from standardwebhooks import Webhook

from domain.channels import ReceiverAnswer, ReceiverVerdict, Target, Unusable, judge
from infra.faults import reached
from infra.notifiers.addresses import Resolve, checked, system_resolve
from infra.notifiers.wires import Left, Wire, Wires

MOST = 64 << 10
"""Bytes of an answer's body that are read, then dropped."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class _HungUp(Exception):
    """The receiver has ended a kept connection, as it may at any time. The event goes out by a new one."""


@dataclass(frozen=True, slots=True)
class _Place:
    host: str
    port: int
    path: str
    secure: bool


class WebhookSender:
    """Sends events. Connecting, sending and the answer together take `seconds` at most. `may_be_private` allows targets
    in our own network, and http to any target."""

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
        """Raises Unusable for a URL that is not allowed, or whose host cannot be found."""
        place = _place(url, self._may_be_private)
        try:
            self._addresses(place)
        except OSError:
            raise Unusable(f"the host {place.host} cannot be found") from None

    def send(self, target: Target, event: Mapping[str, Any], wires: Wires | None = None) -> ReceiverAnswer:
        """Send one POST; the answer's body is dropped.

        An idle connection of `wires` to the same place is used again. The connection stays in `wires` for the next
        event; without `wires` it is closed.
        """
        if wires is None:
            with Wires() as once:
                return self.send(target, event, once)
        body = _ENCODER.encode(event)
        try:
            place = _place(target.url, self._may_be_private)
            request = _request(place, target.secret or "", str(event["id"]), body)
            kept = wires.kept(place)
            if kept is not None:
                kept.ends = time.monotonic() + self._seconds
                with suppress(_HungUp):
                    return self._post(place, kept, (), wires, request)
            addresses = self._addresses(place)
        except Unusable:
            return ReceiverAnswer(ReceiverVerdict.LATER, "private address", untouched=True)
        except OSError:
            return ReceiverAnswer(ReceiverVerdict.LATER, "host not found", untouched=True)
        wire = Wire(place, time.monotonic() + self._seconds)
        return self._post(place, wire, addresses, wires, request)

    def _post(
        self, place: _Place, wire: Wire, addresses: tuple[str, ...], wires: Wires, request: bytes
    ) -> ReceiverAnswer:
        """Raises _HungUp when the receiver has ended a kept connection. It may have taken the event all the same; the
        repeat has the same id."""
        was_kept, asked = wire.is_whole, False
        try:
            with wires.used(wire):
                opened = wire.socket if wire.socket else self._open(place, wire, addresses)
                with reached("deliveries.post"):
                    asked, wire.is_whole = True, False
                    opened.sendall(request)
                    response = http.client.HTTPResponse(opened, method="POST")
                    response.begin()
                    too_late = wire.is_over
                    with suppress(OSError, http.client.HTTPException):
                        response.read(MOST)
                        wire.is_whole = response.isclosed() and not response.will_close
        except ssl.SSLCertVerificationError:
            return ReceiverAnswer(ReceiverVerdict.LATER, "certificate", untouched=True)
        except Left:
            return ReceiverAnswer(ReceiverVerdict.LEFT, "stopping", untouched=not asked)
        except TimeoutError:
            return ReceiverAnswer(ReceiverVerdict.LATER, "timeout", untouched=not asked)
        except (OSError, http.client.HTTPException) as error:
            if was_kept and isinstance(error, ConnectionError | ssl.SSLError):
                raise _HungUp from None
            return ReceiverAnswer(ReceiverVerdict.LATER, type(error).__name__, untouched=not asked)
        if too_late:
            return ReceiverAnswer(ReceiverVerdict.LATER, "timeout")
        return judge(response.status, response.headers.get("retry-after"), datetime.now(UTC))

    def _open(self, place: _Place, wire: Wire, addresses: tuple[str, ...]) -> socket.socket:
        """Connect, by TLS if the place is secure."""
        plain = _dialled(wire, addresses, place.port)
        if not place.secure:
            return plain
        secure = self._tls.wrap_socket(plain, server_hostname=place.host, do_handshake_on_connect=False)
        wire.socket = secure
        secure.settimeout(wire.seconds_left)
        secure.do_handshake()
        return secure

    def _addresses(self, place: _Place) -> tuple[str, ...]:
        return checked(place.host, place.port, may_be_private=self._may_be_private, resolve=self._resolve)


@lru_cache(maxsize=256)
def _place(url: str, may_be_private: bool) -> _Place:
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
    if not secure and not may_be_private:
        raise Unusable("a webhook's URL begins with https://")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Place(host, port or (443 if secure else 80), _ascii(path), secure)


def _ascii(path: str) -> str:
    """The path, quoted for the request line."""
    return quote(path, safe="/%:?=&+,;@!$'()*~-._[]")


def _request(place: _Place, secret: str, event_id: str, body: str) -> bytes:
    """Head and body in one piece: sent in two, the second would wait until the first is acknowledged."""
    now = datetime.now(UTC)
    host = f"[{place.host}]" if ":" in place.host else place.host
    usual = 443 if place.secure else 80
    content = body.encode()
    head = (
        f"POST {place.path} HTTP/1.1",
        f"Host: {host}" if place.port == usual else f"Host: {host}:{place.port}",
        "User-Agent: Lodestone",
        "Content-Type: application/cloudevents+json; charset=utf-8",
        f"Content-Length: {len(content)}",
        f"webhook-id: {event_id}",
        f"webhook-timestamp: {int(now.timestamp())}",
        f"webhook-signature: {_signer(secret).sign(event_id, now, body)}",
    )
    return "\r\n".join((*head, "", "")).encode("ascii") + content


@lru_cache(maxsize=256)
def _signer(secret: str) -> Webhook:
    return Webhook(secret)


def _dialled(wire: Wire, addresses: tuple[str, ...], port: int) -> socket.socket:
    """Connect to the first address that answers. The wire has the socket before, so that connecting can be cut."""
    failed: OSError | None = None
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        plain = wire.socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            plain.settimeout(wire.seconds_left)
            plain.connect((address, port))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            plain.close()
            failed = error
        else:
            return plain
    raise failed or TimeoutError
