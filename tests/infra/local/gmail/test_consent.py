"""The consent page, the codes it hands out, and service accounts, as Google has them."""

import hashlib
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request
from google.oauth2 import service_account

from infra.local.gmail import ControlError, GmailControl, GmailServer
from tests.browser import grant_access, visit

ANA, BEA = "ana@example.com", "bea@example.com"
READONLY, MODIFY = (f"https://www.googleapis.com/auth/gmail.{name}" for name in ("readonly", "modify"))
HERE = "http://127.0.0.1:4711/"
VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
SERVICE = "lodestone@local.iam.gserviceaccount.com"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
Json = dict[str, Any]


@pytest.fixture
def client(control: GmailControl, ana: Json) -> Json:
    """The client's file of a project whose only account is Ana's."""
    found: Json = control.client_file()["installed"]
    return found


@pytest.fixture
def page(client: Json) -> Callable[..., str]:
    """The page's URL as a client would ask for it; keywords change or, with None, leave out a parameter."""

    def page(**other: str | None) -> str:
        asked: dict[str, str | None] = {
            "client_id": client["client_id"],
            "redirect_uri": HERE,
            "response_type": "code",
            "scope": f"{READONLY} {MODIFY}",
            "state": "s1",
            "access_type": "offline",
            "prompt": "consent",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        given = {name: value for name, value in (asked | other).items() if value is not None}
        return f"{client['auth_uri']}?{urlencode(given)}"

    return page


@pytest.fixture
def exchange(client: Json, http: Callable[..., Any]) -> Callable[..., tuple[int, Json]]:
    """POST /token for a code."""

    def exchange(code: str, /, **other: str) -> tuple[int, Json]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": HERE}
        form |= {"code_verifier": VERIFIER}
        form |= {"client_id": client["client_id"], "client_secret": client["client_secret"], **other}
        reply = http("POST", "/token", urlencode(form).encode())
        return reply.status, reply.json

    return exchange


def test_a_consent_gives_a_code_and_the_code_gives_tokens(
    page: Callable[..., str],
    exchange: Callable[..., tuple[int, Json]],
    connect: Callable[[Json], Any],
    client: Json,
) -> None:
    answer = grant_access(page())
    assert (answer["state"], answer["scope"]) == ("s1", f"{READONLY} {MODIFY}")
    status, tokens = exchange(answer["code"])
    assert (status, tokens["scope"], tokens["token_type"]) == (200, f"{READONLY} {MODIFY}", "Bearer")
    users = connect({**client, "refresh_token": tokens["refresh_token"]}).users()
    assert users.getProfile(userId="me").execute()["emailAddress"] == ANA


def test_what_was_unticked_is_not_granted(
    page: Callable[..., str], exchange: Callable[..., tuple[int, Json]], control: GmailControl
) -> None:
    control.consent(without=[MODIFY])
    answer = grant_access(page())
    assert answer["scope"] == READONLY
    assert exchange(answer["code"])[1]["scope"] == READONLY


@pytest.mark.parametrize("decision", [{"refuses": True}, {"without": [READONLY, MODIFY]}])
def test_a_refusal_comes_back_as_an_error(
    page: Callable[..., str], control: GmailControl, decision: dict[str, Any]
) -> None:
    control.consent(**decision)
    assert grant_access(page()) == {"error": "access_denied", "state": "s1"}


def test_the_account_is_the_one_decided_for_else_that_of_the_hint(
    page: Callable[..., str], exchange: Callable[..., tuple[int, Json]], control: GmailControl, http: Any
) -> None:
    control.create_mailbox(BEA)

    def account(**asked: str) -> str:
        token = exchange(grant_access(page(**asked))["code"])[1]["access_token"]
        reply = http("GET", "/gmail/v1/users/me/profile", authorization=f"Bearer {token}")
        return str(reply.json["emailAddress"])

    assert visit(page())[0] == 400, "two accounts, and nobody says which"
    assert account(login_hint="BEA@example.com") == BEA
    control.consent(BEA)
    assert (account(), account(login_hint=ANA)) == (BEA, BEA)
    control.consent(ANA, hint=ANA)
    assert account(login_hint=ANA) == ANA
    assert visit(page(login_hint="nobody@example.com"))[0] == 302


@pytest.mark.parametrize(
    ("asked", "status", "error"),
    [
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"redirect_uri": "https://crm.example.com/back"}, 400, "redirect_uri_mismatch"),
        ({"redirect_uri": "http://10.0.0.1:80/"}, 400, "redirect_uri_mismatch"),
        ({"response_type": "token"}, 400, "invalid_request"),
        ({"scope": None}, 400, "invalid_request"),
        ({"code_challenge_method": "plain"}, 400, "invalid_request"),
        ({"login_hint": "nobody@example.com"}, 400, "invalid_request"),
    ],
)
def test_what_is_asked_wrongly_ends_on_the_page(
    page: Callable[..., str], asked: dict[str, str | None], status: int, error: str
) -> None:
    found, text = visit(page(**asked))
    assert found == status
    assert f"Error {status}: {error}" in text


def test_a_web_client_leads_to_its_registered_addresses_alone(
    page: Callable[..., str], control: GmailControl
) -> None:
    back = "https://crm.example.com/back?tenant=1"
    web = control.add_client(back, kind="web")["web"]
    assert visit(page(client_id=web["client_id"]))[0] == 400
    status, place = visit(page(client_id=web["client_id"], redirect_uri=back))
    assert status == 302
    assert place.startswith(f"{back}&state=s1&code=")
    with pytest.raises(ControlError, match="installed or web"):
        control.add_client(kind="native")


@pytest.mark.parametrize(
    ("other", "status", "error"),
    [
        ({"code": "4/nothing"}, 400, "invalid_grant"),
        ({"code_verifier": "w" * 43}, 400, "invalid_grant"),
        ({"code_verifier": ""}, 400, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:4712/"}, 400, "redirect_uri_mismatch"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
    ],
)
def test_a_code_is_good_only_for_who_asked_for_it(
    page: Callable[..., str],
    exchange: Callable[..., tuple[int, Json]],
    other: dict[str, str],
    status: int,
    error: str,
) -> None:
    code = grant_access(page())["code"]
    found, answer = exchange(code, **other)
    assert (found, answer["error"]) == (status, error)
    assert exchange(code)[0] == 200, "a wrong question does not use it up"


def test_another_client_cannot_use_the_code(
    page: Callable[..., str], exchange: Callable[..., tuple[int, Json]], control: GmailControl
) -> None:
    other = control.add_client()["installed"]
    code = grant_access(page())["code"]
    names = {name: other[name] for name in ("client_id", "client_secret")}
    assert exchange(code, **names)[1]["error"] == "invalid_grant"


def test_a_code_used_twice_takes_back_what_it_gave(
    page: Callable[..., str], exchange: Callable[..., tuple[int, Json]], http: Callable[..., Any]
) -> None:
    code = grant_access(page())["code"]
    _, tokens = exchange(code)
    assert exchange(code)[1]["error"] == "invalid_grant"
    token = f"Bearer {tokens['access_token']}"
    assert http("GET", "/gmail/v1/users/me/profile", authorization=token).status == 401


def test_a_code_is_good_for_ten_minutes(
    page: Callable[..., str], exchange: Callable[..., tuple[int, Json]], control: GmailControl
) -> None:
    code = grant_access(page())["code"]
    control.expire_codes()
    assert exchange(code)[1]["error"] == "invalid_grant"


def test_a_refresh_token_comes_with_offline_access_and_consent(
    page: Callable[..., str], exchange: Callable[..., tuple[int, Json]], control: GmailControl
) -> None:
    def is_lasting(**asked: str | None) -> bool:
        return "refresh_token" in exchange(grant_access(page(**asked))["code"])[1]

    assert not is_lasting(prompt=None), "Ana has granted this client access before"
    assert is_lasting()
    assert not is_lasting(access_type=None)
    control.revoke(ANA)
    assert is_lasting(prompt=None)


def test_a_client_may_name_itself_in_a_header(
    page: Callable[..., str], client: Json, http: Callable[..., Any]
) -> None:
    from base64 import b64encode

    form = {"grant_type": "authorization_code", "code": grant_access(page())["code"]}
    form |= {"redirect_uri": HERE, "code_verifier": VERIFIER}
    named = b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
    assert http("POST", "/token", urlencode(form).encode(), authorization="Basic nonsense!").status == 401
    assert http("POST", "/token", urlencode(form).encode(), authorization=f"Basic {named}").status == 200


@pytest.mark.rule("D12")
def test_revoking_ends_all_that_the_account_has_granted_this_client(
    control: GmailControl,
    ana: Json,
    connect: Callable[[Json], Any],
    http: Callable[..., Any],
    page: Callable[..., str],
    exchange: Callable[..., tuple[int, Json]],
) -> None:
    other = control.add_client()["installed"]
    code = grant_access(page(client_id=other["client_id"]))["code"]
    names = {name: other[name] for name in ("client_id", "client_secret")}
    theirs = exchange(code, **names)[1]
    second = control.create_mailbox(ANA)
    assert http("POST", f"/revoke?token={ana['refresh_token']}").status == 200
    with pytest.raises(RefreshError, match="invalid_grant"):
        connect(second).users().getProfile(userId="me").execute()
    users = connect({**other, "refresh_token": theirs["refresh_token"]}).users()
    assert users.getProfile(userId="me").execute()["emailAddress"] == ANA


def test_faults_of_the_token_endpoint_strike_codes_too(
    page: Callable[..., str], exchange: Callable[..., tuple[int, Json]], control: GmailControl
) -> None:
    control.fault("503", ["token"], mailbox=ANA, times=1)
    code = grant_access(page())["code"]
    assert exchange(code)[0] == 503
    assert exchange(code)[0] == 200


class TestServiceAccounts:
    """Checked with google-auth's own service account credentials."""

    def credentials(self, info: Json, scopes: list[str], subject: str = ANA) -> Any:
        made: Any = service_account.Credentials.from_service_account_info(
            info, scopes=scopes, subject=subject
        )
        return made

    def test_what_is_delegated_opens_the_mailbox(
        self, control: GmailControl, ana: Json, http: Callable[..., Any]
    ) -> None:
        credentials = self.credentials(control.service_account(SERVICE, [READONLY]), [READONLY])
        credentials.refresh(Request())
        token = f"Bearer {credentials.token}"
        assert http("GET", "/gmail/v1/users/me/profile", authorization=token).json["emailAddress"] == ANA
        body = json.dumps({"name": "New"}).encode()
        reply = http("POST", "/gmail/v1/users/me/labels", body, authorization=token)
        assert (reply.status, reply.json["error"]["status"]) == (403, "PERMISSION_DENIED")

    def test_calls_without_a_quota_user_share_one_users_quota(
        self, control: GmailControl, ana: Json, http: Callable[..., Any]
    ) -> None:
        info = control.service_account(SERVICE, [READONLY])
        control.create_mailbox(BEA)
        tokens = []
        for subject in (ANA, BEA):
            credentials = self.credentials(info, [READONLY], subject)
            credentials.refresh(Request())
            tokens.append(f"Bearer {credentials.token}")
        control.quota(enforced=True, per_minute=1)

        def statuses(more: str) -> list[int]:
            target = f"/gmail/v1/users/me/profile?{more}"
            return [http("GET", target, authorization=token).status for token in tokens]

        assert statuses("") == [200, 403]
        assert statuses("quotaUser=one") == [200, 403]
        assert statuses("quotaUser=two") == [200, 403]
        assert control.counters().by_quota_user[SERVICE]["calls"] == 2

    def test_what_is_not_delegated_any_more_does_not(self, control: GmailControl, ana: Json) -> None:
        info = control.service_account(SERVICE, [READONLY])
        with pytest.raises(RefreshError, match="unauthorized_client"):
            self.credentials(info, [READONLY, MODIFY]).refresh(Request())
        control.service_account(SERVICE)
        with pytest.raises(RefreshError, match="unauthorized_client"):
            self.credentials(info, [READONLY]).refresh(Request())

    def test_a_subject_without_a_mailbox_is_invalid(self, control: GmailControl, ana: Json) -> None:
        info = control.service_account(SERVICE, [READONLY])
        with pytest.raises(RefreshError, match="Invalid email or User ID"):
            self.credentials(info, [READONLY], BEA).refresh(Request())

    def test_an_old_key_signs_no_more(self, control: GmailControl, ana: Json) -> None:
        old = control.service_account(SERVICE, [READONLY])
        new = control.service_account(SERVICE, [READONLY], new_key=True)
        with pytest.raises(RefreshError, match="Invalid JWT Signature"):
            self.credentials(old, [READONLY]).refresh(Request())
        self.credentials(new, [READONLY]).refresh(Request())
        with pytest.raises(RefreshError, match="account not found"):
            self.credentials({**new, "client_email": "nobody@local"}, [READONLY]).refresh(Request())

    @pytest.mark.parametrize("assertion", ["", "a.b", "a.b.c", "e30.e30.e30", "bnVsbA.bnVsbA.x"])
    def test_what_is_no_assertion_is_refused(
        self, assertion: str, http: Callable[..., Any], server: GmailServer
    ) -> None:
        reply = http("POST", "/token", urlencode({"grant_type": JWT_BEARER, "assertion": assertion}).encode())
        assert (reply.status, reply.json["error"]) == (400, "invalid_grant")

    @pytest.mark.parametrize(
        ("claims", "words"),
        [
            ({"aud": "https://oauth2.example.com/token"}, "audience"),
            ({"iat": int(time.time()) + 4_000, "exp": int(time.time()) + 7_000}, "short-lived"),
            ({"iat": int(time.time()) - 7_200, "exp": int(time.time()) - 3_600}, "short-lived"),
            ({"exp": int(time.time()) + 7_200}, "short-lived"),
            ({"iat": "now"}, "short-lived"),
        ],
    )
    def test_an_assertion_is_short_lived_and_for_this_server(
        self, claims: Json, words: str, control: GmailControl, ana: Json, http: Callable[..., Any]
    ) -> None:
        from google.auth import crypt, jwt

        info, now = control.service_account(SERVICE, [READONLY]), int(time.time())
        good = {"iss": SERVICE, "sub": ANA, "scope": READONLY, "aud": info["token_uri"]}
        good |= {"iat": now, "exp": now + 3_600}
        signer: Any = crypt.RSASigner.from_service_account_info(info)

        def ask(claims: Json) -> Any:
            assertion = jwt.encode(signer, claims)
            form = {"grant_type": JWT_BEARER, "assertion": assertion}
            return http("POST", "/token", urlencode(form).encode())

        assert ask(good).status == 200
        reply = ask(good | claims)
        assert (reply.status, reply.json["error"]) == (400, "invalid_grant")
        assert words in reply.json["error_description"]
