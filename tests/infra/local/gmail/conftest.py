"""A running local Gmail, and the real google-api-python-client pointed at it."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import httplib2
import pytest
from google.oauth2.credentials import Credentials
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import DISCOVERY_DOC_DIR
from googleapiclient.errors import HttpError

from infra.local.gmail import GmailControl, GmailServer

ANA, BEA = "ana@example.com", "bea@example.com"
Json = dict[str, Any]
Refused = Callable[[Any], tuple[int, str]]
"""The status and the reason of a request that must fail."""


@dataclass(frozen=True)
class Reply:
    """A plain HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture(scope="session")
def document() -> Json:
    """Google's description of the API, as the client ships it."""
    with open(f"{DISCOVERY_DOC_DIR}/gmail.v1.json", encoding="utf-8") as file:
        found: Json = json.load(file)
    return found


@pytest.fixture
def server() -> Iterator[GmailServer]:
    with GmailServer(seed=7) as server:
        yield server


@pytest.fixture
def control(server: GmailServer) -> GmailControl:
    return GmailControl(server.url)


@pytest.fixture
def ana(server: GmailServer) -> Json:
    """Ana's mailbox; the value is what a client needs to get in."""
    return server.create_mailbox(ANA, aliases=["sales@example.com"])


@pytest.fixture
def connect(server: GmailServer, document: Json) -> Iterator[Callable[[Json], Any]]:
    """A real client for given credentials."""
    opened: list[Any] = []

    def connect(info: Json) -> Any:
        names = ("client_id", "client_secret", "refresh_token", "token_uri")
        credentials = Credentials(None, **{name: info[name] for name in names})
        plain = httplib2.Http(timeout=60)
        plain.redirect_codes -= {308}  # as build_http does: in uploads it means "go on"
        http = AuthorizedHttp(credentials, http=plain)
        service = build_from_document({**document, "rootUrl": f"{server.url}/"}, http=http)
        opened.append(service)
        return service

    yield connect
    for service in opened:
        service.close()


@pytest.fixture
def service(ana: Json, connect: Callable[[Json], Any]) -> Any:
    return connect(ana)


@pytest.fixture
def users(service: Any) -> Any:
    return service.users()


@pytest.fixture
def refused() -> Callable[[Any], tuple[int, str]]:
    """Execute a request that must fail: (HTTP status, Google's reason)."""

    def refused(request: Any) -> tuple[int, str]:
        with pytest.raises(HttpError) as caught:
            request.execute()
        error = json.loads(caught.value.content)["error"]
        assert error["code"] == caught.value.resp.status
        assert error["status"]
        assert error["message"]
        return error["code"], error["errors"][0]["reason"]

    return refused


@pytest.fixture
def bea(control: GmailControl, connect: Callable[[Json], Any]) -> Any:
    """The client of somebody else's mailbox."""
    return connect(control.create_mailbox(BEA)).users()


def profile(users: Any) -> Any:
    """A small request."""
    return users.getProfile(userId="me")


@pytest.fixture
def http(server: GmailServer) -> Callable[..., Reply]:
    """One plain request, without any client library's help."""

    def http(verb: str, target: str, body: bytes | None = None, **headers: str) -> Reply:
        with closing(HTTPConnection(urlsplit(server.url).netloc, timeout=60)) as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(verb, target, body, named)
            response = connection.getresponse()
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    return http


@pytest.fixture
def token(ana: Json, http: Callable[..., Reply]) -> str:
    """A fresh Authorization header value for Ana."""
    form = "&".join(
        [
            "grant_type=refresh_token",
            *(f"{n}={ana[n]}" for n in ("client_id", "client_secret", "refresh_token")),
        ]
    )
    reply = http("POST", "/token", form.encode(), content_type="application/x-www-form-urlencoded")
    return f"Bearer {reply.json['access_token']}"


@pytest.fixture
def mail() -> Callable[..., bytes]:
    """A small mail; keyword arguments are further headers."""

    def mail(
        sender: str = "Bob <bob@client.example>", subject: str = "Offer", body: str = "Hello", **more: str
    ) -> bytes:
        fields = {"From": sender, "To": ANA, "Subject": subject}
        fields |= {name.replace("_", "-"): value for name, value in more.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"{head}\r\n{body}\r\n".encode()

    return mail
