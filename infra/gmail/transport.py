"""The wires to Google: one Http per thread, counted per mailbox, and the access token kept fresh on them."""

import http.client
import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

import httplib2
from google.auth.exceptions import GoogleAuthError
from google.oauth2.credentials import Credentials
from httplib2.decode import DecodeLimitError, DecodeRatioError

from domain.errors import GrantRefused, TryAgain
from infra.faults import reach
from infra.gmail.bounds import LIMITS, MOST, TooLargeError
from infra.gmail.costs import TOKEN, Spent
from infra.gmail.delegation import JWT_BEARER, ServiceAccount
from infra.gmail.errors import ODD_ANSWER, http_date, of_token
from infra.gmail.grants import GoogleGrant
from infra.gmail.timer import ANY_TIMES, ONCE, Held, Out, Timer
from infra.settings import CALL_PATIENCE

T = TypeVar("T")
FORM = {"content-type": "application/x-www-form-urlencoded"}

# It warns with the whole body of a 403 that it cannot read.
logging.getLogger("googleapiclient.http").setLevel(logging.ERROR)


def remote(name: str, send: Callable[[], T]) -> T:
    """Every remote call goes through here, so that a test can make us die on either side of it."""
    reach(f"gmail.{name}.before")
    answer = send()
    reach(f"gmail.{name}.after")
    return answer


class Hung(TryAgain):
    """No answer came in time, or the line broke before it was there: perhaps for the sake of one mail."""


class TooLarge(TryAgain):
    """More came than may be taken in. It was paid."""


UNREACHABLE, TOO_LARGE = "unreachable", "too_large"

PATIENCE = 5
"""Times the usual timeout that Gmail may take for a mail of its full size."""


class Lines:
    """One httplib2.Http per thread: it is not thread-safe, and all mailboxes may share its connections."""

    def __init__(self, timeout_seconds: float, *, proxied: bool) -> None:
        self.timer = Timer(timeout_seconds * CALL_PATIENCE)
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

    def once(self) -> httplib2.Http:
        """A line for one request that may take long. httplib2 sends a request again by itself when a line that it
        had kept open breaks under it (FACTS §3): here it can dial once only."""
        options = {} if self._proxied else {"proxy_info": None}
        line = httplib2.Http(timeout=self._timeout * PATIENCE, **options)
        line.follow_redirects = False
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
        self.held: Held | None = None
        self.charge: Callable[[int], object] = lambda units: None

    @property
    def answered_at(self) -> datetime | None:
        """The Date of the last answer: the provider's clock (W14)."""
        return http_date(self._date)

    def now(self) -> datetime:
        """The provider's clock, ours where it showed none."""
        return self.answered_at or datetime.now(UTC)

    def request(
        self, uri: str, method: str = "GET", *, line: httplib2.Http | None = None, **kwargs: Any
    ) -> tuple[httplib2.Response, bytes]:
        """httplib2's own request, on another line than the thread's where one for once is given. What is due is
        paid once the API is reached: a 401 was turned away at the door, and a batch whose parts were is not paid
        again when they are repeated."""
        self._spent.requests += 1
        self._date = ""
        kwargs["connection_type"] = (ONCE if line else ANY_TIMES)[uri.partition(":")[0]]
        line = line or self._lines.mine()
        line.limit_kwargs = {"hard_limit": LIMITS.get(method, MOST)}
        try:
            with Out(self._lines.timer, line, self.held):
                response, content = line.request(uri, method, **kwargs)
        except (ConnectionRefusedError, httplib2.ServerNotFoundError):
            trouble = UNREACHABLE
        except TimeoutError:
            trouble = "timeout"
        except (TooLargeError, DecodeLimitError, DecodeRatioError):
            trouble = TOO_LARGE
        except (OSError, httplib2.HttpLib2Error, http.client.HTTPException):
            trouble = "connection_broken"
        else:
            self._date = response.get("date", "")
            if response.status != 401:
                self._pay()
            return response, content
        line.close()  # half an answer may still be in it
        if trouble == UNREACHABLE:
            raise TryAgain(trouble)
        self._pay()
        raise TooLarge(trouble) if trouble == TOO_LARGE else Hung(trouble)

    def _pay(self) -> None:
        if self.due:
            self._spent.units += self.due
            self.charge(self.due)
            self.due = 0

    def once(self) -> "Once":
        """A line for one request."""
        return Once(self, self._lines.once())

    def post(self, uri: str, **kwargs: Any) -> tuple[httplib2.Response, bytes]:
        """A request that costs no units, and is for no mail's sake."""
        due, self.due = self.due, 0
        try:
            return self.request(uri, "POST", **kwargs)
        except Hung as error:
            trouble = error.reason
        finally:
            self.due = due
        raise TryAgain(trouble)


class Once:
    """The meter, for a request that must not go out twice."""

    def __init__(self, meter: Meter, line: httplib2.Http) -> None:
        self._meter = meter
        self._line = line

    def request(self, uri: str, method: str = "GET", **kwargs: Any) -> tuple[httplib2.Response, bytes]:
        """A token that is refused at the door may be replaced and the request repeated on the line that is open."""
        return self._meter.request(uri, method, line=self._line, **kwargs)

    def close(self) -> None:
        """Hang up."""
        self._line.close()


class _TokenAnswer(NamedTuple):
    """An answer as google-auth reads it."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class Access(Credentials):
    """A grant at work. Whoever asks for a refresh, it runs over the mailbox's own wire and is tried once:
    google-auth would repeat it with sleeps, googleapiclient's batch would open a wire of its own.

    A grant with a subject is the service account's: it asks for its tokens with a signed assertion.
    """

    def __init__(
        self, grant: GoogleGrant, meter: Meter, service_account: ServiceAccount | None = None
    ) -> None:
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
        self._service_account = service_account
        self._told = grant.scopes

    @property
    def quota_user(self) -> str | None:
        """Whom Google is to count the calls for; None where the token says that."""
        account, subject = self._service_account, self._grant.subject
        return None if account is None or subject is None else account.quota_user(subject)

    @property
    def grant(self) -> GoogleGrant:
        """The grant with the tokens as they are now, and the scopes that Google last said it has."""
        expiry: datetime | None = self.expiry
        return replace(
            self._grant,
            refresh_token=self.refresh_token,
            access_token=self.token,
            expires_at=expiry and expiry.replace(tzinfo=UTC),
            scopes=self._told,
        )

    def refresh(self, request: object) -> None:
        """Raises AccessRevoked for a grant that Google has ended (E86), GrantRefused where no user can do anything
        about it, TryAgain for anything else that goes wrong."""
        remote(TOKEN, lambda: self._refresh())

    def _refresh(self) -> None:
        try:
            if self._grant.subject is not None:
                self._refresh_delegated()
            else:
                super().refresh(self._ask)  # type: ignore[no-untyped-call]  # google-auth types parts only
        except (GoogleAuthError, ValueError, LookupError, TypeError):
            raise TryAgain(ODD_ANSWER) from None

    def _refresh_delegated(self) -> None:
        if self._service_account is None:  # the operator's slip, which no user could mend
            raise GrantRefused("no_service_account")
        now = self._meter.now()
        assertion = self._service_account.assertion(self._grant, now)
        body = urlencode({"grant_type": JWT_BEARER, "assertion": assertion}).encode()
        answer = self._ask(self._service_account.token_uri, "POST", body, dict(FORM))
        said = json.loads(answer.data)
        self.token = said["access_token"]
        self.expiry = (now + timedelta(seconds=int(said["expires_in"]))).replace(tzinfo=None)

    def _ask(self, url: str, method: str, body: bytes, headers: dict[str, str], **_: object) -> _TokenAnswer:
        response, content = self._meter.post(url, body=body, headers=headers)
        try:
            said = json.loads(content)
            error, token = said.get("error"), said.get("access_token")
            why = str(said.get("error_description", ""))
        except (ValueError, AttributeError):
            error = token = None
            why = ""
        if response.status == 200 and isinstance(token, str) and token:
            if self._grant.subject is None and isinstance(said.get("scope"), str):
                self._told = tuple(said["scope"].split()) or self._told
            return _TokenAnswer(response.status, response, content)
        raise of_token(response.status, error, why, delegated=self._grant.subject is not None)
