"""Own addresses that Gmail does not list (E14)."""

from collections.abc import Set

import pytest

from domain.connections.aliases import Alias
from domain.crm.contacts import ContactKind
from domain.crm.records import ContactRecord, Record, RecordKind, UserRecord
from domain.mailboxes.accounts import AccountKey
from infra.db.store import Transaction
from tests.worlds import HERE, START, World, connect, connection_of

pytestmark = pytest.mark.rule("E14")

UWE, OLD = "uwe@firm.example", "uwe@old.example"
ANN = ContactRecord("ann", ContactKind.CONTACT, "Ann", ("uwe+x@old.example",), None, START)
"""By the loose form of the alias."""


@pytest.fixture
def aliased(world: World) -> World:
    """The world with an alias of its connection."""
    with world.store.begin("tests.alias") as tx:
        assert tx.of(HERE).aliases.add(connection_of(tx, world), OLD)
    return world


def own(world: World, tx: Transaction) -> tuple[Set[str], ...]:
    """Own addresses, those of them that Gmail does not list, and the users' among both."""
    found = tx.mailboxes.own_and_registered(world.mailbox_id)
    return *found, tx.of(HERE).contacts.users_among([OLD])


def counts(world: World, tx: Transaction) -> bool:
    """The list says the same as what the rules are given."""
    [alias] = tx.of(HERE).aliases.of_users(["uwe"])
    alone, registered, insiders = own(world, tx)
    assert (OLD in alone) == (OLD in registered) == (alias.held_by is None)
    assert UWE in alone
    assert (OLD in insiders) == (not tx.of(HERE).contacts.candidates([OLD]))
    return alias.held_by is None


def test_it_is_own_until_it_is_taken_back(aliased: World) -> None:
    with aliased.store.begin("tests.own") as tx:
        assert own(aliased, tx) == ({UWE, OLD}, {OLD}, {OLD})
        assert tx.of(HERE).aliases.of_users() == (Alias("uwe", UWE, OLD),)
        assert not tx.of(HERE).aliases.add(connection_of(tx, aliased), OLD), "a second time"
        assert tx.of(HERE).aliases.remove(connection_of(tx, aliased), OLD)
        assert not tx.of(HERE).aliases.remove(connection_of(tx, aliased), OLD)
        assert own(aliased, tx) == ({UWE}, frozenset(), frozenset())
        assert not tx.of(HERE).aliases.remove(connection_of(tx, aliased), UWE), "Gmail lists that"


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        pytest.param(ANN, RecordKind.CONTACTS, id="contact"),
        pytest.param(UserRecord("dirk", "Dirk", (OLD,)), RecordKind.USERS, id="another user"),
    ],
)
def test_it_gives_way_to_a_record_that_comes_later(aliased: World, record: Record, kind: RecordKind) -> None:
    with aliased.store.begin("tests.come") as tx:
        assert counts(aliased, tx)
        tx.of(HERE).crm.put([record])
        assert not counts(aliased, tx)
        tx.of(HERE).crm.delete(kind, [record.id])
        assert counts(aliased, tx), "it counts again"


def test_it_stays_when_it_is_the_users_own_login(aliased: World) -> None:
    with aliased.store.begin("tests.come") as tx:
        tx.of(HERE).crm.put([UserRecord("uwe", "Uwe", (OLD,))])
        assert counts(aliased, tx)


def test_it_gives_way_to_a_mailbox_that_is_connected_later(aliased: World) -> None:
    with aliased.store.begin("tests.come") as tx:
        other = tx.mailboxes.add(AccountKey("gmail", OLD), OLD)
        tx.mailboxes.keep_own_addresses(other, [OLD])
        connect(tx, other, "carla")
        assert not counts(aliased, tx)
        tx.of(HERE).aliases.add(next(iter(tx.of(HERE).connections.of_user("carla"))), "carla@old.example")
        assert tx.mailboxes.own_addresses(other) == {OLD, "carla@old.example"}
        assert tx.of(HERE).aliases.holders([OLD, "nobody@old.example"])[OLD].listed == {other}


@pytest.mark.rule("E99")
def test_what_gmail_lists_by_now_needs_no_registering(aliased: World) -> None:
    with aliased.store.begin("tests.list") as tx:
        tx.mailboxes.keep_own_addresses(aliased.mailbox_id, [UWE, OLD])
        assert own(aliased, tx) == ({UWE, OLD}, frozenset(), {OLD})
        assert tx.of(HERE).aliases.of_users() == ()


@pytest.mark.rule("E99")
def test_a_primary_address_that_was_an_alias_is_listed(aliased: World) -> None:
    with aliased.store.begin("tests.rename") as tx:
        other = "uwe@third.example"
        tx.of(HERE).aliases.add(connection_of(tx, aliased), other)
        assert tx.mailboxes.rename(aliased.mailbox_id, OLD)
        assert own(aliased, tx)[:2] == ({UWE, OLD, other}, {other})


@pytest.mark.rule("D12")
def test_it_ends_with_its_connection_and_no_other(aliased: World) -> None:
    with aliased.store.begin("tests.end") as tx:
        carla = tx.connections.get(connect(tx, aliased.mailbox_id, "carla"))
        assert carla
        assert tx.of(HERE).aliases.add(carla, "carla@old.example")
        tx.of(HERE).aliases.end(connection_of(tx, aliased))
        assert own(aliased, tx)[:2] == ({UWE, "carla@old.example"}, {"carla@old.example"})
