"""The port PushSubscription at every provider: begun, renewed, led elsewhere, refused, ended."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import AccessRevoked, NoPush, TryAgain
from handlers.ports.capabilities import Mailbox, PushSubscription
from tests.contracts.world import World, mail, promised

A_WEEK = timedelta(days=7, seconds=1)


@pytest.fixture
def push(world: World) -> Mailbox:
    world.must_have("PushSubscription")
    return world.open()


def test_it_has_all_that_the_port_names(push: PushSubscription) -> None:
    assert promised(PushSubscription) <= set(dir(push))


def test_to_open_a_mailbox_begins_no_watch(world: World, push: PushSubscription) -> None:
    assert push is not None
    assert world.asked().requests == 0


def test_to_end_what_never_began_is_no_error(push: PushSubscription) -> None:
    push.stop_watch()
    push.stop_watch()


@pytest.mark.rule("W14")
def test_a_watch_tells_where_history_stands_until_when_it_lasts_and_the_providers_time(
    world: World, push: Mailbox
) -> None:
    began = datetime.now(UTC)
    watch = push.watch(world.target)
    assert world.watched() == world.target
    assert began - timedelta(seconds=1) < watch.answered_at <= datetime.now(UTC)
    assert timedelta() < watch.expires_at - watch.answered_at <= A_WEEK
    new = world.deliver(mail())
    assert {change.message_id for page in push.changes_since(watch.cursor) for change in page.changes} == {
        new
    }


def test_a_watch_can_be_renewed_and_ended(world: World, push: PushSubscription) -> None:
    first = push.watch(world.target)
    second = push.watch(world.target)
    assert second.expires_at >= first.expires_at
    assert world.watched() == world.target
    push.stop_watch()
    assert world.watched() is None
    assert push.watch(world.target).expires_at >= second.expires_at


@pytest.mark.rule("E85")
def test_a_watch_that_leads_elsewhere_makes_way(world: World, push: PushSubscription) -> None:
    push.watch(world.other_target)
    push.watch(world.target)
    assert world.watched() == world.target


@pytest.mark.rule("E85")
def test_where_the_provider_cannot_push_the_mailbox_begins_unwatched(world: World, push: Mailbox) -> None:
    world.refuse_target()
    with pytest.raises(NoPush) as refused:
        push.watch(world.target)
    began = datetime.now(UTC)
    unwatched = push.unwatched(refused.value.reason)
    assert unwatched.trouble == refused.value.reason
    assert unwatched.trouble in world.provider().about.no_push, "people are told what to do"
    assert began - timedelta(seconds=1) < unwatched.answered_at <= datetime.now(UTC)
    assert unwatched.cursor == push.cursor_now()
    assert world.watched() is None


@pytest.mark.rule("E85")
def test_a_watch_that_is_to_make_way_for_one_that_is_refused_may_be_gone(
    world: World, push: PushSubscription
) -> None:
    push.watch(world.other_target)
    world.refuse_target()
    with pytest.raises(NoPush):
        push.watch(world.target)
    assert world.watched() in (None, world.other_target)
    push.stop_watch()
    assert world.watched() is None


@pytest.mark.rule("E85", "E86", "E87")
def test_a_limit_or_a_lost_grant_is_no_word_about_the_target(world: World, push: PushSubscription) -> None:
    world.throttle(40)
    with pytest.raises(TryAgain) as limited:
        push.watch(world.target)
    assert limited.value.after is not None
    world.calm()
    world.revoke()
    with pytest.raises(AccessRevoked):
        world.open().watch(world.target)
    assert world.watched() is None


@pytest.mark.rule("W1")
def test_a_push_names_the_mailbox_by_the_providers_key(world: World, push: PushSubscription) -> None:
    push.watch(world.target)
    world.deliver(mail())
    told, provider, before = world.pushed(), world.provider(), world.asked()
    assert provider.decode_push(told) == provider.key(world.grant, world.address)
    assert world.asked() == before


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[]", b"{}", b"[" * 100_000], ids=len)
def test_what_is_no_push_names_no_mailbox(world: World, push: PushSubscription, data: bytes) -> None:
    assert push is not None
    assert world.provider().decode_push(data) is None
