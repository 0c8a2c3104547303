"""Signing in from a terminal: a browser that comes back to this machine, or a pasted URL."""

import sys
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from domain.connections.connections import Wishes
from domain.errors import Refused
from domain.ids import ConnectionId
from handlers.connections import sign_in
from workers.cli.terminal.output import tell

if TYPE_CHECKING:
    from workers.bootstrap import App

ANYWHERE = "http://127.0.0.1/"
"""Where a pasted URL leads: nobody listens there, the browser shows it in its address bar."""

SEEN = b"<!doctype html><title>Lodestone</title><p>You can close this page: the answer is in your terminal."


def by_browser(
    user: str,
    wishes: Wishes,
    *,
    replace: bool,
    app: "App",
    seconds: float = sign_in.GOOD_FOR,
    location: str | None = None,
) -> tuple[ConnectionId, str]:
    """Open the provider's page, wait for the answer on this machine. Whatever ends the waiting, nothing stays."""
    with (
        Landing(_landing(app), app.provider.about.company) as landing,
        _begun(user, landing.uri, wishes, replace, app, location) as (url, state),
    ):
        tell(f"sign in on {app.provider.about.company}'s page; if no browser opens, go to\n{url}")
        landing.expect(state)  # before the browser opens: it may be faster than we are
        Thread(target=webbrowser.open, args=(url,), name="browser", daemon=True).start()  # some stay in it
        answer = landing.wait(seconds)
        return _complete(user, state, answer, app, location)


def by_pasting(
    user: str, wishes: Wishes, *, replace: bool, app: "App", location: str | None = None
) -> tuple[ConnectionId, str]:
    """For a machine without a browser: the person signs in elsewhere and pastes where that led."""
    uri = _landing(app) or ANYWHERE
    with _begun(user, uri, wishes, replace, app, location) as (url, state):
        tell(f"sign in here, on any machine:\n{url}")
        tell("the browser then shows a page that it cannot open: paste its whole address and press Enter")
        answer = _answer_in(sys.stdin.readline())
        if not compare_digest(answer.get("state", "").encode(), state.encode()):
            raise Refused("that is not the address this sign-in led to: begin again")
        return _complete(user, state, answer, app, location)


@contextmanager
def _begun(
    user: str, uri: str, wishes: Wishes, replace: bool, app: "App", location: str | None
) -> Iterator[tuple[str, str]]:
    url, state = sign_in.begin(
        user,
        uri,
        wishes,
        provider=app.provider.about.name,
        replace=replace,
        context=app.context,
        location=location,
    )
    try:
        yield url, state
    finally:
        sign_in.abandon(user, state, app.context, location)


def _answer_in(address: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(urlsplit(address.strip()).query))
    except ValueError:
        return {}


def _complete(
    user: str, state: str, answer: Mapping[str, str], app: "App", location: str | None
) -> tuple[ConnectionId, str]:
    code, error = answer.get("code"), answer.get("error")
    return sign_in.complete(user, state, code, error=error, context=app.context, location=location)


def _landing(app: "App") -> str | None:
    """Where the page is to lead the browser; None for any port of this machine."""
    page = app.provider.sign_in
    return None if page is None else page.landing()


class Landing:
    """A small web server for one answer; a context manager."""

    def __init__(self, uri: str | None, company: str) -> None:
        self._company = company
        place = urlsplit(uri or "http://127.0.0.1:0/")
        self._answers: Queue[dict[str, str]] = Queue()
        self._state = ""
        try:
            self._server = ThreadingHTTPServer(
                (place.hostname or "", place.port or 0), self._handler(place.path)
            )
        except OSError as error:
            raise Refused(f"{uri} cannot be listened on ({type(error).__name__}): add --no-browser") from None
        self._server.daemon_threads = True
        self.uri = uri or f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> "Landing":
        Thread(target=self._server.serve_forever, args=(0.05,), name="landing", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def expect(self, state: str) -> None:
        """Who comes with this state is taken, others are sent away."""
        self._state = state

    def wait(self, seconds: float) -> dict[str, str]:
        """What the browser brought. Raises Refused when none comes in time."""
        try:
            return self._answers.get(timeout=seconds)
        except Empty:
            raise Refused(f"nobody came back from {self._company}'s page in time: begin again") from None

    def _take(self, answer: dict[str, str]) -> bool:
        state = answer.get("state", "")
        if not self._state or not compare_digest(state.encode(), self._state.encode()):
            return False
        self._answers.put(answer)
        return True

    def _handler(self, path: str) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                known = self.path.partition("?")[0] == (path or "/") and take(_answer_in(self.path))
                self.send_response(200 if known else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(SEEN if known else b"")

            def log_message(self, *_: object) -> None:
                """The code stands in the request line (I10)."""

        return Handler
