"""Users and who may open a record: what the CRM has told, as the rules ask for it (Z6, D13)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from domain.crm.contacts import ContactKind
from domain.crm.locations import LocationSettings
from domain.crm.records import ContactRecord, RecordKind, UserRecord
from domain.crm.users import User
from infra.db.store import Store
from tests.journeys.world import wait_for
from tests.worlds import HERE

CREATED = datetime(2024, 1, 1, tzinfo=UTC)


def contact(
    contact_id: str, *addresses: str, assigned_to: str | None = None, visible_to: tuple[str, ...] = ()
) -> ContactRecord:
    return ContactRecord(contact_id, ContactKind.CONTACT, "", addresses, assigned_to, CREATED, visible_to)


@pytest.mark.rule("Z6", "D13")
def test_a_user_is_as_the_crm_has_told_last(store: Store) -> None:
    with store.begin("tests.put") as tx:
        assert tx.of(HERE).users.get("uwe") is None
        tx.of(HERE).crm.put([UserRecord("uwe", "Uwe", ("uwe@firm.example",))])
        assert tx.of(HERE).users.get("uwe") == User("uwe", "Uwe")
        tx.of(HERE).crm.put(
            [UserRecord("uwe", "Uwe", (), "Sales", ("Head", "CEO"), may_connect=False, active=False)]
        )
        now = User("uwe", "Uwe", "Sales", frozenset({"Head", "CEO"}), may_connect=False, active=False)
        assert tx.of(HERE).users.get("uwe") == tx.of(HERE).users.get("uwe", locked=True) == now
        assert (tx.of(HERE).users.has_role("Sales"), tx.of(HERE).users.has_role("Head")) == (True, False)


@pytest.mark.rule("D13")
@pytest.mark.parametrize(
    ("assigned_to", "visible_to", "expected"),
    [
        pytest.param(None, (), True, id="nobody is named"),
        pytest.param("eva", (), True, id="a colleague's, and nobody is named"),
        pytest.param(None, ("uwe",), True, id="he is named"),
        pytest.param(None, ("eva",), False, id="another is named"),
        pytest.param("uwe", ("eva",), True, id="his own"),
    ],
)
def test_who_may_open_a_record(
    store: Store, assigned_to: str | None, visible_to: tuple[str, ...], expected: bool
) -> None:
    with store.begin("tests.put") as tx:
        tx.of(HERE).crm.put([contact("ann", assigned_to=assigned_to, visible_to=visible_to), contact("bob")])
        assert tx.of(HERE).contacts.may_open("ann", "uwe") is expected
        assert not tx.of(HERE).contacts.may_open("nobody", "uwe")
        tx.of(HERE).crm.put([contact("ann", assigned_to=assigned_to)])
        assert tx.of(HERE).contacts.may_open("ann", "uwe"), "viewers are replaced as a set"


@pytest.mark.rule("Z45")
def test_a_record_has_the_addresses_it_has_now(store: Store) -> None:
    with store.begin("tests.put") as tx:
        tx.of(HERE).crm.put([contact("ann", "b@example.com", "a@example.com"), contact("bob")])
        assert tx.of(HERE).contacts.addresses_of("ann") == ("a@example.com", "b@example.com")
        assert tx.of(HERE).contacts.addresses_of("bob") == ()
        assert tx.of(HERE).contacts.addresses_of("nobody") is None
        tx.of(HERE).crm.put([contact("ann", "c@example.com")])
        assert tx.of(HERE).contacts.addresses_of("ann") == ("c@example.com",)
        tx.of(HERE).crm.delete(RecordKind.CONTACTS, ["ann"])
        assert tx.of(HERE).contacts.addresses_of("ann") is None


@pytest.mark.rule("T1")
def test_a_user_is_a_member_of_the_locations_that_are_named_and_of_all_where_none_is(store: Store) -> None:
    with store.begin("tests.put") as tx:
        assert tx.organisations.add("main", "south")
        south = tx.organisations.named("main", "south")[0].location
        told = {"all": (), "both": ("south", "main"), "south": ("south",), "later": ("north",)}
        tx.of(HERE).crm.put([UserRecord(name, "", (), locations=its) for name, its in told.items()])
        everybody = {*told, "unknown"}
        assert tx.of(HERE).crm.outsiders(everybody) == {"south", "later"}
        assert tx.of(south).crm.outsiders(everybody) == {"later"}
        tx.of(HERE).crm.put([UserRecord("south", "", ())])
        assert tx.of(HERE).crm.outsiders(everybody) == {"later"}, "nothing is said of him any more"


@pytest.mark.rule("T2")
def test_a_user_is_an_insider_where_he_is_no_member(store: Store) -> None:
    with store.begin("tests.put") as tx:
        tx.of(HERE).crm.put([UserRecord("kim", "Kim", ("kim@firm.example",), locations=("north",))])
        assert tx.of(HERE).contacts.users_among({"kim@firm.example"}) == {"kim@firm.example"}


@pytest.mark.rule("T3")
def test_each_location_says_by_itself_whether_assignment_is_needed(store: Store) -> None:
    with store.begin("tests.put") as tx:
        assert tx.organisations.add("main", "south")
        south = tx.organisations.named("main", "south")[0].location
        tx.of(south).location_settings.set("assignment-inbound", False)
        tx.of(south).location_settings.set("assignment-outbound", True)
        assert tx.of(HERE).location_settings.get() == LocationSettings()
        assert tx.of(south).location_settings.get() == LocationSettings(
            assigned_inbound=False, assigned_outbound=True
        )


@pytest.mark.rule("Z6")
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_who_withdraws_a_permission_waits_for_who_stands_on_it(store: Store, second_store: Store) -> None:
    """SQLite has one writer anyway."""

    def withdraw() -> None:
        with second_store.begin("tests.withdraw") as tx:
            tx.of(HERE).crm.put([UserRecord("uwe", "Uwe", (), may_connect=False)])

    with store.begin("tests.put") as tx:
        tx.of(HERE).crm.put([UserRecord("uwe", "Uwe", ())])
    with ThreadPoolExecutor(1) as other:
        with store.begin("tests.connect") as tx:
            assert tx.of(HERE).users.get("uwe", locked=True) == User("uwe", "Uwe")
            withdrawn = other.submit(withdraw)
            assert wait_for(lambda: is_waited_for(store)), "nobody waits for the user's row"
            assert tx.of(HERE).users.get("uwe") == User("uwe", "Uwe")
        withdrawn.result(30)


def is_waited_for(store: Store) -> bool:
    """Whether anybody waits for a lock of PostgreSQL's."""
    with store.engine.connect() as db:
        return bool(db.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
