"""The sign-in page's other end, where Google answers what it should not."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest

from domain.connections.connections import Wishes
from domain.connections.permissions import needed
from domain.connections.sign_ins import SignIn
from domain.errors import AccessRevoked, GiveUp, TryAgain
from infra.gmail.grants import NAME
from infra.gmail.scopes import Scope
from infra.gmail.sign_in import GoogleSignIn, NoClient
from infra.urls import is_safe
from tests.nowhere import dead_port
from tests.providers import held

ASKED = (Scope.READONLY, Scope.COMPOSE)
SIGN_IN = SignIn(NAME, "uwe", "http://127.0.0.1:4711/", "v" * 86, needed(labels=False), Wishes())
GOOD: dict[str, Any] = {
    "access_token": "ya29.access",
    "refresh_token": "1//refresh",
    "expires_in": 3599,
    "scope": " ".join(ASKED),
    "token_type": "Bearer",
}
Answering = Callable[..., GoogleSignIn]


@pytest.fixture
def asked() -> list[dict[str, list[str]]]:
    """The forms that were posted."""
    return []


@pytest.fixture
def answering(tmp_path: Path, asked: list[dict[str, list[str]]]) -> Iterator[Answering]:
    """A client whose token endpoint answers what it is told to."""
    says: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self.send_response(says["status"])
            for name, value in says["headers"].items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(says["body"])

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    root = f"http://127.0.0.1:{server.server_port}"

    def answer(body: object, status: int = 200, **headers: str) -> GoogleSignIn:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        says.update(status=status, body=raw, headers=headers)
        return GoogleSignIn(client_file(tmp_path, f"{root}/auth", f"{root}/token"), 30)

    yield answer
    server.shutdown()
    server.server_close()


def client_file(folder: Path, auth_uri: str, token_uri: str) -> Path:
    file = folder / "client.json"
    client = {"client_id": "id-1", "client_secret": "secret-1", "auth_uri": auth_uri, "token_uri": token_uri}
    file.write_text(json.dumps({"installed": client}))
    return file


def test_a_code_is_exchanged_with_the_verifier(
    answering: Answering, asked: list[dict[str, list[str]]]
) -> None:
    grant = held(answering(GOOD).exchange(SIGN_IN, "4/code"))
    assert (grant.access_token, grant.refresh_token) == ("ya29.access", "1//refresh")
    assert (grant.client_id, grant.client_secret) == ("id-1", "secret-1")
    assert grant.token_uri.startswith("http://127.0.0.1:")
    assert grant.scopes == ASKED
    assert (asked[0]["code"], asked[0]["code_verifier"]) == (["4/code"], [SIGN_IN.verifier])
    assert asked[0]["redirect_uri"] == [SIGN_IN.redirect_uri]


def test_other_scopes_than_asked_for_are_seen_and_none_named_means_all(answering: Answering) -> None:
    some = answering(GOOD | {"scope": f"{Scope.READONLY} openid"}).exchange(SIGN_IN, "4/code")
    assert held(some).scopes == (Scope.READONLY, "openid")
    unnamed = {name: value for name, value in GOOD.items() if name != "scope"}
    assert held(answering(unnamed).exchange(SIGN_IN, "4/code")).scopes == ASKED


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        pytest.param({"error": "invalid_grant"}, 400, AccessRevoked("invalid_grant"), id="used or too old"),
        pytest.param({"error": "invalid_client"}, 401, GiveUp("invalid_client"), id="another secret"),
        pytest.param({"error": "redirect_uri_mismatch"}, 400, GiveUp("redirect_uri_mismatch"), id="address"),
        pytest.param({"error": "ann@example.com"}, 400, GiveUp("odd_answer"), id="no word"),
        pytest.param({"error": "internal_failure"}, 500, TryAgain("token_http_500"), id="trouble"),
        pytest.param({"error": "slow_down"}, 429, TryAgain("token_http_429"), id="limit"),
        pytest.param(b"<html>", 200, TryAgain("odd_answer"), id="no JSON"),
        pytest.param([1], 200, TryAgain("odd_answer"), id="no object"),
        pytest.param({}, 200, TryAgain("odd_answer"), id="nothing"),
        pytest.param({"refresh_token": None}, 200, GiveUp("no_refresh_token"), id="no refresh token"),
        pytest.param({"expires_in": "soon"}, 200, TryAgain("odd_answer"), id="no time"),
        pytest.param({"expires_in": 10**30}, 200, TryAgain("odd_answer"), id="no time that there is"),
    ],
)
def test_what_google_answers_is_sorted(
    answering: Answering, body: Any, status: int, error: Exception
) -> None:
    if status == 200 and isinstance(body, dict) and body:
        body = GOOD | body
    with pytest.raises(type(error)) as caught:
        answering(body, status).exchange(SIGN_IN, "4/code")
    assert str(caught.value) == str(error)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.rule("I10")
def test_a_redirect_leads_no_secret_elsewhere(
    answering: Answering, asked: list[dict[str, list[str]]]
) -> None:
    elsewhere = f"http://127.0.0.1:{dead_port()}/token"
    with pytest.raises(TryAgain):
        answering({}, 307, Location=elsewhere).exchange(SIGN_IN, "4/code")
    assert len(asked) == 1


def test_google_out_of_reach_is_tried_again(tmp_path: Path) -> None:
    root = f"http://127.0.0.1:{dead_port()}"
    page = GoogleSignIn(client_file(tmp_path, f"{root}/auth", f"{root}/token"), 30)
    with pytest.raises(TryAgain, match=r"^unreachable$"):
        page.exchange(SIGN_IN, "4/code")


@pytest.mark.rule("I10")
def test_no_secret_shows(answering: Answering) -> None:
    page = answering(GOOD)
    assert "secret-1" not in f"{page!r}"
    assert SIGN_IN.verifier not in f"{SIGN_IN!r}"


def test_the_page_is_the_files_and_only_over_tls_or_on_this_machine(tmp_path: Path) -> None:
    google = "https://accounts.google.com/o/oauth2/auth"
    page = GoogleSignIn(client_file(tmp_path, google, "https://oauth2.googleapis.com/token"))
    assert page.url(SIGN_IN, "s1", "uwe@firm.example").startswith(
        f"{google}?response_type=code&client_id=id-1&"
    )
    with pytest.raises(NoClient):
        GoogleSignIn(client_file(tmp_path, google, "http://oauth2.googleapis.com/token"))
    with pytest.raises(NoClient):
        GoogleSignIn(
            client_file(tmp_path, "ftp://accounts.google.com/", "https://oauth2.googleapis.com/token")
        )


@pytest.mark.parametrize(
    ("uri", "safe"),
    [
        ("https://crm.example.com/back", True),
        ("http://localhost:8080/back", True),
        ("http://[::1]:8080/", True),
        ("http://crm.example.com/back", False),
        ("http://localhost.example.com/", False),
        ("https:///back", False),
        ("javascript:alert(1)", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_where_secrets_may_go(uri: str, safe: bool) -> None:
    assert is_safe(uri) == safe
