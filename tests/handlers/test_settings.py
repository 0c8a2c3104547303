"""Settings of a connection and of the organisation: saved all at once or not at all, and obeyed at once."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from domain.connections.connections import Connection, Features, Sharing, Wishes
from domain.crm.contacts import ContactKind
from domain.crm.organisations import SharingPolicy
from domain.crm.records import ContactRecord, UserRecord
from domain.errors import Refused
from domain.events import MailAnnounced
from domain.ids import MailboxId
from handlers import settings
from infra.db.tables.connections import connections as connection_table
from tests.handlers.conftest import House
from tests.journeys.world import OPEN, UWE
from tests.worlds import HERE


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What the database does with settings is tried on both in tests/infra/db."""
    return sqlite_url


def the(house: House) -> Connection:
    """Uwe's connection."""
    with house.store.begin("tests.look") as tx:
        [connection] = tx.of(HERE).connections.of_user("uwe")
    return connection


def ticks(house: House) -> frozenset[str]:
    return settings.show("uwe", house.store).contacts


@pytest.mark.rule("Z10")
def test_a_new_connection_without_a_sharing_option_is_refused(house: House) -> None:
    with pytest.raises(Refused, match=r"private, custom or public \(rule Z10\)"):
        house.connect(sharing=None)
    with house.store.engine.connect() as db:
        assert db.scalar(select(func.count()).select_from(connection_table)) == 0
    assert house.gmail.dump(UWE).watched_topic is None
    house.connect(sharing=Sharing.CUSTOM)
    house.connect(sharing=None)
    assert the(house).sharing is Sharing.CUSTOM, "signing in again leaves it as it is"


@pytest.mark.rule("Z11")
def test_magnet_and_sorting_are_off_until_they_are_asked_for(house: House) -> None:
    house.connect(magnet=None, sorting=None, dry_run=None)
    connection = the(house)
    assert connection.features == Features()
    assert house.gmail.dump(UWE).watched_topic is None


@pytest.mark.rule("Z12")
def test_sorting_alone_cannot_be_switched_on(house: House) -> None:
    house.connect(magnet=False, sorting=False)
    for wishes in (Wishes(sorting=True), Wishes(sorting=True, magnet=False)):
        with pytest.raises(Refused, match="rule Z12"):
            settings.change("uwe", wishes, house.context)
    assert not the(house).features.sorting


@pytest.mark.rule("Z13", "Z12")
def test_both_features_and_the_sharing_are_saved_together(house: House) -> None:
    house.connect(magnet=False, sorting=False)
    wishes = Wishes(
        magnet=True,
        sorting=True,
        sharing=Sharing.CUSTOM,
        excluded_domains=frozenset({"lawyer.example"}),
        contacts={"ann": True},
    )
    settings.change("uwe", wishes, house.context)
    connection = the(house)
    assert connection.works
    assert connection.sorts
    assert (connection.sharing, connection.excluded_domains) == (
        Sharing.CUSTOM,
        frozenset({"lawyer.example"}),
    )
    assert ticks(house) == {"ann"}
    message_id = house.deliver("ann")
    house.catch_up()
    assert house.labels(message_id) == {"UNREAD", OPEN}


@pytest.mark.rule("Z13")
@pytest.mark.parametrize("magnet", [None, False, True])
@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        pytest.param({"contacts": {"nobody": True}}, "there is no contact nobody", id="an unknown record"),
        pytest.param({"contacts": {"hidden": True}}, "there is no contact hidden", id="a colleague's record"),
        pytest.param(
            {"excluded_domains": frozenset(f"d{n}.example" for n in range(6))}, "at most 5 domains", id="six"
        ),
    ],
)
def test_with_one_odd_setting_nothing_is_saved(
    house: House, odd: dict[str, Any], reason: str, magnet: bool | None
) -> None:
    record = ContactRecord(
        "hidden", ContactKind.CONTACT, "H", (), "eva", datetime(2024, 1, 1, tzinfo=UTC), ("eva", "paul")
    )
    with house.store.begin("tests.crm") as tx:
        tx.of(HERE).crm.put([record])
    house.connect(magnet=magnet is False, sorting=False)
    before = the(house)
    with pytest.raises(Refused, match=reason):
        settings.change("uwe", Wishes(magnet=magnet, sharing=Sharing.PUBLIC, **odd), house.context)
    assert the(house) == before
    assert ticks(house) == frozenset()


@pytest.mark.rule("Z13")
def test_sharing_needs_neither_gmail_nor_a_sign_in_and_drops_no_job(house: House) -> None:
    house.connect()
    house.gmail.revoke(UWE)
    house.deliver("ann")
    house.catch_up()
    before = the(house)
    house.gmail.reset_counters()
    five = frozenset(f"d{n}.example" for n in range(5))
    settings.change(
        "uwe",
        Wishes(sharing=Sharing.CUSTOM, excluded_domains=five, contacts={"ann": True, "cid": True}),
        house.context,
    )
    settings.change("uwe", Wishes(contacts={"ann": False, "bob": False}), house.context)
    connection = the(house)
    assert (connection.sharing, connection.excluded_domains) == (Sharing.CUSTOM, five)
    assert ticks(house) == {"cid"}
    assert connection.version == before.version
    assert house.gmail.counters().http_requests == 0


@pytest.mark.rule("E92")
def test_a_dry_run_switched_on_while_mail_waits_to_be_sorted_moves_nothing(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.catch_up_only()
    while house.sent[0] != MailAnnounced(MailboxId(1)):
        house.run_next()
    settings.change("uwe", Wishes(dry_run=True), house.context)
    house.pump()
    assert house.labels(message_id) == {"INBOX", "UNREAD"}
    settings.change("uwe", Wishes(dry_run=False), house.context)
    assert the(house).sorts


def test_without_a_connection_there_are_no_settings(house: House) -> None:
    for call in (
        lambda: settings.change("uwe", Wishes(sharing=Sharing.PUBLIC), house.context),
        lambda: settings.show("uwe", house.store),
    ):
        with pytest.raises(Refused, match="user uwe has no connection"):
            call()


@pytest.mark.rule("E18")
@pytest.mark.parametrize(
    ("address", "internal", "proposed"),
    [
        pytest.param(UWE, [], "firm.example", id="the firm's"),
        pytest.param(UWE, ["firm.example"], None, id="internal already"),
        pytest.param("uwe@gmail.com", [], None, id="a public service"),
    ],
)
def test_the_mailboxs_domain_is_proposed_as_internal(
    house: House, address: str, internal: list[str], proposed: str | None
) -> None:
    settings.change_organisation({"internal-domain": internal}, house.context)
    house.connect("uwe", address)
    assert settings.show("uwe", house.store).proposed == proposed


def test_what_administrators_say_of_sharing_is_kept(house: House) -> None:
    with house.store.begin("tests.users") as tx:
        tx.of(HERE).crm.put(
            [UserRecord("uwe", "Uwe", (), role="Sales"), UserRecord("eva", "Eva", (), role="Head")]
        )
    settings.change_organisation(
        {
            "sharing-roles": {"Sales": "public"},
            "sharing-users": {"eva": "private"},
            "sharing-only": {"users": ["eva"], "roles": ["Head"]},
            "sharing-exclude": ["lawyer.example"],
        },
        house.context,
        users=["eva"],
        roles=["Sales", "Head"],
    )
    assert settings.organisation(house.store).sharing == SharingPolicy(
        by_role={"Sales": Sharing.PUBLIC},
        by_user={"eva": Sharing.PRIVATE},
        only_users=frozenset({"eva"}),
        only_roles=frozenset({"Head"}),
        excluded_domains=frozenset({"lawyer.example"}),
    )
    house.connect(sharing=Sharing.PRIVATE)
    shown = settings.show("uwe", house.store)
    assert (shown.connection.sharing, shown.option) == (Sharing.PRIVATE, Sharing.PUBLIC)


@pytest.mark.rule("Z13")
@pytest.mark.parametrize(
    ("named", "reason"),
    [
        pytest.param({"users": ["nobody"]}, "there is no user nobody", id="an unknown user"),
        pytest.param({"roles": ["Salse"]}, "no user has the role Salse", id="an unknown role"),
    ],
)
def test_a_slip_in_a_name_saves_nothing(house: House, named: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        settings.change_organisation({"exclude": ["a.example"]}, house.context, **named)
    assert settings.organisation(house.store).exclusions.domains == frozenset()
