"""The wires to Google: one Http per thread, counted per mailbox, and the access token kept fresh on them."""

import http.client
import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import httplib2
from google.auth.exceptions import GoogleAuthError
from google.oauth2.credentials import Credentials

from domain.errors import AccessRevoked, TryAgain
from domain.mailboxes import Grant
from infra.faults import reach
from infra.gmail.costs import TOKEN, Spent
from infra.gmail.refusals import ODD_ANSWER, http_date

T = TypeVar("T")

# It warns with the whole body of a 403 that it cannot read.
logging.getLogger("googleapiclient.http").setLevel(logging.ERROR)


def remote(name: str, send: Callable[[], T]) -> T:
    """Every remote call goes through here, so that a test can make us die on either side of it."""
    reach(f"gmail.{name}.before")
    answer = send()
    reach(f"gmail.{name}.after")
    return answer


class Lines:
    """One httplib2.Http per thread: it is not thread-safe, and all mailboxes may share its connections."""

    def __init__(self, timeout_seconds: float, *, proxied: bool) -> None:
        self._timeout = timeout_seconds
        self._proxied = proxied
        self._mine = threading.local()
        self._all: list[httplib2.Http] = []

    def mine(self) -> httplib2.Http:
        """This thread's Http. A redirect is an odd answer, never a way to another host."""
        line: httplib2.Http | None = getattr(self._mine, "line", None)
        if line is None:
            options = {} if self._proxied else {"proxy_info": None}
            line = self._mine.line = httplib2.Http(timeout=self._timeout, **options)
            line.follow_redirects = False
            self._all.append(line)
        return line

    def close(self) -> None:
        """Hang up everywhere, once no thread is in a call any more."""
        for line in self._all:
            line.close()


class Meter:
    """The thread's Http as one mailbox sees it: requests counted, broken lines told as TryAgain."""

    def __init__(self, lines: Lines, spent: Spent) -> None:
        self._lines = lines
        self._spent = spent
        self._date = ""
        self.due = 0

    @property
    def answered_at(self) -> datetime | None:
        """The Date of the last answer: the provider's clock (W14)."""
        return http_date(self._date)

    def now(self) -> datetime:
        """The provider's clock, ours where it showed none."""
        return self.answered_at or datetime.now(UTC)

    def request(self, uri: str, method: str = "GET", **kwargs: Any) -> tuple[httplib2.Response, bytes]:
        """httplib2's own request. What is due is paid once the API is reached: a 401 was turned away at the
        door, and a batch whose parts were is not paid again when they are repeated."""
        self._spent.requests += 1
        self._date = ""
        line = self._lines.mine()
        try:
            response, content = line.request(uri, method, **kwargs)
        except (ConnectionRefusedError, httplib2.ServerNotFoundError):
            trouble = "unreachable"
        except TimeoutError:
            trouble = "timeout"
        except (OSError, httplib2.HttpLib2Error, http.client.HTTPException):
            trouble = "connection_broken"
        else:
            self._date = response.get("date", "")
            if response.status != 401:
                self._pay()
            return response, content
        line.close()  # half an answer may still be in it
        if trouble != "unreachable":
            self._pay()
        raise TryAgain(trouble)

    def _pay(self) -> None:
        self._spent.units += self.due
        self.due = 0

    def post(self, uri: str, **kwargs: Any) -> tuple[httplib2.Response, bytes]:
        """A request that costs no units."""
        due, self.due = self.due, 0
        try:
            return self.request(uri, "POST", **kwargs)
        finally:
            self.due = due


class _TokenAnswer(NamedTuple):
    """An answer as google-auth reads it."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class Access(Credentials):
    """A grant at work. Whoever asks for a refresh, it runs over the mailbox's own wire and is tried once:
    google-auth would repeat it with sleeps, googleapiclient's batch would open a wire of its own."""

    def __init__(self, grant: Grant, meter: Meter) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # google-auth types parts only
            grant.access_token,
            refresh_token=grant.refresh_token,
            token_uri=grant.token_uri,
            client_id=grant.client_id,
            client_secret=grant.client_secret,
            expiry=grant.expires_at and grant.expires_at.astimezone(UTC).replace(tzinfo=None),
        )
        self._grant = grant
        self._meter = meter

    @property
    def grant(self) -> Grant:
        """The grant with the tokens as they are now."""
        expiry: datetime | None = self.expiry
        return replace(
            self._grant,
            refresh_token=self.refresh_token,
            access_token=self.token,
            expires_at=expiry and expiry.replace(tzinfo=UTC),
        )

    def refresh(self, request: object) -> None:
        """Raises AccessRevoked for invalid_grant (E86), TryAgain for anything else that goes wrong."""
        remote(TOKEN, lambda: self._refresh())

    def _refresh(self) -> None:
        try:
            super().refresh(self._ask)  # type: ignore[no-untyped-call]  # google-auth types parts only
        except (GoogleAuthError, ValueError, LookupError, TypeError):
            raise TryAgain(ODD_ANSWER) from None

    def _ask(self, url: str, method: str, body: bytes, headers: dict[str, str], **_: object) -> _TokenAnswer:
        response, content = self._meter.post(url, body=body, headers=headers)
        try:
            said = json.loads(content)
            error, token = said.get("error"), said.get("access_token")
        except (ValueError, AttributeError):
            error = token = None
        if response.status == 200 and isinstance(token, str) and token:
            return _TokenAnswer(response.status, response, content)
        if error == "invalid_grant":
            raise AccessRevoked("invalid_grant")
        raise TryAgain(f"token_http_{response.status}")
