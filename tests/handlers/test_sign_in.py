"""Signing in on Google's own page: what becomes of every answer (Z6–Z10, Z15, E86, D12)."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, insert, select, text

from domain.connections.connections import Sharing, Wishes
from domain.errors import Refused, TryAgain
from domain.ids import ConnectionId
from domain.mailboxes.accounts import Grant
from handlers.connections import sign_in
from handlers.connections.connecting import save
from handlers.connections.disconnecting import disconnect
from handlers.context import Context
from infra.db.tables.connections import connections, sign_ins
from infra.db.tables.crm import users
from infra.db.tables.mailboxes import mailboxes
from infra.gmail.delegation import ServiceAccount
from infra.gmail.grants import NAME
from infra.gmail.provider import Gmail
from infra.gmail.scopes import Scope
from infra.gmail.sign_in import GoogleSignIn
from infra.local.gmail import GmailServer
from tests.browser import grant_access
from tests.handlers.conftest import House
from tests.journeys.world import UWE
from tests.providers import TOPIC, changed, granted, held
from tests.worlds import ONE_DATABASE

pytestmark = ONE_DATABASE

BEA = "bea@firm.example"
BACK = "http://127.0.0.1:4711/"
PRIVATE = Wishes(sharing=Sharing.PRIVATE)
SORTING = Wishes(magnet=True, sorting=True, sharing=Sharing.PRIVATE)
SERVICE = "lodestone@local.iam.gserviceaccount.com"


@pytest.fixture
def context(house: House, gmail_server: GmailServer, tmp_path: Path) -> Iterator[Context]:
    """The house's, with an OAuth client; Uwe's account is there."""
    house.gmail.create_mailbox(UWE)
    gmail = Gmail(gmail_server.url, sign_in=GoogleSignIn(client_file(house, tmp_path)), topic=TOPIC)
    yield replace(house.context, providers={NAME: gmail})
    gmail.close()


@pytest.fixture
def account(house: House, tmp_path: Path) -> ServiceAccount:
    """A service account to which nothing is delegated yet."""
    key = tmp_path / "service.json"
    key.write_text(json.dumps(house.gmail.service_account(SERVICE)))
    return ServiceAccount(key)


@pytest.fixture
def serving(house: House, gmail_server: GmailServer, account: ServiceAccount) -> Iterator[Context]:
    """The house's, with that service account."""
    house.gmail.create_mailbox(UWE)
    gmail = Gmail(gmail_server.url, service_account=account, topic=TOPIC)
    yield replace(house.context, providers={NAME: gmail})
    gmail.close()


def client_file(house: House, folder: Path) -> Path:
    file = folder / "client_secret.json"
    file.write_text(json.dumps(house.gmail.client_file()))
    return file


def begin(context: Context, wishes: Wishes = PRIVATE, user: str = "uwe", **options: Any) -> tuple[str, str]:
    return sign_in.begin(user, BACK, wishes, provider=NAME, **options, context=context)


def asked(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def sign_in_fully(
    context: Context, wishes: Wishes = PRIVATE, user: str = "uwe", **options: Any
) -> ConnectionId:
    """From the first page to the connection; returns its id."""
    url, state = begin(context, wishes, user, **options)
    return sign_in.complete(user, state, grant_access(url)["code"], context=context)[0]


def set_user(house: House, user_id: str, **profile: bool) -> None:
    """As the CRM tells of the user."""
    values = {"id": user_id, "name": "", "roles_above": [], "may_connect": True, "active": True}
    with house.store.engine.begin() as db:
        db.execute(users.delete().where(users.c.id == user_id))
        db.execute(insert(users).values({"organisation_id": 1} | values | profile))


def rows(house: House) -> tuple[int, int, int]:
    """How many sign-ins, connections and mailboxes there are."""
    with house.store.engine.connect() as db:
        counts = [db.scalar(select(func.count()).select_from(t)) for t in (sign_ins, connections, mailboxes)]
    return counts[0] or 0, counts[1] or 0, counts[2] or 0


def grant_of(house: House, connection_id: ConnectionId) -> Grant:
    with house.store.begin("tests.look") as tx:
        connection = tx.connections.get(connection_id)
    assert connection is not None
    assert connection.grant is not None
    return connection.grant


def lives(grant: Grant, context: Context) -> bool:
    """Whether Google still gives an access token for it."""
    try:
        context.open(changed(grant, access_token=None, expires_at=None)).address()
    except Exception:
        return False
    return True


@pytest.mark.rule("Z7", "Z8")
def test_whoever_signs_in_on_googles_page_is_connected(house: House, context: Context) -> None:
    url, state = begin(context)
    page = asked(url)
    assert (page["access_type"], page["prompt"], page["code_challenge_method"]) == (
        "offline",
        "consent",
        "S256",
    )
    assert page["state"] == state
    assert rows(house) == (1, 0, 0)
    answer = grant_access(url)
    connection_id, address = sign_in.complete("uwe", state, answer["code"], context=context)
    assert address == UWE
    assert rows(house) == (0, 1, 1)
    grant = grant_of(house, connection_id)
    assert lives(grant, context)
    assert set(held(grant).scopes) == {Scope.READONLY, Scope.COMPOSE}


@pytest.mark.rule("I10")
def test_nothing_of_a_begun_sign_in_stands_in_clear(house: House, context: Context) -> None:
    _, state = begin(context)
    with house.store.engine.connect() as db:
        [row] = db.execute(select(sign_ins))
    shown = " ".join(map(str, row)).encode() + bytes(row.sealed)
    assert state.encode() not in shown
    assert BACK.encode() not in shown
    assert row.user_id == "uwe"


@pytest.mark.parametrize(
    ("wishes", "scopes"),
    [
        pytest.param(PRIVATE, {Scope.READONLY, Scope.COMPOSE}, id="viewing and sending"),
        pytest.param(replace(PRIVATE, magnet=True), {Scope.READONLY, Scope.COMPOSE}, id="MailMagnet"),
        pytest.param(SORTING, {Scope.MODIFY}, id="sorting needs one that covers the others"),
        pytest.param(replace(SORTING, dry_run=True), {Scope.READONLY, Scope.COMPOSE}, id="a dry run"),
    ],
)
def test_google_is_asked_for_the_smallest_set(context: Context, wishes: Wishes, scopes: set[Scope]) -> None:
    assert set(asked(begin(context, wishes)[0])["scope"].split()) == scopes


@pytest.mark.rule("Z9", "H3")
@pytest.mark.parametrize(
    ("wishes", "left_out", "words"),
    [
        pytest.param(PRIVATE, Scope.COMPOSE, r"gmail\.compose \(to send", id="sending"),
        pytest.param(PRIVATE, Scope.READONLY, r"gmail\.readonly \(to show", id="viewing"),
    ],
)
def test_a_scope_that_was_left_out_is_named_and_nothing_remains(
    house: House, context: Context, wishes: Wishes, left_out: Scope, words: str
) -> None:
    house.gmail.consent(without=[left_out])
    url, state = begin(context, wishes)
    answer = grant_access(url)
    with pytest.raises(Refused, match=words):
        sign_in.complete("uwe", state, answer["code"], context=context)
    assert rows(house) == (0, 0, 0)
    assert not house.gmail.consents(UWE), "the grant is given back"


@pytest.mark.rule("Z9")
def test_a_refusal_on_googles_page_leaves_nothing(house: House, context: Context) -> None:
    house.gmail.consent(refuses=True)
    answer = grant_access(begin(context)[0])
    assert answer["error"] == "access_denied"
    with pytest.raises(Refused, match="access was refused on Google's page"):
        sign_in.complete("uwe", answer["state"], None, error=answer["error"], context=context)
    assert rows(house) == (0, 0, 0)


@pytest.mark.rule("Z9")
@pytest.mark.parametrize(("code", "error"), [(None, None), ("", None), ("4/x", "server_error")])
def test_an_answer_without_a_code_leaves_nothing(
    house: House, context: Context, code: str | None, error: str | None
) -> None:
    _, state = begin(context)
    with pytest.raises(Refused, match="did not end with a code"):
        sign_in.complete("uwe", state, code, error=error, context=context)
    assert rows(house) == (0, 0, 0)


@pytest.mark.rule("Z9")
def test_a_page_that_was_closed_leaves_nothing(house: House, context: Context) -> None:
    _, state = begin(context)
    sign_in.abandon("uwe", state, context)
    assert rows(house) == (0, 0, 0)
    begin(context)
    with house.store.engine.begin() as db:
        db.execute(text("UPDATE sign_ins SET expires_at = expires_at - 600000"))
    begin(context)
    assert rows(house) == (1, 0, 0), "the next one clears away what nobody came back for"


def test_a_code_is_used_once(house: House, context: Context) -> None:
    url, state = begin(context)
    code = grant_access(url)["code"]
    connection_id, _ = sign_in.complete("uwe", state, code, context=context)
    with pytest.raises(Refused, match="unknown, was used already or is older than ten minutes"):
        sign_in.complete("uwe", state, code, context=context)
    assert lives(grant_of(house, connection_id), context), "Google never saw the code again"
    _, state = begin(context)
    with pytest.raises(Refused, match="Google does not take the code"):
        sign_in.complete("uwe", state, code, context=context)
    assert rows(house) == (0, 1, 1)


def test_a_wrong_state_is_refused_before_google_is_asked(house: House, context: Context) -> None:
    url, state = begin(context)
    code = grant_access(url)["code"]
    house.gmail.reset_counters()
    for user, wrong in (("uwe", "another"), ("uwe", ""), ("uwe", "\ud800"), ("bea", state)):
        with pytest.raises(Refused, match="unknown"):
            sign_in.complete(user, wrong, code, context=context)
    assert house.gmail.counters().token_requests == 0
    assert sign_in.complete("uwe", state, code, context=context)[1] == UWE, "nobody else used it up"


def test_a_sign_in_is_good_for_ten_minutes(house: House, context: Context) -> None:
    url, state = begin(context)
    with house.store.engine.begin() as db:
        db.execute(text("UPDATE sign_ins SET expires_at = expires_at - 600000"))
    with pytest.raises(Refused, match="older than ten minutes"):
        sign_in.complete("uwe", state, grant_access(url)["code"], context=context)
    assert rows(house) == (0, 0, 0)


@pytest.mark.rule("Z6")
@pytest.mark.parametrize("profile", [{"may_connect": False}, {"active": False}])
def test_without_the_permission_the_page_is_not_even_shown(
    house: House, context: Context, profile: dict[str, bool]
) -> None:
    set_user(house, "uwe", **profile)
    with pytest.raises(Refused, match=r"Z6|D12"):
        begin(context)
    assert rows(house) == (0, 0, 0)


@pytest.mark.rule("Z6")
def test_a_permission_withdrawn_meanwhile_gives_the_grant_back(house: House, context: Context) -> None:
    url, state = begin(context)
    code = grant_access(url)["code"]
    set_user(house, "uwe", may_connect=False)
    with pytest.raises(Refused, match="Z6"):
        sign_in.complete("uwe", state, code, context=context)
    assert rows(house) == (0, 0, 0)
    assert not house.gmail.consents(UWE)


@pytest.mark.rule("Z10", "Z12")
@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        pytest.param(Wishes(), "Z10", id="no sharing option"),
        pytest.param(replace(PRIVATE, sorting=True), "Z12", id="sorting alone"),
        pytest.param(replace(PRIVATE, sorting=True, magnet=False), "Z12", id="sorting without MailMagnet"),
    ],
)
def test_what_would_be_refused_in_the_end_is_refused_first(
    house: House, context: Context, wishes: Wishes, words: str
) -> None:
    with pytest.raises(Refused, match=words):
        begin(context, wishes)
    assert rows(house) == (0, 0, 0)


def test_without_a_client_nobody_signs_in(house: House) -> None:
    for call in (
        lambda: begin(house.context),
        lambda: sign_in.complete("uwe", "state", "code", context=house.context),
    ):
        with pytest.raises(Refused, match="set LODESTONE_OAUTH_CLIENT_FILE"):
            call()


@pytest.mark.rule("Z15")
def test_another_account_than_the_connected_one_is_refused_and_given_back(
    house: House, context: Context
) -> None:
    connection_id = sign_in_fully(context)
    house.gmail.create_mailbox(BEA)
    house.gmail.revoke(BEA)
    house.gmail.consent(BEA)
    url, state = begin(context, Wishes())
    assert asked(url)["login_hint"] == UWE
    answer = grant_access(url)
    with pytest.raises(Refused, match=r"another mailbox connected.*--replace"):
        sign_in.complete("uwe", state, answer["code"], context=context)
    assert rows(house) == (0, 1, 1)
    assert not house.gmail.consents(BEA)
    assert lives(grant_of(house, connection_id), context)


@pytest.mark.rule("Z15")
def test_with_replace_the_other_account_takes_its_place(house: House, context: Context) -> None:
    sign_in_fully(context)
    house.gmail.create_mailbox(BEA)
    house.gmail.consent(BEA)
    with pytest.raises(Refused, match="Z10"):
        begin(context, Wishes(), replace=True)
    url, state = begin(context, PRIVATE, replace=True)
    assert "login_hint" not in asked(url)
    assert sign_in.complete("uwe", state, grant_access(url)["code"], context=context)[1] == BEA
    assert rows(house) == (0, 1, 1)
    assert not house.gmail.consents(UWE), "the former one is signed out of"


@pytest.mark.rule("D12")
def test_a_grant_is_not_given_back_while_a_connection_lives_by_the_account(
    house: House, context: Context
) -> None:
    connection_id = sign_in_fully(context)
    house.gmail.consent(without=[Scope.COMPOSE])
    url, state = begin(context, Wishes())
    with pytest.raises(Refused, match=r"gmail\.compose"):
        sign_in.complete("uwe", state, grant_access(url)["code"], context=context)
    assert lives(grant_of(house, connection_id), context)


@pytest.mark.rule("D12-7")
def test_a_grant_is_not_given_back_while_a_paused_connection_waits_for_it(
    house: House, context: Context
) -> None:
    connection_id = sign_in_fully(context)
    url, state = begin(context, Wishes())
    code = grant_access(url)["code"]
    set_user(house, "uwe", may_connect=False)
    with house.store.begin("tests.pause") as tx:
        assert tx.connections.suspend(connection_id)
    with pytest.raises(Refused, match="Z6"):
        sign_in.complete("uwe", state, code, context=context)
    assert lives(grant_of(house, connection_id), context)


@pytest.mark.rule("E86", "D12")
def test_signing_in_again_with_the_same_account_catches_up(house: House, context: Context) -> None:
    connection_id = sign_in_fully(context, replace(PRIVATE, magnet=True))
    house.catch_up()
    house.gmail.revoke(UWE)
    house.gmail.expire_access_tokens(UWE)
    missed = house.deliver("ann")
    house.catch_up()
    assert sign_in.is_needed("uwe", Wishes(), context)
    assert missed not in house.notified()
    assert sign_in_fully(context, Wishes()) == connection_id
    assert not sign_in.is_needed("uwe", Wishes(), context)
    house.let_time_pass()
    house.catch_up()
    assert missed in house.notified()


@pytest.mark.rule("Z9")
def test_a_feature_that_needs_more_sends_the_user_to_google_again(house: House, context: Context) -> None:
    sign_in_fully(context, replace(PRIVATE, magnet=True))
    more = Wishes(sorting=True)
    assert sign_in.is_needed("uwe", more, context)
    assert not sign_in.is_needed("uwe", replace(more, dry_run=True), context)
    sign_in_fully(context, more)
    assert not sign_in.is_needed("uwe", more, context)
    assert set(asked(begin(context, Wishes())[0])["scope"].split()) == {Scope.MODIFY}, "as it is now"
    assert Scope.MODIFY not in asked(begin(context, Wishes(magnet=False))[0])["scope"].split()


@pytest.mark.rule("Z9")
def test_a_grant_of_too_few_scopes_switches_nothing_on(house: House) -> None:
    made = house.gmail.create_mailbox(UWE, scopes=[Scope.READONLY, Scope.COMPOSE])
    grant = granted(made, scopes=tuple(made["scopes"]))
    with pytest.raises(Refused, match=r"gmail\.modify \(to put customers' mail under labels"):
        save("uwe", grant, SORTING, context=house.context)
    assert rows(house) == (0, 0, 0)


def test_google_away_is_said_and_leaves_nothing(house: House, context: Context) -> None:
    url, state = begin(context)
    code = grant_access(url)["code"]
    house.gmail.fault("503", ["token"])
    with pytest.raises(TryAgain, match=r"^token_http_503$"):
        sign_in.complete("uwe", state, code, context=context)
    house.gmail.clear_faults()
    url, state = begin(context)
    code = grant_access(url)["code"]
    house.gmail.fault("503", ["settings.sendAs.list"], times=1)
    with pytest.raises(TryAgain):
        sign_in.complete("uwe", state, code, context=context)
    assert rows(house) == (0, 0, 0)
    assert not house.gmail.consents(UWE)


class TestDelegation:
    """A service account enters where the administrator lets it; nobody signs in."""

    def delegate(self, context: Context, wishes: Wishes, address: str = UWE) -> tuple[ConnectionId, str]:
        return sign_in.delegate("uwe", address, wishes, provider=NAME, context=context)

    def test_a_mailbox_is_entered_watched_and_left(self, house: House, serving: Context) -> None:
        house.gmail.service_account(SERVICE, [Scope.MODIFY])
        connection_id, address = self.delegate(serving, SORTING)
        assert address == UWE
        grant = held(grant_of(house, connection_id))
        assert (grant.subject, grant.refresh_token) == (UWE, "")
        assert house.gmail.dump(UWE).watched_topic == TOPIC
        assert disconnect("uwe", serving) == 1
        assert house.gmail.dump(UWE).watched_topic is None
        assert rows(house) == (0, 0, 0)

    def test_what_is_not_delegated_is_told_to_the_administrator(self, house: House, serving: Context) -> None:
        house.gmail.service_account(SERVICE, [Scope.READONLY])
        with pytest.raises(Refused, match=r"domain-wide delegation for .*gmail\.modify"):
            self.delegate(serving, SORTING)
        with pytest.raises(Refused, match="domain-wide delegation"):
            self.delegate(serving, SORTING, "nobody@firm.example")
        assert rows(house) == (0, 0, 0)
