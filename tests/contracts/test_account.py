"""The port Account, and what it is to open a mailbox, at every provider."""

import re
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from domain.connections.permissions import Permission, needed
from domain.errors import AccessRevoked, GiveUp, GrantRefused, Refused, TryAgain
from domain.mail.messages import Fetched
from handlers.ports.capabilities import Account, Mailbox
from handlers.ports.providers import MailProvider
from tests.contracts.world import World, mail, promised

HASTY = 0.15
"""Seconds of silence that a hasty session bears; no call is out for more than ten times as long."""


@pytest.fixture
def account(world: World) -> Mailbox:
    return world.open()


@contextmanager
def calls_at_most(world: World, requests: int) -> Iterator[None]:
    before = world.asked().requests
    yield
    assert world.asked().requests - before <= requests


def test_it_has_all_that_the_ports_name(world: World, account: Account) -> None:
    assert promised(MailProvider) <= set(dir(world.provider()))
    assert promised(Account) <= set(dir(account))


def test_a_provider_has_a_name_for_rows_and_names_for_people(world: World) -> None:
    about = world.provider().about
    assert re.fullmatch("[a-z]+", about.name)
    assert about.title
    assert about.company
    assert world.grant.provider == about.name


def test_a_mailbox_lacks_what_its_provider_lacks(world: World) -> None:
    provider, mailbox = world.provider(), world.open()
    assert (provider.sign_in is None) == ("SignInPage" in world.lacks)
    assert (provider.delegation is None) == ("Delegation" in world.lacks)
    assert (mailbox.labels is None) == ("LabelEditor" in world.lacks)
    assert (mailbox.search is None) == ("MailSearch" in world.lacks)


def test_to_open_a_mailbox_asks_nothing_and_costs_nothing(world: World, account: Account) -> None:
    assert (account.spent.requests, account.spent.units) == (0, 0)
    assert world.asked().requests == 0


def test_the_grant_is_the_one_given_until_something_is_asked(world: World, account: Account) -> None:
    assert account.grant == world.grant


@pytest.mark.rule("Z9")
@pytest.mark.parametrize("labels", [False, True])
def test_what_a_page_asks_for_is_named_with_the_reason_and_without_asking(world: World, labels: bool) -> None:
    world.must_have("SignInPage")
    asked = world.provider().asks_for(needed(labels=labels))
    assert asked
    assert all(name and why.startswith("to ") for name, why in asked.items())
    assert world.asked().requests == 0


@pytest.mark.rule("Z9")
def test_a_grant_that_is_renewed_says_what_it_permits(world: World, account: Account) -> None:
    provider = world.provider()
    told = provider.permissions(account.grant)
    assert world.asked().requests == 0
    account.refresh()
    world.must_have("refresh")
    now = provider.permissions(account.grant)
    assert now is not None
    assert told in (None, now)
    assert Permission.READ in now
    assert account.grant != world.grant


def test_a_grant_can_come_in_a_file_of_the_providers_and_in_no_other(world: World, tmp_path: Path) -> None:
    world.must_have("grant_in")
    provider = world.provider()
    assert provider.open(provider.grant_in(world.grant_file())).address() == world.address
    (tmp_path / "other.json").write_text('{"type": "other"}')
    (tmp_path / "no.json").write_text("no JSON")
    for name in ("other.json", "no.json", "missing.json"):
        with pytest.raises(Refused):
            provider.grant_in(tmp_path / name)


def test_the_address_is_the_accounts(world: World, account: Account) -> None:
    assert account.address() == world.address


@pytest.mark.rule("E14")
def test_own_addresses_are_the_primary_one_and_then_all_that_are_verified_with_their_names(
    world: World, account: Account
) -> None:
    world.must_have("own_addresses")
    world.own_addresses({"Sales@Example.org": "", world.address: "Uwe Unger"}, pending=["boss@example.org"])
    own = account.own_addresses()
    assert next(iter(own)) == world.address
    assert own == {world.address: "Uwe Unger", "sales@example.org": ""}


def test_the_grant_as_it_is_now_spares_the_next_session_a_request(world: World, account: Account) -> None:
    world.must_have("refresh")
    account.address()
    first = account.spent.requests
    kept = account.grant
    again = world.open(kept)
    again.address()
    assert again.spent.requests == first - 1
    assert again.grant == kept


def test_access_that_is_too_old_is_renewed_on_the_way(world: World, account: Account) -> None:
    world.must_have("refresh")
    account.address()
    kept = account.grant
    world.expire_access()
    assert account.address() == world.address
    assert account.grant != kept


def test_what_is_spent_is_what_the_provider_counts(world: World, account: Mailbox) -> None:
    ids = world.deliver_many(26, mail())
    account.address()
    account.own_addresses()
    account.headers(ids)
    list(account.changes_since(account.cursor_now()))
    counted = world.asked()
    assert (account.spent.requests, account.spent.units) == (counted.requests, counted.units)


def test_units_are_charged_request_by_request(world: World, account: Mailbox) -> None:
    ids = world.deliver_many(26, mail())
    charged: list[int] = []
    account.charge(charged.append)
    account.headers(ids)
    assert len(charged) >= 2
    assert sum(charged) == account.spent.units > 0


@pytest.mark.rule("W2")
def test_while_a_call_is_out_what_is_held_is_extended_and_not_afterwards(
    world: World, account: Account
) -> None:
    account.address()
    extended: list[float] = []
    account.hold(0.05, lambda: extended.append(time.monotonic()))
    world.be_slow(0.6)
    assert account.address() == world.address
    time.sleep(0.2)  # for one that had begun
    so_far = len(extended)
    time.sleep(0.3)
    assert len(extended) == so_far >= 2


@pytest.mark.rule("W2", "E87")
def test_a_call_that_never_ends_is_cut_and_what_is_held_extended_meanwhile(world: World) -> None:
    kept = world.open()
    kept.address()
    account = world.open(kept.grant, patience=HASTY)
    extended: list[float] = []
    account.hold(0.1, lambda: extended.append(time.monotonic()))
    world.trickle()
    began = time.monotonic()
    with pytest.raises(TryAgain):
        account.address()
    assert 10 * HASTY <= time.monotonic() - began < 100 * HASTY
    assert len(extended) >= 2
    world.calm()
    assert world.open(kept.grant).address() == world.address


@pytest.mark.rule("E87")
def test_a_call_that_is_never_answered_ends_when_patience_does(world: World) -> None:
    kept = world.open()
    kept.address()
    world.be_silent()
    began = time.monotonic()
    with pytest.raises(TryAgain):
        world.open(kept.grant, patience=HASTY).address()
    assert HASTY <= time.monotonic() - began < 100 * HASTY


def test_an_extension_that_fails_is_no_trouble_of_the_call(world: World, account: Account) -> None:
    def fail() -> None:
        raise ValueError

    account.address()
    account.hold(0.05, fail)
    world.be_slow(0.3)
    assert account.address() == world.address


@pytest.mark.rule("E87")
def test_a_limit_is_a_wait_of_the_whole_mailbox_as_long_as_the_provider_says(
    world: World, account: Account
) -> None:
    account.address()
    world.throttle(40)
    with calls_at_most(world, 1), pytest.raises(TryAgain) as limited:
        account.address()
    assert limited.value.whole_mailbox
    assert limited.value.after is not None
    assert 38 <= limited.value.after.total_seconds() <= 42


@pytest.mark.rule("E87")
def test_an_outage_is_tried_again_later_and_not_by_the_adapter(world: World, account: Account) -> None:
    account.address()
    world.be_away()
    with calls_at_most(world, 1), pytest.raises(TryAgain):
        account.address()
    world.calm()
    assert account.address() == world.address


@pytest.mark.rule("E87")
def test_a_line_that_breaks_or_leads_nowhere_is_tried_again_later(world: World, account: Account) -> None:
    account.address()
    world.break_line()
    with pytest.raises(TryAgain):
        account.address()
    world.calm()
    assert account.address() == world.address
    nowhere = world.open_elsewhere()
    with pytest.raises(TryAgain):
        nowhere.address()
    assert nowhere.spent.units == 0


def test_a_refusal_for_good_is_no_wait(world: World, account: Account) -> None:
    world.refuse()
    with pytest.raises(GiveUp):
        account.address()


CALLS: Mapping[str, Callable[[Mailbox], object]] = {
    "the address": lambda mailbox: mailbox.address(),
    "one mail": lambda mailbox: mailbox.headers(["1"]),
    "several mails": lambda mailbox: mailbox.headers(["1", "2"]),
    "the cursor": lambda mailbox: mailbox.cursor_now(),
}


@pytest.mark.rule("E86")
@pytest.mark.parametrize("call", CALLS)
def test_a_grant_that_its_user_takes_back_is_revoked_access_for_every_session(
    world: World, account: Mailbox, call: str
) -> None:
    account.address()
    world.revoke()
    for opened in (account, world.open()):
        with pytest.raises(AccessRevoked):
            CALLS[call](opened)
    assert world.open(world.grant_again()).address() == world.address


@pytest.mark.rule("D12")
def test_a_grant_can_be_revoked_twice_and_is_no_good_then(world: World, account: Account) -> None:
    account.revoke()
    account.revoke()
    world.must_have("revoke")
    with pytest.raises(AccessRevoked):
        world.open().address()


@pytest.mark.rule("E86", "W15")
def test_a_slip_of_the_operators_is_not_taken_for_the_users_word(world: World, account: Account) -> None:
    world.must_have("refresh")
    world.refuse_client()
    with pytest.raises(GrantRefused):
        account.address()
    world.calm()
    assert account.address() == world.address


@pytest.mark.rule("I10")
def test_neither_session_nor_grant_nor_error_shows_a_secret_or_the_address(
    world: World, account: Mailbox
) -> None:
    account.address()
    shown = [repr(account), repr(account.grant)]
    for trouble in (world.be_away, world.refuse, world.break_line, world.revoke):
        trouble()
        with pytest.raises((TryAgain, GiveUp, AccessRevoked)) as raised:
            account.cursor_now() if trouble is not world.revoke else world.open().cursor_now()
        shown += ["".join(traceback.format_exception(raised.value)), repr(raised.value.__context__)]
        world.calm()
    for secret in (*world.secrets, world.address):
        assert secret not in "".join(shown)


def test_sessions_in_several_threads_do_not_mix(new_world: Callable[[], World]) -> None:
    worlds = [new_world() for _ in range(6)]

    def sees_its_own(world: World) -> bool:
        mailbox = world.open()
        ids = [world.deliver(mail(world.address)) for _ in range(5)]
        found = [one for _ in range(5) for one in mailbox.headers(ids).values()]
        return all(
            isinstance(one, Fetched) and ("Subject", world.address) in one.payload.headers for one in found
        )

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(sees_its_own, worlds)) == [True] * 6
    for world in worlds:
        world.close()
