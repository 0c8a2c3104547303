"""Addresses of a user that Gmail does not list, from the command to the mail (E14)."""

import pytest
import structlog

from domain.checks import Verdict
from domain.crm.contacts import ContactKind
from domain.crm.records import ContactRecord, UserRecord
from domain.errors import Refused, TryAgain
from domain.ids import MailboxId
from handlers import doctor, reports, settings
from handlers.connections import aliases, disconnecting
from handlers.crm import records
from tests.handlers.conftest import House
from tests.journeys.world import UWE, mail
from tests.worlds import HERE, ONE_DATABASE, START
from workers.cli import explaining

pytestmark = [pytest.mark.rule("E14"), ONE_DATABASE]

OLD = "uwe@old.example"


@pytest.fixture
def aliased(house: House) -> House:
    """Uwe is connected, and his old account sends its mail on."""
    house.connect()
    assert aliases.add("uwe", OLD, house.store)
    return house


def arrives(house: House, raw: bytes, *labels: str) -> tuple[str, str | None]:
    """The mail's id and how it ended."""
    message_id = house.gmail.deliver(UWE, raw, labels=labels or None).id
    house.catch_up()
    return message_id, house.outcomes()[message_id]


def from_(address: str, *to: str) -> bytes:
    return mail("x", 1, to=", ".join(to)).replace(b"x@example.com>\r\nTo", address.encode() + b">\r\nTo")


@pytest.mark.rule("D11")
def test_mail_to_an_alias_is_announced(house: House) -> None:
    house.connect()
    _, before = arrives(house, mail("ann", 1, to=OLD))
    assert before == "label.open"
    assert house.notified() == []
    aliases.add("uwe", OLD, house.store)
    message_id, _ = arrives(house, mail("ann", 2, to=OLD))
    assert house.notified() == [message_id]
    aliases.remove("uwe", OLD, house.store)
    arrives(house, mail("ann", 3, to=OLD))
    assert house.notified() == [message_id]


@pytest.mark.rule("D3-8", "D4-2", "D4-3")
def test_mail_from_an_alias(aliased: House) -> None:
    assert arrives(aliased, from_(OLD, UWE))[1] == "skip.self"
    assert arrives(aliased, from_(OLD, "ann@example.com"), "SENT")[1] == "skip.outbound"
    message_id, outcome = arrives(aliased, from_(OLD, UWE, "ann@example.com"))
    assert outcome == "skip.no_contact", "anybody may write that into From"
    [found] = reports.explain(message_id, None, context=aliased.context)
    said = "\n".join(explaining.in_words(found))
    assert f"in Gmail now: inbound, from {OLD}, which is registered as an alias of the mailbox (E14)" in said


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        pytest.param("ann@example.com", "contact ann has this address", id="a contact's"),
        pytest.param("LEA+x@example.com", "contact lea has this address", id="a lead's, with a tag"),
        pytest.param("dirk@firm.example", "user dirk has this address", id="another user's"),
        pytest.param("carla@firm.example", "another mailbox has this address", id="another mailbox's"),
        pytest.param(UWE, "the provider lists this address", id="his primary one"),
    ],
)
def test_whose_address_is_refused(house: House, address: str, reason: str) -> None:
    house.connect()
    house.connect("carla", "carla@firm.example")
    with house.store.begin("tests.users") as tx:
        tx.of(HERE).crm.put([UserRecord("dirk", "Dirk", ("dirk@firm.example",))])
    with pytest.raises(Refused, match=reason):
        aliases.add("uwe", address.lower(), house.store)
    assert aliases.show("uwe", house.store) == ()


def test_who_has_no_connection_is_refused(aliased: House) -> None:
    with pytest.raises(Refused, match="user carla has no connection"):
        aliases.add("carla", "carla@old.example", aliased.store)
    with pytest.raises(Refused, match="there is no user carla"):
        aliases.show("carla", aliased.store)
    with pytest.raises(Refused, match="not registered for user uwe"):
        aliases.remove("uwe", UWE, aliased.store)


def test_adding_and_removing_is_logged_once_and_without_the_address(house: House) -> None:
    connection_id = house.connect()
    with structlog.testing.capture_logs() as logs:
        assert aliases.add("uwe", OLD, house.store)
        assert not aliases.add("uwe", OLD, house.store)
        aliases.remove("uwe", OLD, house.store)
    who = {
        "connection_id": connection_id,
        "location_id": 1,
        "mailbox_id": 1,
        "user_id": "uwe",
        "log_level": "info",
    }
    assert logs == [{"event": "alias.added", **who}, {"event": "alias.removed", **who}]


def test_a_contact_who_comes_later_is_taken_in_and_the_alias_gives_way(aliased: House) -> None:
    """His mail would never be announced, if his address counted as the user's own."""
    late = ContactRecord("old", ContactKind.CONTACT, "Old", (OLD,), None, START)
    assert records.take_in([late], aliased.store).imported == 1
    message_id, outcome = arrives(aliased, from_(OLD, UWE))
    assert outcome == "label.none"
    assert aliased.notified() == [message_id]
    assert [alias.held_by for alias in aliases.show(None, aliased.store)] == ["contact old"]
    assert [alias.held_by for alias in settings.show("uwe", aliased.store).aliases] == ["contact old"]
    examined = doctor.examine(MailboxId(1), aliased.context)
    assert examined
    [finding] = [one for one in examined.findings if one.check == "alias"]
    assert (finding.verdict, "contact old has the address" in finding.says) == (Verdict.WARNING, True)


@pytest.mark.rule("D12")
def test_it_ends_with_the_connection_at_once(aliased: House) -> None:
    aliased.connect("carla", magnet=False, sorting=False)
    aliased.gmail.fault("503")
    with pytest.raises(TryAgain):
        disconnecting.disconnect("uwe", aliased.context)
    aliased.gmail.clear_faults()
    assert aliases.show(None, aliased.store) == ()
    with aliased.store.begin("tests.own") as tx:
        assert tx.mailboxes.own_addresses(MailboxId(1)) == {UWE}
    assert aliases.add("carla", OLD, aliased.store)


@pytest.mark.rule("D12", "E99")
def test_it_outlives_a_new_sign_in_a_rename_and_the_daily_look(aliased: House) -> None:
    aliased.gmail.rename_mailbox(UWE, "uwe.new@firm.example")
    aliased.connect("uwe", "uwe.new@firm.example")
    assert [alias.address for alias in aliases.show("uwe", aliased.store)] == [OLD]
    aliased.gmail.set_aliases(UWE, [OLD])
    aliased.connect("uwe", "uwe.new@firm.example")
    assert aliases.show("uwe", aliased.store) == (), "Gmail lists it by now"
    assert arrives(aliased, from_(OLD, "ann@example.com"))[1] == "skip.outbound"
