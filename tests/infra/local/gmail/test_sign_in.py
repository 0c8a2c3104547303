"""OAuth: refreshing, ending, and whose mailbox it is."""

from collections.abc import Callable
from typing import Any

import pytest
from google.auth.exceptions import RefreshError

from infra.local.gmail import ControlError, GmailControl, GmailServer

ANA = "ana@example.com"
Json = dict[str, Any]
Refused = Callable[[Any], tuple[int, str]]


def test_a_refresh_token_opens_the_mailbox_and_one_access_token_serves_many_calls(
    users: Any, control: GmailControl
) -> None:
    for _ in range(3):
        assert users.getProfile(userId="me").execute()["emailAddress"] == ANA
    assert users.getProfile(userId="ANA@example.com").execute()["emailAddress"] == ANA
    counters = control.counters()
    assert (counters.token_requests, counters.calls_of("getProfile")) == (1, 4)


def test_an_expired_access_token_is_refreshed_by_the_client(users: Any, control: GmailControl) -> None:
    users.getProfile(userId="me").execute()
    control.expire_access_tokens(ANA)
    users.getProfile(userId="me").execute()
    counters = control.counters()
    assert counters.token_requests == 2
    assert counters.statuses == {"200": 2, "401": 1}


@pytest.mark.parametrize("header", ["", "Bearer nonsense", "Basic eDp5", "Bearer"])
def test_an_unknown_access_token_is_401(header: str, http: Callable[..., Any], ana: Json) -> None:
    reply = http("GET", "/gmail/v1/users/me/profile", Authorization=header)
    error = reply.json["error"]
    assert (reply.status, error["status"], error["errors"][0]["reason"]) == (
        401,
        "UNAUTHENTICATED",
        "authError",
    )
    assert "www-authenticate" in reply.headers


def test_an_access_token_ends_by_itself(document: Json, http: Callable[..., Any]) -> None:
    with GmailServer(token_lifetime=0) as server:
        server.create_mailbox(ANA)
        grant = server.world.accounts.grant(ANA)
        form = {"grant_type": "refresh_token", "client_id": grant.client_id}
        form |= {"client_secret": grant.client_secret, "refresh_token": grant.refresh_token}
        _, answer = server.world.accounts.refresh(form)
        with pytest.raises(Exception, match="invalid authentication"):
            server.world.accounts.holder(f"Bearer {answer['access_token']}")


def test_a_revoked_consent_is_invalid_grant_and_the_other_one_still_works(
    control: GmailControl, ana: Json, connect: Callable[[Json], Any]
) -> None:
    other = control.create_mailbox(ANA)
    first, second = connect(ana).users(), connect(other).users()
    first.getProfile(userId="me").execute()
    control.revoke(refresh_token=ana["refresh_token"])
    with pytest.raises(RefreshError, match="invalid_grant"):
        first.getProfile(userId="me").execute()
    assert second.getProfile(userId="me").execute()["emailAddress"] == ANA
    control.revoke(mailbox=ANA)
    with pytest.raises(RefreshError, match="invalid_grant"):
        second.getProfile(userId="me").execute()


def test_the_user_s_client_can_revoke_by_either_token(
    http: Callable[..., Any], token: str, ana: Json
) -> None:
    access = token.removeprefix("Bearer ")
    assert http("POST", f"/revoke?token={access}").status == 200
    assert http("GET", "/gmail/v1/users/me/profile", Authorization=token).status == 401
    reply = http("POST", "/revoke", f"token={ana['refresh_token']}".encode())
    assert (reply.status, reply.json["error"]) == (400, "invalid_token")


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        (b"grant_type=refresh_token&refresh_token=x", 400, "invalid_grant"),
        (b"grant_type=password", 400, "unsupported_grant_type"),
        (b"\xff\x00&&==", 400, "unsupported_grant_type"),
    ],
)
def test_a_bad_refresh(form: bytes, status: int, error: str, http: Callable[..., Any], ana: Json) -> None:
    reply = http("POST", "/token", form)
    assert (reply.status, reply.json["error"]) == (status, error)


def test_the_wrong_client_secret_is_invalid_client(connect: Callable[[Json], Any], ana: Json) -> None:
    with pytest.raises(RefreshError, match="invalid_client"):
        connect({**ana, "client_secret": "wrong"}).users().getProfile(userId="me").execute()


def test_another_mailbox_is_not_delegated(users: Any, refused: Refused, server: GmailServer) -> None:
    server.create_mailbox("bea@example.com")
    assert refused(users.getProfile(userId="bea@example.com")) == (403, "forbidden")


def test_too_few_scopes(connect: Callable[[Json], Any], control: GmailControl, refused: Refused) -> None:
    scope = "https://www.googleapis.com/auth/gmail.labels"
    info = control.create_mailbox("bea@example.com", scopes=[scope])
    users = connect(info).users()
    assert users.labels().list(userId="me").execute()["labels"]
    assert refused(users.messages().list(userId="me")) == (403, "insufficientPermissions")


def test_trouble_at_the_token_endpoint(users: Any, control: GmailControl) -> None:
    control.fault("503", ["token"], times=1)
    assert users.getProfile(userId="me").execute()["emailAddress"] == ANA
    assert control.counters().token_requests == 2


def test_control_knows_its_mailboxes(control: GmailControl, ana: Json) -> None:
    assert control.mailboxes() == [ANA]
    with pytest.raises(ControlError) as caught:
        control.dump("nobody@example.com")
    assert caught.value.status == 404


def test_a_dead_consent_stays_dead_and_a_new_one_lives(
    users: Any, control: GmailControl, connect: Callable[[Json], Any]
) -> None:
    users.getProfile(userId="me").execute()
    fault = control.fault("token_death", mailbox=ANA)
    for _ in range(2):
        with pytest.raises(RefreshError, match="invalid_grant"):
            users.getProfile(userId="me").execute()
    again = connect(control.create_mailbox(ANA)).users()
    assert again.getProfile(userId="me").execute()["emailAddress"] == ANA
    control.clear_faults(fault)
    assert again.getProfile(userId="me").execute()["emailAddress"] == ANA
    with pytest.raises(RefreshError, match="invalid_grant"):
        users.getProfile(userId="me").execute()


def test_consents_die_by_a_share_of_the_mailboxes(
    control: GmailControl, connect: Callable[[Json], Any]
) -> None:
    people = [connect(control.create_mailbox(f"p{number}@example.com")).users() for number in range(12)]

    def living() -> list[bool]:
        found = []
        for users in people:
            try:
                users.getProfile(userId="me").execute()
            except RefreshError:
                found.append(False)
            else:
                found.append(True)
        return found

    control.fault("token_death", share=0.5, seed=1)
    first = living()
    assert set(first) == {True, False}
    assert living() == first


def test_the_token_endpoint_is_busy(
    users: Any, control: GmailControl, ana: Json, http: Callable[..., Any]
) -> None:
    control.fault("token_limited", mailbox=ANA)
    names = ("client_id", "client_secret", "refresh_token")
    form = "&".join(["grant_type=refresh_token", *(f"{name}={ana[name]}" for name in names)]).encode()
    assert {http("POST", "/token", form).status for _ in range(30)} == {429, 500, 503}
    control.clear_faults()
    control.fault("token_limited", mailbox="bea@example.com")
    control.fault("503", ["token"], mailbox="bea@example.com")
    assert users.getProfile(userId="me").execute()["emailAddress"] == ANA
