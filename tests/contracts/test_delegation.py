"""The port Delegation, at every provider that lets an administrator let us in."""

import pytest

from domain.connections.permissions import Permission
from domain.errors import NotDelegated, UnknownAddress
from handlers.ports.providers import Delegation
from tests.contracts.world import World, mail, promised


@pytest.fixture
def delegation(world: World) -> Delegation:
    world.must_have("Delegation")
    found = world.provider().delegation
    assert found is not None, "the world has set none up"
    return found


def test_it_has_all_that_the_port_names(delegation: Delegation) -> None:
    assert promised(Delegation) <= set(dir(delegation))


def test_a_grant_says_what_it_permits_and_nobody_is_asked(world: World, delegation: Delegation) -> None:
    grant = delegation.grant(world.address, [Permission.READ])
    assert grant.provider == world.provider().about.name
    assert world.provider().permissions(grant) == frozenset({Permission.READ})
    assert world.asked().requests == 0


def test_what_the_administrator_has_to_do_is_a_sentence_without_the_address(
    world: World, delegation: Delegation
) -> None:
    said = delegation.refusal(delegation.grant(world.address, [Permission.READ]))
    assert " " in said
    assert world.address not in said
    assert world.asked().requests == 0


@pytest.mark.rule("E86")
def test_who_is_let_in_enters_and_only_the_administrator_ends_that(
    world: World, delegation: Delegation
) -> None:
    world.let_in(Permission.READ)
    message_id = world.deliver(mail())
    mailbox = world.open(delegation.grant(world.address, [Permission.READ]))
    assert mailbox.address() == world.address
    assert mailbox.headers([message_id])[message_id] is not None
    mailbox.revoke()
    world.expire_access()
    assert mailbox.address() == world.address


@pytest.mark.rule("E86")
def test_what_the_administrator_takes_away_is_tried_again_and_may_come_back(
    world: World, delegation: Delegation
) -> None:
    world.let_in(Permission.READ)
    mailbox = world.open(delegation.grant(world.address, [Permission.READ]))
    mailbox.address()
    world.let_in()
    world.expire_access()
    with pytest.raises(NotDelegated) as refused:
        mailbox.address()
    assert refused.value.after is not None
    with pytest.raises(NotDelegated):
        mailbox.headers([world.unknown_id, world.deliver(mail())])
    world.let_in(Permission.READ)
    assert mailbox.address() == world.address


@pytest.mark.rule("E86", "Z9")
def test_for_more_than_is_delegated_nobody_is_let_in(world: World, delegation: Delegation) -> None:
    world.let_in(Permission.READ)
    with pytest.raises(NotDelegated):
        world.open(delegation.grant(world.address, [Permission.READ, Permission.SEND])).address()


@pytest.mark.rule("E86")
def test_an_address_that_the_provider_does_not_know_is_told_as_that(
    world: World, delegation: Delegation
) -> None:
    world.let_in(Permission.READ)
    with pytest.raises(UnknownAddress):
        world.open(delegation.grant("nobody@example.com", [Permission.READ])).address()
