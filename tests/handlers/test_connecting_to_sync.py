"""Who may connect a mailbox for two-way sync, and what that asks of him (D1, H1 to H4, E76)."""

import pytest
from sqlalchemy import select

from domain.connections.connections import Mode, Sharing, Wishes
from domain.crm.records import UserRecord
from domain.errors import Refused
from handlers import settings
from handlers.connections import connecting
from handlers.crm import locations
from infra.db.tables.connections import connections
from tests.handlers.conftest import House
from tests.journeys.world import UWE
from tests.worlds import HERE, ONE_DATABASE

pytestmark = ONE_DATABASE

CARLA = "carla@firm.example"


def modes(house: House) -> list[tuple[str, str]]:
    """Each connection's user and mode."""
    with house.store.engine.connect() as db:
        rows = db.execute(select(connections).order_by(connections.c.id))
        return [(row.user_id, row.mode) for row in rows]


@pytest.mark.rule("H2", "D1")
def test_only_a_member_of_the_location_may_connect_there(house: House) -> None:
    locations.add("main/south", house.store)
    with house.store.begin("tests.user") as tx:
        tx.of(HERE).crm.put([UserRecord("uwe", "Uwe", (UWE,), locations=("south",))])

    with pytest.raises(Refused, match="member of other locations only"):
        house.connect(sync=True, magnet=False, sorting=False, location="main/main")
    assert modes(house) == []

    house.connect(sync=True, magnet=False, sorting=False, location="main/south")
    assert modes(house) == [("uwe", Mode.SYNC_GMAIL)]


@pytest.mark.rule("D1", "H1", "Z10")
def test_nobody_but_who_connects_is_synced_and_he_chooses_no_sharing(house: House) -> None:
    """Who may open the contact sees the conversation, so that there is nothing to choose (D1)."""
    house.connect("carla", CARLA, sorting=False)
    connecting.save("uwe", house.grant(UWE), Wishes(sync=True), context=house.context)

    assert modes(house) == [("carla", Mode.LIVE), ("uwe", Mode.SYNC_GMAIL)]
    with house.store.engine.connect() as db:
        uwes = db.execute(select(connections).where(connections.c.user_id == "uwe")).one()
        assert (uwes.magnet_since, uwes.sorting_since) == (None, None)
        assert uwes.sync_since is not None
    with pytest.raises(Refused, match="sharing option"):
        connecting.save("dirk", house.grant("dirk@firm.example"), Wishes(magnet=True), context=house.context)


@pytest.mark.rule("E76", "D1")
def test_a_mailbox_is_synced_for_one_user_of_a_location_and_read_live_by_any(house: House) -> None:
    house.connect(sync=True, magnet=False, sorting=False)

    with pytest.raises(Refused, match="synced already, for user uwe"):
        house.connect("carla", UWE, sync=True, magnet=False, sorting=False)
    house.connect("carla", UWE, magnet=False, sorting=False)

    assert modes(house) == [("uwe", Mode.SYNC_GMAIL), ("carla", Mode.LIVE)]


@pytest.mark.rule("D1", "E94")
def test_a_mailbox_that_is_read_live_is_not_synced_by_the_way(house: House) -> None:
    house.connect(sorting=False)

    with pytest.raises(Refused, match="is connected in mode LIVE"):
        house.connect(sync=True, magnet=False, sorting=False, sharing=Sharing.PRIVATE)
    assert modes(house) == [("uwe", Mode.LIVE)]


@pytest.mark.rule("H4", "D1")
def test_the_connected_address_is_shown_and_the_mailbox_gets_no_labels(house: House) -> None:
    """What changes in the mailbox is the mail that is sent (D1)."""
    house.connect(sync=True, magnet=False, sorting=False)

    house.deliver("ann")
    house.catch_up()

    assert settings.show("uwe", house.store).address == UWE
    assert house.gmail.dump(UWE).messages[0].labels == {"INBOX", "UNREAD"}
