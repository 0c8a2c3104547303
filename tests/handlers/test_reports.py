"""What the operator is told: of mailboxes, of single mails, and the user of his notifications."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, insert, select, update

from domain.connections.connections import Features
from domain.crm.contacts import MatchedBy
from domain.crm.records import RecordKind
from domain.errors import Refused
from domain.explanations import differs, second_look, summary
from domain.ledger import State, Step
from domain.message_records import ConnectionDecision
from domain.notifications import NotificationKind
from domain.outcomes import Outcome
from domain.reports import Notification
from handlers import reports
from handlers.crm import locations, records
from handlers.reports import Explained
from infra.db.tables.connections import connections
from infra.db.tables.crm import contacts, deals
from infra.db.tables.ledger import steps
from infra.db.tables.schema import metadata
from tests.handlers.conftest import House
from tests.journeys.world import UWE, mail
from tests.worlds import (
    HERE,
    ONE_DATABASE,
    World,
    arrive,
    connect,
    connection_of,
    let_pass,
    make_world,
    match,
)

pytestmark = ONE_DATABASE


def explained(house: House, message_id: str) -> tuple[Explained, ConnectionDecision]:
    """The one explanation of a mail, and its one decision."""
    [found] = reports.explain(message_id, None, context=house.context)
    [decided] = found.trail.decided
    return found, decided


def in_a_sentence(house: House, message_id: str) -> str:
    found, decided = explained(house, message_id)
    return summary(found.trail, decided, found.today)


def seen(house: House, message_id: str) -> tuple[str, str | None]:
    """What a second look shows, and how that differs."""
    found, decided = explained(house, message_id)
    look = found.seen[decided.connection_id]
    return second_look(look), differs(decided, look)


@pytest.mark.rule("I9")
def test_every_decision_of_the_pipeline_can_be_explained(house: House) -> None:
    house.connect()
    sent = {sender: house.deliver(sender) for sender in ("ann", "cid", "lea", "nora")}
    sent["spam"] = house.deliver("ann", 2, labels=["SPAM"])
    house.catch_up()
    assert {sender: in_a_sentence(house, message_id) for sender, message_id in sent.items()} == {
        "ann": "labelled Open Deals because deal d1 of contact ann is open (no closing date this month)",
        "cid": "labelled Customers because deal d2 of contact cid is won and none is open",
        "lea": "not labelled: the sender is only a lead",
        "nora": "left alone: its author's address is on no record of the CRM (D5)",
        "spam": "left alone: it was in Spam (D3 row 4)",
    }


@pytest.mark.rule("I9")
def test_the_trail_holds_match_change_and_cost(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.catch_up()
    found, decided = explained(house, message_id)
    assert (found.trail.mailbox, found.trail.came_by) == (UWE, "push")
    assert decided.matched_by is MatchedBy.EXACT
    assert decided.notification_id is not None
    assert decided.changed is not None
    assert [found.trail.label_names.get(i, i) for i in decided.changed.add] == ["Open Deals"]
    assert decided.changed.leave_inbox
    assert not decided.changed.remove
    costs = [(one.step, one.units, one.tries, one.outcome) for one in found.trail.steps]
    assert costs == [
        (Step.MATCH, 20, 1, None),
        (Step.ANNOUNCE, 0, 1, Outcome.MAGNET_NOTIFIED),
        (Step.SORT, 5, 1, Outcome.LABEL_OPEN),
    ]
    assert found.seen == {}, "what the ledger knows is not read again"


@pytest.mark.rule("E11", "D9")
def test_the_deal_of_another_contact_with_the_address_is_named_with_that_contact(house: House) -> None:
    house.connect()
    with house.store.begin("tests.pa_and_ma") as tx:
        row = {"id": "a-pa", "kind": "contact", "name": "Pa", "created_at": datetime(2021, 1, 1, tzinfo=UTC)}
        tx.db.execute(insert(contacts).values({"location_id": 1} | row))
        addresses = metadata.tables["contact_addresses"]
        key = {"contact_id": "a-pa", "address": "ann@example.com", "loose": "ann@example.com"}
        tx.db.execute(insert(addresses).values(location_id=1, **key))
    message_id = house.deliver("ann")
    house.catch_up()
    found, decided = explained(house, message_id)
    assert decided.person is not None
    assert decided.person.id == "a-pa", "the notification names the oldest"
    assert "deal d1 of contact ann is open" in summary(found.trail, decided, found.today)


@pytest.mark.rule("D2", "I7")
def test_mail_of_nobody_is_read_again_once_shown_and_not_kept(house: House) -> None:
    house.connect()
    message_id = house.deliver("nora")
    house.catch_up()
    house.gmail.reset_counters()
    assert seen(house, message_id) == ("inbound, from nora@example.com, on no record of the CRM", None)
    counters = house.gmail.counters()
    assert (counters.calls_of("messages.get"), counters.calls) == (1, 1)
    with house.store.begin("tests.look") as tx:
        kept = [str(row) for table in metadata.sorted_tables for row in tx.db.execute(select(table))]
    assert not any("nora" in row for row in kept)


@pytest.mark.rule("E21")
def test_a_contact_that_came_later_shows_but_changes_nothing(house: House) -> None:
    house.connect()
    message_id = house.deliver("nora")
    house.catch_up()
    with house.store.begin("tests.move") as tx:
        addresses = metadata.tables["contact_addresses"]
        tx.db.execute(
            insert(addresses).values(
                location_id=1, contact_id="ann", address="nora@example.com", loose="nora@example.com"
            )
        )
    words, difference = seen(house, message_id)
    assert words == "inbound, from nora@example.com of contact ann"
    assert difference is not None
    assert "decided now it would be matched, not skip.no_contact" in difference
    assert house.outcomes()[message_id] == "skip.no_contact"


def test_a_mail_whose_labels_changed_since_says_so(house: House) -> None:
    house.connect()
    message_id = house.deliver("nora")
    house.catch_up()
    house.gmail.change_labels(UWE, [message_id], add=["TRASH"], remove=["INBOX"])
    assert "skip.trash, not skip.no_contact" in str(seen(house, message_id)[1])


@pytest.mark.rule("E38")
def test_a_mail_that_is_gone_since_says_so(house: House) -> None:
    house.connect()
    message_id = house.deliver("nora")
    house.catch_up()
    house.gmail.delete(UWE, [message_id])
    words, difference = seen(house, message_id)
    assert words == "the mailbox no longer has it"
    assert difference is not None


@pytest.mark.parametrize("kind", ["503", "403.domainPolicy"])
def test_when_gmail_cannot_be_asked_the_ledger_answers_alone(house: House, kind: str) -> None:
    house.connect()
    message_id = house.deliver("nora")
    house.catch_up()
    house.gmail.fault(kind, ["messages.get"])
    words, difference = seen(house, message_id)
    assert words.startswith("not read again: the provider cannot be asked (")
    assert difference is None
    assert in_a_sentence(house, message_id).startswith("left alone")


@pytest.mark.rule("E86")
def test_when_nobody_is_signed_in_the_ledger_answers_alone(house: House) -> None:
    house.connect()
    message_id = house.deliver("nora")
    house.catch_up()
    house.gmail.revoke(UWE)
    house.gmail.expire_access_tokens(UWE)
    assert seen(house, message_id)[0].startswith("not read again: nobody is signed in")
    [mailbox] = reports.status(None, None, context=house.context).mailboxes
    assert mailbox.state_in_words(mailbox.synced_at or datetime.now(UTC)) == "reauth needed"


def test_an_id_in_two_mailboxes_is_explained_in_both_or_in_one(
    store_of_two: tuple[World, World], house: House
) -> None:
    for world in store_of_two:
        arrive(world, "m1")
    both = reports.explain("m1", None, context=house.context)
    assert [one.trail.mailbox for one in both] == ["carla@firm.example", UWE]
    [one] = reports.explain("m1", UWE, context=house.context)
    assert one.trail.mailbox == UWE
    assert reports.explain("m1", "nobody@firm.example", context=house.context) == ()
    assert reports.explain("m2", None, context=house.context) == ()


def test_a_mail_is_explained_by_its_category_when_the_rest_is_forgotten(house: House) -> None:
    house.connect()
    message_id = house.deliver("cid")
    house.catch_up()
    let_pass(house.store, 40 * 86_400)
    with house.store.begin("tests.purge") as tx:
        assert tx.retention.mails(35, 10, ()).rows == 1
    found, decided = explained(house, message_id)
    assert found.trail.came_by is None
    assert summary(found.trail, decided, found.today) == "labelled Customers"
    assert found.seen == {}


def test_a_deal_that_is_gone_since_is_said_to_be(house: House) -> None:
    house.connect()
    message_id = house.deliver("cid")
    house.catch_up()
    with house.store.begin("tests.forget") as tx:
        tx.db.execute(delete(deals))
    assert in_a_sentence(house, message_id).endswith("the deal is no longer in the CRM")


@pytest.fixture
def store_of_two(house: House) -> tuple[World, World]:
    """Uwe's and Carla's mailboxes in the house's store."""
    return make_world(house.store), make_world(house.store, "carla@firm.example", "carla")


@pytest.mark.rule("Z25")
def test_notifications_show_the_records_name_the_address_and_the_time(house: House) -> None:
    house.connect()
    first = house.gmail.deliver(UWE, mail("ann", 1).replace(b"From: Ann", b"From: Somebody Else")).id
    second = house.deliver("lea")
    house.catch_up()
    found = reports.notifications("uwe", 0, None, context=house.context)
    received = house.gmail.dump(UWE).messages[0].internal_date
    assert found[0] == Notification(
        id=found[0].id,
        kind=NotificationKind.MAIL,
        late=False,
        name="Ann",
        author="ann@example.com",
        received_at=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=received),
        message_id=first,
        contact_id="ann",
        location=HERE,
    )
    assert [(one.name, one.message_id) for one in found] == [("Ann", first), ("Lea", second)]
    assert found[0].id < found[1].id
    assert reports.notifications("uwe", found[0].id, None, context=house.context) == found[1:]
    assert reports.notifications("uwe", 0, 1, context=house.context) == found[:1]
    house.connect("carla", "carla@firm.example")
    assert reports.notifications("carla", 0, None, context=house.context) == ()
    with pytest.raises(Refused, match="there is no user eva"):
        reports.notifications("eva", 0, None, context=house.context)


@pytest.mark.rule("Z25")
def test_a_notification_outlives_its_contact(house: House) -> None:
    house.connect()
    house.deliver("ann")
    house.catch_up()
    with house.store.begin("tests.forget") as tx:
        tx.db.execute(delete(contacts))
    [one] = reports.notifications("uwe", 0, None, context=house.context)
    assert (one.name, one.contact_id) == (None, "ann")


def test_status_counts_mails_not_steps(store_of_two: tuple[World, World], house: House) -> None:
    uwe, _ = store_of_two
    arrive(uwe, "m1", "m2", "m3")
    match(uwe, "m1", "m2")
    with house.store.begin("tests.fail") as tx:
        failed = (steps.c.message_id == "m2", steps.c.step == Step.ANNOUNCE.value)
        tx.db.execute(update(steps).where(*failed).values(state=State.SET_ASIDE.value))
    status = reports.status(None, None, context=house.context)
    assert [(one.address, one.waiting, one.set_aside) for one in status.mailboxes] == [
        (UWE, 3, 1),
        ("carla@firm.example", 0, 0),
    ]
    assert (status.totals.mailboxes, status.totals.waiting, status.totals.set_aside) == (2, 3, 1)
    one = reports.status("carla@firm.example", None, context=house.context)
    assert ([mailbox.address for mailbox in one.mailboxes], one.totals.waiting) == (["carla@firm.example"], 0)
    assert reports.status(None, 1, context=house.context).totals == status.totals
    assert reports.status("nobody@firm.example", None, context=house.context).totals.mailboxes == 0


@pytest.mark.rule("T1", "T2")
def test_a_locations_status_is_of_what_it_has_connected_and_counts_its_own(house: House) -> None:
    """Uwe's mailbox is connected in two locations of one organisation, Carla's in the second of them alone."""
    second = locations.add("main/second", house.store).location
    locations.add("acme/berlin", house.store)
    uwe, carla = make_world(house.store), make_world(house.store, "carla@firm.example", "carla")
    with house.store.begin("tests.second") as tx:
        theirs = connect(tx, uwe.mailbox_id, "uwe", sorting=False, location=second)
        tx.db.execute(
            update(connections).where(connections.c.id == carla.connection_id).values(location_id=second.id)
        )
        joined = tx.connections.get(theirs)
        assert joined
        assert tx.connections.need_sign_in(joined)
    arrive(uwe, "m1")
    match(uwe, "m1")
    arrive(uwe, "m2")
    arrive(carla, "m3")
    records.refuse(RecordKind.DEALS, "d2", None, "no stage", house.store, "main/main")
    found = {
        name: reports.status(None, None, house.context, name)
        for name in (None, "main/main", "main/second", "acme/berlin")
    }

    states = {
        name: {one.address: (one.state_in_words(status.now), one.waiting) for one in status.mailboxes}
        for name, status in found.items()
    }
    assert states["main/main"] == {UWE: ("active", 2)}
    assert states["main/second"] == {
        UWE: ("reauth needed", 1),
        "carla@firm.example": ("active", 1),
    }, "the mail that is matched for the other one is not its own"
    assert states["acme/berlin"] == {}
    assert states[None] == {UWE: ("active", 2), "carla@firm.example": ("active", 1)}
    assert [(one.totals.mailboxes, one.totals.waiting) for one in found.values()] == [
        *((2, 3), (1, 2), (2, 2), (0, 0))
    ]
    assert [sum(one.outdated.values()) for one in found.values()] == [1, 1, 0, 0]
    named = reports.status(UWE, None, house.context, "acme/berlin")
    assert named.totals.mailboxes == 0
    with pytest.raises(Refused, match="there is no location acme/paris"):
        reports.status(None, None, house.context, "acme/paris")


@pytest.mark.rule("Z33")
def test_status_is_late_when_a_mail_waits_longer_than_ten_minutes(
    store_of_two: tuple[World, World], house: House
) -> None:
    arrive(store_of_two[0], "m1")
    let_pass(house.store, 590)
    status = reports.status(None, None, context=house.context)
    assert not status.totals.late(status.now)
    let_pass(house.store, 20)
    arrive(store_of_two[1], "m2")
    status = reports.status(None, None, context=house.context)
    assert status.totals.late(status.now)
    carla = reports.status("carla@firm.example", None, context=house.context)
    assert not carla.totals.late(carla.now)


@pytest.mark.rule("Z33", "E82")
def test_status_is_late_when_nobody_looks_into_a_mailbox_that_is_due(
    store_of_two: tuple[World, World], house: House
) -> None:
    """What no worker has found waits in no ledger."""
    let_pass(house.store, 540 + 590)
    status = reports.status(None, None, context=house.context)
    assert not status.totals.late(status.now)
    let_pass(house.store, 20)
    status = reports.status(None, None, context=house.context)
    assert (status.totals.waiting, status.totals.late(status.now)) == (0, True)
    with house.store.begin("tests.rest") as tx:
        for world in store_of_two:
            tx.mailboxes.rest(world.mailbox_id, "rateLimitExceeded", 60)
    status = reports.status(None, None, context=house.context)
    assert not status.totals.late(status.now), "nor is it to be looked into while it rests"
    let_pass(house.store, 3_600)
    assert reports.status(None, None, context=house.context).totals.late(status.now)
    with house.store.begin("tests.pause") as tx:
        tx.mailboxes.pause_by_operator(None, 0, 9)
    status = reports.status(None, None, context=house.context)
    assert not status.totals.late(status.now), "paused"


@pytest.mark.rule("E86")
def test_mail_that_waits_for_a_sign_in_is_shown_but_not_late(
    store_of_two: tuple[World, World], house: House
) -> None:
    uwe, _ = store_of_two
    arrive(uwe, "m1")
    let_pass(house.store, 3_600)
    with house.store.begin("tests.revoke") as tx:
        tx.connections.need_sign_in(connection_of(tx, uwe))
    status = reports.status(UWE, None, context=house.context)
    assert status.totals.waiting == 1
    assert not status.totals.late(status.now)
    assert status.mailboxes[0].state_in_words(status.now) == "reauth needed", "trouble comes first"


@pytest.mark.rule("E87", "I4")
def test_a_mailbox_that_rests_says_until_when_and_why(
    store_of_two: tuple[World, World], house: House
) -> None:
    with house.store.begin("tests.rest") as tx:
        tx.mailboxes.rest(store_of_two[0].mailbox_id, "rateLimitExceeded", 300)
    status = reports.status(None, None, context=house.context)
    states = {one.address: one.state_in_words(status.now) for one in status.mailboxes}
    assert states[UWE].startswith("resting until ")
    assert states[UWE].endswith("(rateLimitExceeded)")
    assert states["carla@firm.example"] == "active"


@pytest.mark.rule("E67")
def test_a_mailbox_in_which_sorting_is_stopped_comes_first_and_says_why(
    store_of_two: tuple[World, World], house: House
) -> None:
    uwe, carla = store_of_two
    with house.store.begin("tests.stop") as tx:
        assert tx.connections.stop_sorting(connection_of(tx, uwe), "invalidArgument")
    status = reports.status(None, None, context=house.context)
    assert [
        (one.address, one.state_in_words(status.now), one.sorting_trouble) for one in status.mailboxes
    ] == [
        (UWE, "sorting stopped (invalidArgument)", "invalidArgument"),
        ("carla@firm.example", "active", None),
    ]
    assert status.totals.unsorted == 1
    with house.store.begin("tests.switch") as tx:
        assert tx.connections.stop_sorting(connection_of(tx, carla), "invalidArgument")
        tx.connections.need_sign_in(connection_of(tx, uwe))
        tx.connections.change(carla.connection_id, Features(), dry_run=False)
    status = reports.status(None, None, context=house.context)
    assert status.totals.unsorted == 0, (
        "who is not signed in, or wants no sorting, has another trouble or none"
    )


@pytest.mark.rule("W15")
def test_a_mailbox_with_one_of_two_users_signed_in_is_active(house: House) -> None:
    world = make_world(house.store)
    with house.store.begin("tests.second") as tx:
        second = connect(tx, world.mailbox_id, "carla", sorting=False)
        joined = tx.connections.get(second)
        assert joined is not None
        tx.connections.need_sign_in(joined)
        tx.connections.change(world.connection_id, Features(), dry_run=False)
    status = reports.status(None, None, context=house.context)
    assert status.mailboxes[0].state_in_words(status.now) == "reauth needed"
    with house.store.begin("tests.only") as tx:
        tx.db.execute(delete(connections).where(connections.c.id == second))
    assert reports.status(None, None, context=house.context).mailboxes[0].state_in_words(status.now) == "off"
