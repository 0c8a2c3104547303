"""The port SignInPage at every provider: the way there, and the grant for the code that comes back."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from domain.connections.connections import Wishes
from domain.connections.permissions import Permission, needed
from domain.connections.sign_ins import SignIn
from domain.errors import AccessRevoked, GiveUp, TryAgain
from handlers.ports.providers import SignInPage
from tests.contracts.world import World, promised

VERIFIER = "v" * 86
WANTED = needed(labels=False)
SIGN_IN = SignIn("example", "uwe", "http://127.0.0.1:4711/", VERIFIER, WANTED, Wishes())


@pytest.fixture
def page(world: World) -> SignInPage:
    return world.sign_in_page()


def code_for(world: World, page: SignInPage, sign_in: SignIn = SIGN_IN) -> str:
    """The owner of the mailbox goes there, agrees, and is sent back."""
    answer = world.visit(page.url(sign_in, "state-1", world.address))
    assert answer.startswith(sign_in.redirect_uri)
    told = parse_qs(urlsplit(answer).query)
    assert told["state"] == ["state-1"]
    return told["code"][0]


def test_it_has_all_that_the_port_names(page: SignInPage) -> None:
    assert promised(SignInPage) <= set(dir(page))


def test_the_way_there_carries_the_state_and_no_secret_and_asks_nothing(
    world: World, page: SignInPage
) -> None:
    url = page.url(SIGN_IN, "state-1", None)
    assert parse_qs(urlsplit(url).query)["state"] == ["state-1"]
    for secret in (VERIFIER, *world.secrets):
        assert secret not in url
    assert world.asked().requests == 0


def test_an_account_is_suggested_there_where_one_is_known(world: World, page: SignInPage) -> None:
    named, unnamed = (page.url(SIGN_IN, "state-1", one) for one in (world.address, None))
    assert [world.address] in parse_qs(urlsplit(named).query).values()
    assert [world.address] not in parse_qs(urlsplit(unnamed).query).values()


@pytest.mark.rule("Z8")
def test_who_signs_in_from_a_terminal_is_sent_back_to_this_machine(world: World, page: SignInPage) -> None:
    landing = page.landing()
    assert landing is None or urlsplit(landing).hostname in ("127.0.0.1", "localhost", "::1")
    assert world.asked().requests == 0


@pytest.mark.rule("Z8")
def test_the_code_gives_a_grant_that_opens_the_mailbox_and_lasts(world: World, page: SignInPage) -> None:
    grant = page.exchange(SIGN_IN, code_for(world, page))
    assert world.provider().permissions(grant) == WANTED
    assert world.open(grant).address() == world.address
    world.expire_access()
    assert world.open(grant).address() == world.address


@pytest.mark.rule("Z9")
def test_a_grant_says_what_was_left_out(world: World, page: SignInPage) -> None:
    world.untick(Permission.SEND)
    grant = page.exchange(SIGN_IN, code_for(world, page))
    assert world.provider().permissions(grant) == frozenset({Permission.READ})


@pytest.mark.rule("Z8")
@pytest.mark.parametrize("why", ["it was used", "it is too old", "it never was one", "another asked for it"])
def test_a_code_that_is_no_longer_good_is_revoked_access(world: World, page: SignInPage, why: str) -> None:
    code = code_for(world, page)
    sign_in = SIGN_IN
    if why == "it was used":
        page.exchange(SIGN_IN, code)
    elif why == "it is too old":
        world.expire_codes()
    elif why == "it never was one":
        code = "none"
    else:
        sign_in = replace(SIGN_IN, verifier="w" * 86)
    with pytest.raises(AccessRevoked):
        page.exchange(sign_in, code)


def test_an_address_that_the_way_back_does_not_lead_to_is_refused(world: World, page: SignInPage) -> None:
    code = code_for(world, page)
    with pytest.raises(GiveUp):
        page.exchange(replace(SIGN_IN, redirect_uri="http://127.0.0.1:4712/"), code)


@pytest.mark.rule("E87")
def test_a_provider_that_is_away_is_asked_again_with_the_same_code(world: World, page: SignInPage) -> None:
    code = code_for(world, page)
    world.be_away()
    with pytest.raises(TryAgain):
        page.exchange(SIGN_IN, code)
    world.calm()
    assert world.open(page.exchange(SIGN_IN, code)).address() == world.address


def test_a_slip_of_the_operators_is_a_refusal(world: World, page: SignInPage) -> None:
    code = code_for(world, page)
    world.refuse_client()
    with pytest.raises(GiveUp):
        page.exchange(SIGN_IN, code)


@pytest.mark.rule("I10")
def test_neither_page_nor_sign_in_nor_grant_shows_a_secret(world: World, page: SignInPage) -> None:
    code = code_for(world, page)
    grant = page.exchange(SIGN_IN, code)
    with pytest.raises(AccessRevoked) as used:
        page.exchange(SIGN_IN, code)
    shown = f"{page!r}{SIGN_IN!r}{grant!r}{used.value!r}{used.value.__context__!r}"
    for secret in (VERIFIER, code, *world.secrets):
        assert secret not in shown
