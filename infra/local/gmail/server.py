"""The server: one port for OAuth, the Gmail API, its batch endpoint and control."""

import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.local.gmail.api import Api, refusal
from infra.local.gmail.control.control import PREFIX, Control
from infra.local.gmail.control.faults import Fault
from infra.local.gmail.http import batch, discovery
from infra.local.gmail.http.errors import ApiError, Json
from infra.local.gmail.http.line import trouble_of
from infra.local.gmail.http.uploads import PREFIXES
from infra.local.gmail.http.wire import Answer, HttpServer, Request
from infra.local.gmail.mailbox import Message
from infra.local.gmail.sign_in import oauth
from infra.local.gmail.world import World

API = ("/gmail/v1/", *PREFIXES)


class GmailServer:
    """A Gmail on a loopback port; a context manager.

    `port` 0 takes a free port. `pubsub_host` is HOST:PORT of a Pub/Sub emulator; without it watches work, but no
    notification is sent. `push_interval` is the least number of seconds between two notifications of a mailbox. `seed`
    makes ids and history steps repeatable. All state ends with `stop()`.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        pubsub_host: str | None = None,
        *,
        spool_folder: Path | None = None,
        push_interval: float = 1.0,
        token_lifetime: float = 3599,
        seed: int = 0,
    ) -> None:
        discovery.load()
        self.world = World(
            pubsub_host,
            spool_folder=spool_folder,
            push_interval=push_interval,
            token_lifetime=token_lifetime,
            seed=seed,
        )
        self._api = Api(self.world)
        self._control = Control(self.world, lambda: self.url, self._stop_soon)
        self._ended = threading.Event()
        self._stopping = threading.Lock()
        try:
            self._http = HttpServer(host, port, self._answer)
        except OSError:
            self.world.close()
            raise
        self._thread = threading.Thread(target=self._http.serve, name="gmail-http", daemon=True)

    @property
    def url(self) -> str:
        """http://HOST:PORT, without a slash at the end."""
        host, port = self._http.server_address[:2]
        return f"http://{host if isinstance(host, str) else host.decode()}:{port}"

    def start(self) -> Self:
        """Start to serve, on threads of its own."""
        self.world.push.start()
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close every connection, publish what is queued, remove the spool. May be called twice."""
        with self._stopping:
            if self._ended.is_set():
                return
            if self._thread.is_alive():
                self._http.close()
                self._thread.join()
            self._http.server_close()
            self.world.close()
            self._ended.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until stop() is called, in this process or through control; False after `timeout` seconds."""
        return self._ended.wait(timeout)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def create_mailbox(
        self, address: str, aliases: Collection[str] = (), scopes: Collection[str] = ()
    ) -> Json:
        """Create a mailbox, or one more consent for it; returns the authorized-user credentials."""
        mailbox = self.world.create_mailbox(address, aliases)
        return self._control.credentials(self.world.accounts.grant(mailbox.address, tuple(scopes)))

    def deliver(
        self,
        mailbox: str,
        raw: bytes,
        labels: Collection[str] | None = None,
        internal_date: int | None = None,
        thread_id: str | None = None,
    ) -> Message:
        """As World.deliver: into INBOX and UNREAD, or with exactly these labels (ids or names)."""
        return self.world.deliver(mailbox, raw, labels, internal_date, thread_id)

    def _answer(self, request: Request) -> Answer:
        path = request.path
        if path.startswith(API):
            return self._single(request)
        if path in batch.PATHS and request.verb == "POST":
            return self._batch(request)
        if path == oauth.AUTH_PATH and request.verb == "GET":
            return oauth.page(request, self.world)
        if path == oauth.TOKEN_PATH and request.verb == "POST":
            return self._token(request)
        if path == oauth.REVOKE_PATH and request.verb == "POST":
            return oauth.revoke(request, self.world)
        if path.startswith(PREFIX):
            return self._control.answer(request)
        return refusal(ApiError(404, "notFound", f"Not found: {request.verb} {path}"))

    def _single(self, request: Request) -> Answer:
        self.world.meter.note("http_requests")
        if not self.world.faults:
            return self._api.answer(request)
        method, message_ids = self._api.concerned(request)
        fault = self.world.faults.line(
            (method,), self.world.caller(request.headers.get("authorization", "")), message_ids
        )
        return _on_line(fault, lambda: self._api.answer(request))

    def _batch(self, request: Request) -> Answer:
        self.world.meter.note("http_requests")
        faults = self.world.faults
        try:
            calls = batch.opened(request)
            if not faults:
                return batch.answer(calls, self._api)
            caller = self.world.caller(request.headers.get("authorization", ""))
            faults.check("batch", caller)
        except ApiError as error:
            return refusal(error)
        methods, message_ids = calls.concerned(self._api)
        nameless = faults.struck("batch_no_ids", caller, methods, message_ids)
        shuffled = faults.struck("batch_shuffled", caller, methods, message_ids)
        fault = faults.line(methods, caller, message_ids)
        return _on_line(fault, lambda: batch.answer(calls, self._api, nameless, shuffled))

    def _token(self, request: Request) -> Answer:
        token_uri = f"{self.url}{oauth.TOKEN_PATH}"
        if not self.world.faults:
            return oauth.token(request, self.world, token_uri)
        fault = self.world.faults.line(("token",), oauth.address_of(request, self.world), ())
        return _on_line(fault, lambda: oauth.token(request, self.world, token_uri))

    def _stop_soon(self) -> None:
        """Stop from outside the thread that answers, so that the answer still goes out."""
        threading.Timer(0.05, self.stop).start()


def _on_line(fault: Fault | None, answer: Callable[[], Answer]) -> Answer:
    """The answer with what befalls it on its way; a request that never got through is not even worked on."""
    if fault is None:
        return answer()
    if fault.kind in ("cut", "timeout") and not fault.after:
        return Answer(200, trouble=trouble_of(fault, empty=True))
    found = answer()
    return replace(found, trouble=trouble_of(fault, empty=not found.body))
