"""Notifications that leave the list: each receiver gets each of them once by its id, however it behaves."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy.event
from redis import Redis
from sqlalchemy import func, insert, select, text, update

from domain.channels import LANES, TRIES, Channel, ChannelKind, ChannelState, Target
from domain.cloud_events import event, line
from domain.connections.connections import Features
from domain.crm.contacts import ContactKind
from domain.crm.records import ContactRecord
from domain.errors import Refused
from domain.events import DeliveryDue
from domain.notifications import NotificationKind
from domain.reports import LedgerQuery
from handlers import channels, reports
from handlers.connections import disconnecting
from handlers.context import Context
from handlers.crm import locations, records
from handlers.jobs import OUTSIDE
from handlers.live_view import live, notification_mail
from handlers.timing import Timing
from infra.db.tables.channels import channels as channel_table
from infra.db.tables.channels import deliveries
from infra.db.tables.mail import notifications
from infra.local.ports import wait_until
from infra.notifiers import Notifiers
from infra.queue import BACKLOG
from tests import sweep
from tests.handlers.conftest import LONG_AGO, House
from tests.journeys.world import UWE, mail
from tests.nowhere import dead_port
from tests.scale.frame import statements
from tests.worlds import HERE, ONE_DATABASE
from workers.cli import explaining
from workers.demo.receiver import Receiver

pytestmark = ONE_DATABASE

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
SINGLE, SUMMARY = "lodestone.mail.received", "lodestone.mail.summarised"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver([SECRET]) as receiver:
        yield receiver


def add(house: House, receiver: Receiver, user: str | None = None) -> Channel:
    """A webhook channel to the receiver."""
    return channels.add(user, ChannelKind.WEBHOOK, Target(receiver.url, SECRET), house.context)


def told(receiver: Receiver, kind: str = SINGLE) -> list[str]:
    """The mails that the receiver was told of, in its order; repeats are dropped by their id, as it would."""
    seen = {event["id"]: event for event in receiver.taken if event["type"] == kind}
    return [event["subject"] for event in seen.values()]


def old_mail(house: House, sender: str, number: int = 0) -> str:
    """A mail of the day before yesterday, after the features were switched on."""
    with house.store.begin("tests.magnet") as tx:
        for one in tx.of(HERE).connections.of_user("uwe"):
            tx.connections.change(
                one.id, Features(magnet_since=LONG_AGO, sorting_since=LONG_AGO), dry_run=False
            )
    at = datetime.now(UTC) - timedelta(hours=49)
    return house.deliver(sender, number, internal_date=round(at.timestamp() * 1000))


def only_list(house: House) -> None:
    """What has come is matched and on the lists; nothing of it is sent."""
    house.catch_up_only()
    house.run_next()
    house.run_next()


def grow_old(house: House) -> None:
    """As if the mails on the lists had come two days ago."""
    with house.store.engine.begin() as db:
        db.execute(text("UPDATE notifications SET received_at = received_at - 172800000"))


def states(house: House) -> list[tuple[str, int]]:
    """State and tries of each delivery that has not gone out, in the order of the list."""
    with house.store.engine.connect() as db:
        query = select(deliveries.c.state, deliveries.c.attempts).order_by(deliveries.c.notification_id)
        return [(row.state, row.attempts) for row in db.execute(query)]


def try_again(house: House, channel: Channel) -> None:
    """Every wait is over and the sweep has asked."""
    house.let_time_pass()
    sweep.redrive(house.context)
    assert DeliveryDue(channel.id) in house.sent
    house.pump()


@pytest.mark.rule("Z21", "Z25", "D2", "I5")
def test_a_customers_mail_goes_out_with_its_three_details_and_nothing_more(
    house: House, receiver: Receiver
) -> None:
    connection_id = house.connect()
    channel = add(house, receiver)
    message_id = house.deliver("ann")
    house.catch_up()
    [event] = receiver.taken
    received = house.gmail.dump("uwe@firm.example").messages[0].internal_date
    at = datetime.fromtimestamp(received / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
    assert event == {
        "specversion": "1.0",
        "id": event["id"],
        "source": "urn:lodestone",
        "type": SINGLE,
        "subject": message_id,
        "location": "main/main",
        "time": at,
        "datacontenttype": "application/json",
        "data": {
            "user_id": "uwe",
            "connection_id": connection_id,
            "notification_id": 1,
            "contact_id": "ann",
            "name": "Ann",
            "from": "ann@example.com",
            "via_list": False,
            "received_at": at,
            "message_id": message_id,
        },
    }
    assert receiver.got[0].headers["content-type"].startswith("application/cloudevents+json")
    assert receiver.got[0].headers["webhook-id"] == event["id"]
    assert states(house) == []
    assert channels.reports(house.context)[0].waiting == 0
    assert channel.host == "127.0.0.1"


@pytest.mark.rule("E100", "Z25", "Z40")
def test_mail_whose_author_a_list_hides_says_via_a_list_wherever_it_is_shown(
    house: House, receiver: Receiver
) -> None:
    house.connect()
    add(house, receiver)
    post = mail("ann", 1).replace(
        b"From: Ann <ann@example.com>",
        b"From: Ann via Users <users@lists.example>\r\nList-Post: <mailto:users@lists.example>"
        b"\r\nX-Original-From: Ann <ann@example.com>",
    )
    through = house.gmail.deliver(UWE, post).id
    straight = house.deliver("ann", 2)
    house.catch_up()
    expected = {through: True, straight: False}
    assert {e["subject"]: e["data"]["via_list"] for e in receiver.taken} == expected
    assert {e["data"]["from"] for e in receiver.taken} == {"ann@example.com"}
    found = {n.message_id: n for n in reports.notifications("uwe", 0, None, context=house.context)}
    assert {message_id: notice.via_list for message_id, notice in found.items()} == expected
    assert {e.message_id: e.via_list for e in reports.ledger(LedgerQuery(), house.context)} == expected
    words = {i: [*explaining.in_words(reports.explain(i, None, house.context)[0])] for i in expected}
    assert {i: "via a list (E100)" in " ".join(said) for i, said in words.items()} == expected
    page = live.show_own("uwe", house.context, limit=10)
    assert {one.content.message_id: one.via_list for one in page.mails} == expected
    opened = [notification_mail.open_notification(n.id, "uwe", house.context)[1] for n in found.values()]
    assert {o.mail.content.message_id: o.mail.via_list for o in opened if o} == expected


def test_a_channel_is_one_users_or_everybodys_and_begins_with_what_comes_next(
    house: House, receiver: Receiver
) -> None:
    house.connect()
    house.connect("carla", "carla@firm.example")
    house.deliver("ann")
    house.catch_up()
    add(house, receiver, "carla")
    add(house, receiver, "uwe")
    add(house, receiver)
    next_mail = house.deliver("ann", 1)
    house.catch_up()
    assert [event["subject"] for event in receiver.taken] == [next_mail, next_mail]
    assert len({event["id"] for event in receiver.taken}) == 1, "the same event, by two ways"


@pytest.mark.rule("I5")
def test_a_receiver_that_hangs_holds_up_no_announcement_and_no_sorting(
    house: House, receiver: Receiver
) -> None:
    house.connect()
    channel = add(house, receiver)
    receiver.open.clear()
    first = house.deliver("ann")
    house.queue.emit(DeliveryDue(channel.id))
    house.sent.clear()
    jobs = []
    house.catch_up_only()
    while house.sent and not isinstance(house.sent[0], DeliveryDue):
        jobs += house.run_next()
    notifier = threading.Thread(target=channels.deliver, args=(channel.id, house.context))
    notifier.start()
    second = house.deliver("cid")
    house.sent.clear()
    house.catch_up()
    assert house.outcomes() == {first: "label.open", second: "label.customer"}
    assert notifier.is_alive(), "the receiver has answered too early"
    receiver.open.set()
    notifier.join(60)
    house.pump()
    assert told(receiver) == [first, second]


@pytest.mark.rule("I2", "W4")
@pytest.mark.parametrize(
    ("status", "headers"), [(503, {}), (500, {}), (429, {"Retry-After": "2"}), (408, {})]
)
def test_a_receiver_that_is_down_rests_and_then_gets_everything_once(
    house: House, receiver: Receiver, status: int, headers: dict[str, str]
) -> None:
    house.connect()
    channel = add(house, receiver)
    receiver.answers.extend([(status, headers)] * 3)
    first = house.deliver("ann")
    house.catch_up()
    second = house.deliver("cid")
    house.catch_up()
    assert len(receiver.got) == 1, "while it rests nobody asks it"
    report = channels.reports(house.context)[0]
    assert (report.waiting, report.set_aside, report.trouble) == (2, 0, f"http {status}")
    assert report.resting_until is not None
    wait = (report.resting_until - datetime.now(UTC)).total_seconds()
    assert wait < 3 if headers else 50 < wait <= 60
    assert states(house) == [("waiting", 0), ("waiting", 0)], "what was not their fault is not counted"
    for _ in range(3):
        try_again(house, channel)
    assert told(receiver) == [first, second]
    assert len({one.headers["webhook-id"] for one in receiver.got[:4]}) == 1
    assert states(house) == []
    assert channels.reports(house.context)[0].trouble is None


def test_a_receiver_that_nobody_answers_for_rests_longer_each_time(house: House, receiver: Receiver) -> None:
    house.connect()
    dead = Target(f"http://127.0.0.1:{dead_port()}/", SECRET)
    channel = channels.add(None, ChannelKind.WEBHOOK, dead, house.context)
    house.deliver("ann")
    house.catch_up()
    waits = []
    for _ in range(3):
        until = channels.reports(house.context)[0].resting_until
        waits.append(round((until - datetime.now(UTC)).total_seconds() / 60) if until else 0)
        try_again(house, channel)
    assert waits == [1, 2, 4]
    assert states(house) == [("waiting", 0)]


@pytest.mark.rule("I4")
def test_one_receivers_trouble_is_not_anothers(house: House, receiver: Receiver) -> None:
    house.connect()
    dead = Target(f"http://127.0.0.1:{dead_port()}/", SECRET)
    channels.add(None, ChannelKind.WEBHOOK, dead, house.context)
    add(house, receiver)
    message_id = house.deliver("ann")
    house.catch_up()
    assert told(receiver) == [message_id]


@pytest.mark.rule("W3", "E88")
@pytest.mark.parametrize(("status", "headers"), [(400, {}), (302, {"Location": "/elsewhere"})])
def test_an_event_that_is_refused_again_and_again_is_set_aside_and_the_next_goes_on(
    house: House, receiver: Receiver, status: int, headers: dict[str, str]
) -> None:
    house.connect()
    channel = add(house, receiver)
    receiver.answers.extend([(status, headers)] * TRIES)
    house.deliver("ann")
    house.catch_up()
    for _ in range(TRIES - 1):
        try_again(house, channel)
    assert len(receiver.got) == TRIES, "a redirect is not followed"
    second = house.deliver("cid")
    house.catch_up()
    assert told(receiver) == [second]
    assert states(house) == [("set_aside", TRIES)]
    assert channels.retry(channel.id, house.context) == 1
    sweep.redrive(house.context)
    house.pump()
    assert len(told(receiver)) == 2


@pytest.mark.rule("W3")
def test_an_event_that_kills_its_process_is_set_aside_unsent(house: House, receiver: Receiver) -> None:
    house.connect()
    channel = add(house, receiver)
    house.deliver("ann")
    only_list(house)
    for _ in range(TRIES):
        with house.store.begin("tests.die") as tx:
            assert tx.deliveries.claim(channel.id, "dead", 0, 1)[0]
        house.let_time_pass()
    channels.deliver(channel.id, house.context)
    assert receiver.got == []
    assert states(house) == [("set_aside", TRIES + 1)]


def test_a_receiver_that_is_gone_for_good_is_switched_off_until_somebody_retries(
    house: House, receiver: Receiver
) -> None:
    house.connect()
    channel = add(house, receiver)
    receiver.answers.append((410, {}))
    first = house.deliver("ann")
    house.catch_up()
    house.deliver("cid")
    house.catch_up()
    house.let_time_pass()
    sweep.redrive(house.context)
    house.pump()
    assert len(receiver.got) == 1
    assert channels.reports(house.context)[0].state is ChannelState.OFF
    channels.retry(channel.id, house.context)
    sweep.redrive(house.context)
    house.pump()
    assert told(receiver) == [first], "what came while it was off does not go there"


@pytest.mark.rule("I2", "W2")
def test_a_process_that_dies_between_sending_and_its_commit_sends_the_same_event_again(
    house: House, receiver: Receiver
) -> None:
    house.connect()
    channel = add(house, receiver)
    message_id = house.deliver("ann")
    only_list(house)
    with house.store.begin("tests.claim") as tx:
        [parcel], _ = tx.deliveries.claim(channel.id, "dead", 60, 1)
    assert house.context.outside is not None
    house.context.outside.send(channel, event(parcel), line(parcel))
    grow_old(house)
    house.pump()
    assert len(receiver.got) == 1, "leased"
    try_again(house, channel)
    assert len(receiver.got) == 2
    assert [e["type"] for e in receiver.taken] == [SINGLE, SINGLE], "what may have arrived keeps its shape"
    assert len({e["id"] for e in receiver.taken}) == 1
    assert told(receiver) == [message_id]
    with house.store.begin("tests.late") as tx:
        assert not tx.deliveries.finish([parcel], "dead"), "the dead one's commit comes too late"


@pytest.mark.rule("E91")
def test_after_a_long_outage_of_ours_late_mails_are_told_as_one(house: House, receiver: Receiver) -> None:
    house.connect()
    channel = add(house, receiver)
    late = [old_mail(house, "ann", 1), old_mail(house, "cid", 2)]
    fresh = house.deliver("lea")
    house.catch_up()
    assert told(receiver) == [fresh], "the backlog gathers first"
    late.append(old_mail(house, "ann", 3))
    house.catch_up()
    house.run_next()
    assert len(receiver.taken) == 1
    try_again(house, channel)
    [summary] = [event for event in receiver.taken if event["type"] == SUMMARY]
    assert sorted(summary["data"].pop("message_ids")) == sorted(late)
    assert summary["data"].keys() == {"user_id", "count", "oldest_received_at", "newest_received_at"}
    assert (summary["data"]["user_id"], summary["data"]["count"]) == ("uwe", 3)
    with house.store.engine.connect() as db:
        assert list(db.scalars(select(notifications.c.late).order_by(notifications.c.id))).count(True) == 3


@pytest.mark.rule("E91")
def test_after_a_long_outage_of_theirs_what_has_grown_old_is_told_as_one(
    house: House, receiver: Receiver
) -> None:
    house.connect()
    channel = add(house, receiver)
    receiver.answers.extend([(503, {})] * 3)
    gone_by = [house.deliver("ann", 1), house.deliver("cid", 2)]
    house.catch_up()
    grow_old(house)
    fresh = house.deliver("lea")
    house.catch_up()
    while channels.reports(house.context)[0].waiting:
        try_again(house, channel)
    assert told(receiver) == [fresh]
    [summary] = [event for event in receiver.taken if event["type"] == SUMMARY]
    assert sorted(summary["data"]["message_ids"]) == sorted(gone_by)


@pytest.mark.rule("I2", "E91")
def test_a_summary_that_may_have_arrived_is_sent_again_as_it_was(house: House, receiver: Receiver) -> None:
    house.connect()
    channel = add(house, receiver)
    receiver.answers.append((500, {}))
    first = old_mail(house, "ann", 1)
    house.catch_up()
    try_again(house, channel)
    second = old_mail(house, "ann", 2)
    house.catch_up()
    try_again(house, channel)
    shapes = [
        (one.headers["webhook-id"], one.event and one.event["data"]["message_ids"]) for one in receiver.got
    ]
    assert shapes[0] == shapes[1]
    assert [ids for _, ids in shapes] == [[first], [first], [second]]


@pytest.mark.rule("T1", "E91")
@pytest.mark.parametrize("late", [False, True])
def test_an_event_tells_of_one_location_and_names_it(house: House, receiver: Receiver, late: bool) -> None:
    """One mailbox is connected in two locations, and each has a contact of its own with the author's address."""
    locations.add("main/second", house.store)
    house.connect(location="main/main")
    house.connect(location="main/second", sorting=False)
    ann = ContactRecord("c9", ContactKind.CONTACT, "Ann", ("ann@example.com",), None, LONG_AGO)
    records.take_in([ann], house.store, location="main/second")
    channels.add(None, ChannelKind.WEBHOOK, Target(receiver.url, SECRET), house.context, "main/main")
    mails = [house.deliver("ann", number) for number in range(2)]
    only_list(house)
    if late:
        grow_old(house)
    house.pump()

    found = {(one["location"], one["type"]): one["data"] for one in receiver.taken}
    if late:
        assert len(receiver.taken) == 2
        told = {where: sorted(data["message_ids"]) for (where, _), data in found.items()}
        assert told == {"main/main": sorted(mails), "main/second": sorted(mails)}
    else:
        assert len(receiver.taken) == 4
        assert {where: data["contact_id"] for (where, _), data in found.items()} == {
            "main/main": "ann",
            "main/second": "c9",
        }


def tell(house: House, users: int, each: int) -> list[list[str]]:
    """So many mails of so many users are on the lists and wait for all channels, in turn; returns each user's."""
    boxes = {f"u{n}": f"u{n}@firm.example" for n in range(users)}
    ids = [house.connect(user, address) for user, address in boxes.items()]
    told: list[list[str]] = [[] for _ in ids]
    at = datetime.now(UTC)
    with house.store.begin("tests.tell") as tx:
        for number in range(each):
            for place, (user, connection_id) in enumerate(zip(boxes, ids, strict=True)):
                told[place].append(f"{user}-{number}")
                mails = {"connection_id": connection_id, "user_id": user, "message_id": told[place][-1]}
                row = insert(notifications).values(
                    organisation_id=1, location_id=1, **mails, received_at=at, created_at=at
                )
                [new] = tx.db.scalars(row.returning(notifications.c.id))
                for channel in tx.of(HERE).channels.reports():
                    tx.db.execute(
                        insert(deliveries).values(
                            channel_id=channel.id,
                            notification_id=new,
                            user_id=user,
                            state="waiting",
                            ready_at=at,
                            redrive_at=at,
                        )
                    )
    return told


def test_many_events_go_out_in_their_users_order_by_few_connections_and_statements(
    house: House, receiver: Receiver
) -> None:
    channel = add(house, receiver)
    expected = tell(house, users=6, each=8)
    taken = statements(house.store, lambda: channels.deliver(channel.id, house.context))
    assert sorted(told(receiver)) == sorted(mail for one in expected for mail in one)
    for one in expected:
        assert [subject for subject in told(receiver) if subject in one] == one
    assert receiver.connections <= LANES
    assert taken <= 8, "of one take and one record"
    assert states(house) == []


@pytest.mark.rule("I2", "I4")
def test_a_receiver_that_fails_amid_many_gets_the_rest_later_in_order(
    house: House, receiver: Receiver
) -> None:
    channel = add(house, receiver)
    [expected] = tell(house, users=1, each=12)
    receiver.answers.extend([(204, {})] * 4 + [(500, {})])
    channels.deliver(channel.id, house.context)
    assert told(receiver) == expected[:4]
    assert len(receiver.got) == 5, "the others were not tried"
    assert states(house) == [("waiting", 0)] * 8
    report = channels.reports(house.context)[0]
    assert (report.trouble, report.waiting) == ("http 500", 8)
    with house.store.engine.begin() as db:
        db.execute(update(channel_table).values(resting_until=None))
    channels.deliver(channel.id, house.context)
    assert told(receiver) == [*expected[:4], *expected[5:]], "that one's own wait is not over"
    try_again(house, channel)
    assert sorted(told(receiver)) == sorted(expected)
    assert len(receiver.got) == 13, "each once, but the one that failed"


@pytest.mark.rule("I4")
def test_several_events_that_meet_a_receiver_down_are_one_failure_of_it(
    house: House, receiver: Receiver
) -> None:
    channel = add(house, receiver)
    tell(house, users=8, each=5)
    receiver.answers.extend([(503, {})] * 200)
    channels.deliver(channel.id, house.context)
    until = channels.reports(house.context)[0].resting_until
    assert 1 <= len(receiver.got) <= LANES
    assert until is not None
    assert 50 < (until - datetime.now(UTC)).total_seconds() <= 60


@pytest.mark.rule("W2", "W16")
def test_who_is_to_stop_amid_many_leaves_the_rest_as_it_was(house: House, receiver: Receiver) -> None:
    channel = add(house, receiver)
    [expected] = tell(house, users=1, each=12)
    stopping = replace(house.context, stopping=lambda: len(receiver.got) >= 5)
    channels.deliver(channel.id, stopping)
    assert told(receiver) == expected[:5]
    assert states(house) == [("waiting", 0)] * 7
    assert sweep.redrive(house.context) == 1, "at once"
    house.pump()
    assert told(receiver) == expected
    assert len(receiver.got) == 12, "each once"


@pytest.mark.rule("W2", "W16")
def test_a_receiver_that_hangs_amid_many_does_not_hold_up_who_is_to_stop(
    house: House, receiver: Receiver
) -> None:
    channel = add(house, receiver)
    tell(house, users=4, each=10)
    receiver.open.clear()
    stop = threading.Event()
    patient = Notifiers(may_be_private=True, seconds=600)
    job = threading.Thread(
        target=channels.deliver,
        args=(channel.id, replace(house.context, stopping=stop.is_set, outside=patient)),
    )
    job.start()
    assert wait_until(lambda: receiver.connections == LANES, seconds=60)
    stop.set()
    job.join(60)
    assert not job.is_alive()
    report = channels.reports(house.context)[0]
    assert (report.resting_until, report.trouble, report.waiting) == (None, None, 40)
    assert states(house) == [("waiting", 0)] * 40
    receiver.open.set()
    try_again(house, channel)
    assert len(set(told(receiver))) == 40


@pytest.mark.rule("W3")
def test_events_that_a_dead_process_had_in_hand_come_again_under_their_ids(
    house: House, receiver: Receiver
) -> None:
    channel = add(house, receiver)
    [expected] = tell(house, users=1, each=6)
    with house.store.begin("tests.claim") as tx:
        parcels, _ = tx.deliveries.claim(channel.id, "dead", 60, 6)
    assert house.context.outside is not None
    for parcel in parcels[:3]:
        house.context.outside.send(channel, event(parcel), line(parcel))
    channels.deliver(channel.id, house.context)
    assert len(receiver.got) == 3, "leased"
    try_again(house, channel)
    assert (told(receiver), len(receiver.got)) == (expected, 9)


@pytest.mark.rule("E92")
def test_what_a_slow_receiver_does_not_take_soon_is_taken_anew(house: House, receiver: Receiver) -> None:
    channel = add(house, receiver)
    [expected] = tell(house, users=1, each=5)
    receiver.seconds = 0.2
    slow = replace(house.context, timing=replace(house.context.timing, in_hand=0.1))
    takes = []

    def note(_db: object, _cursor: object, statement: str, *_: object) -> None:
        if "attempts=(deliveries.attempts +" in statement:
            takes.append(len(receiver.got))

    sqlalchemy.event.listen(house.store.engine, "before_cursor_execute", note)
    channels.deliver(channel.id, slow)
    sqlalchemy.event.remove(house.store.engine, "before_cursor_execute", note)
    assert (told(receiver), len(receiver.got)) == (expected, 5)
    assert set(takes) == {0, 1, 2, 3, 4}, "one at a time, with the settings of its moment"
    assert states(house) == []


@pytest.mark.rule("D12", "E92")
def test_what_is_switched_off_while_many_wait_is_not_told_any_more(house: House, receiver: Receiver) -> None:
    channel = add(house, receiver)
    tell(house, users=2, each=60)
    receiver.answers.extend([(204, {})] * 9)
    stopping = replace(house.context, stopping=lambda: len(receiver.got) >= 9)
    channels.deliver(channel.id, stopping)
    house.connect("u0", "u0@firm.example", magnet=False, sorting=False)
    before = len(receiver.got)
    try_again(house, channel)
    assert {one.event["data"]["user_id"] for one in receiver.got[before:] if one.event} == {"u1"}
    assert states(house) == []


@pytest.mark.rule("D12", "E92", "Z44")
@pytest.mark.parametrize("end", ["disconnect", "magnet off"])
def test_what_waits_when_the_connection_ends_is_never_told(
    house: House, receiver: Receiver, end: str
) -> None:
    house.connect()
    channel = add(house, receiver)
    receiver.answers.append((503, {}))
    house.deliver("ann")
    house.catch_up()
    if end == "disconnect":
        disconnecting.disconnect("uwe", house.context)
    else:
        house.connect(magnet=False, sorting=False)
    house.let_time_pass()
    channels.deliver(channel.id, house.context)
    assert len(receiver.got) == 1
    assert states(house) == []


@pytest.mark.rule("E86", "D12")
def test_a_lost_sign_in_is_told_once_and_mail_waits_until_it_is_back(
    house: House, receiver: Receiver
) -> None:
    connection_id = house.connect()
    channel = add(house, receiver)
    receiver.answers.append((503, {}))
    message_id = house.deliver("ann")
    house.catch_up()
    house.gmail.revoke("uwe@firm.example")
    house.deliver("cid")
    house.catch_up()
    house.catch_up()
    try_again(house, channel)
    assert [event["type"] for event in receiver.taken] == ["lodestone.connection.expired"]
    assert receiver.taken[0]["data"] == {
        "user_id": "uwe",
        "connection_id": connection_id,
        "notification_id": 2,
    }
    house.connect()
    house.let_time_pass()
    house.catch_up()
    channels.deliver(channel.id, house.context)
    assert message_id in told(receiver)
    assert len([e for e in receiver.taken if e["type"] == "lodestone.connection.expired"]) == 1


@pytest.mark.rule("E92")
def test_a_lost_sign_in_that_was_mended_meanwhile_is_not_told(house: House, receiver: Receiver) -> None:
    house.connect()
    channel = add(house, receiver)
    receiver.answers.append((503, {}))
    house.gmail.revoke("uwe@firm.example")
    house.catch_up()
    house.connect()
    try_again(house, channel)
    assert receiver.taken == []
    assert states(house) == []


@pytest.mark.rule("E67", "E92")
@pytest.mark.parametrize("mended", [False, True])
def test_that_sorting_has_stopped_is_told_unless_it_was_mended_meanwhile(
    house: House, receiver: Receiver, mended: bool
) -> None:
    connection_id = house.connect()
    channel = add(house, receiver)
    with house.store.begin("tests.stop") as tx:
        connection = tx.connections.get(connection_id)
        assert connection is not None
        tx.connections.stop_sorting(connection, "too many labels")
        assert tx.notifications.tell(connection, NotificationKind.SORTING_FAILED) == {channel.id}
    if mended:
        house.connect()
    channels.deliver(channel.id, house.context)
    told_of = [event["type"] for event in receiver.taken]
    assert told_of == ([] if mended else ["lodestone.sorting.failed"])
    assert states(house) == []


@pytest.mark.rule("I1", "W13")
def test_what_redis_has_forgotten_the_sweep_brings_back(
    house: House, receiver: Receiver, redis: Redis
) -> None:
    house.connect()
    channel = add(house, receiver)
    message_id = house.deliver("ann")
    only_list(house)
    house.sent.clear()
    redis.flushall()
    assert sweep.redrive(house.context) == 0, "not before its time"
    try_again(house, channel)
    assert told(receiver) == [message_id]


@pytest.mark.rule("W2")
def test_without_a_notifier_its_jobs_do_not_pile_up(house: House, receiver: Receiver, redis: Redis) -> None:
    house.connect()
    channel = add(house, receiver)
    message_id = house.deliver("ann")
    only_list(house)
    house.sent.clear()
    house.let_time_pass()
    redis.rpush(BACKLOG + OUTSIDE, *range(sweep.CROWDED + 1))
    sweep.redrive(house.context)
    assert DeliveryDue(channel.id) not in house.sent
    redis.delete(BACKLOG + OUTSIDE)
    try_again(house, channel)
    assert told(receiver) == [message_id]


@pytest.mark.rule("W2")
@pytest.mark.parametrize("status", [503, 410], ids=["rests", "is off"])
def test_what_waits_for_a_channel_that_takes_nothing_is_not_read_at_every_tick(
    house: House, receiver: Receiver, status: int
) -> None:
    house.connect()
    channel = add(house, receiver)
    for number in range(2):
        house.deliver("ann", number)
    only_list(house)
    with house.store.begin("tests.die") as tx:
        assert tx.deliveries.claim(channel.id, "dead", 0, 1)[0]
    receiver.answers.append((status, {}))
    channels.deliver(channel.id, house.context)
    house.sent.clear()
    with house.store.engine.begin() as db:
        db.execute(update(deliveries).values(redrive_at=LONG_AGO))
    assert sweep.redrive(house.context) == 0
    with house.store.engine.connect() as db:
        soonest = db.scalar(select(func.min(deliveries.c.redrive_at)))
        until = db.scalar(select(channel_table.c.resting_until))
    assert soonest is not None
    assert soonest == until if status == 503 else soonest - datetime.now(UTC) > timedelta(hours=23)
    channels.retry(channel.id, house.context)
    sweep.redrive(house.context)
    house.pump()
    assert len(told(receiver)) == 2


def test_a_private_target_is_refused_when_it_is_added_and_at_each_send(
    house: House, receiver: Receiver
) -> None:
    strict = Context(
        house.store,
        house.context.providers,
        house.queue,
        house.context.objects,
        owner="strict",
        tally=house.context.tally,
        timing=Timing(),
        outside=Notifiers(may_be_private=False),
    )
    with pytest.raises(Refused, match="https"):
        channels.add(None, ChannelKind.WEBHOOK, Target(receiver.url, SECRET), strict)
    with pytest.raises(Refused, match="private network"):
        channels.add(None, ChannelKind.WEBHOOK, Target("https://127.0.0.1/x", SECRET), strict)
    house.connect()
    channel = channels.add(None, ChannelKind.WEBHOOK, Target("https://127.0.0.1/x", SECRET), house.context)
    house.deliver("ann")
    only_list(house)
    channels.deliver(channel.id, strict)
    assert channels.reports(house.context)[0].trouble == "private address"
    assert states(house) == [("waiting", 0)]


@pytest.mark.rule("I10")
def test_neither_the_url_nor_the_secret_is_in_the_database_or_a_report(
    house: House, receiver: Receiver
) -> None:
    add(house, receiver)
    with house.store.engine.connect() as db:
        row = db.execute(select(channel_table)).one()
    assert all(word not in repr(row) for word in ("127.0.0.1", "whsec", "/hook"))
    assert "/hook" not in repr(channels.reports(house.context))


def test_a_removed_channel_takes_its_deliveries_along(house: House, receiver: Receiver) -> None:
    house.connect()
    channel = add(house, receiver)
    receiver.answers.append((503, {}))
    house.deliver("ann")
    house.catch_up()
    channels.remove(channel.id, house.context)
    assert states(house) == []
    assert len(house.notified()) == 1
    for act in (channels.remove, channels.retry, channels.send_test):
        with pytest.raises(Refused, match="no channel"):
            act(channel.id, house.context)
    channels.deliver(channel.id, house.context)


def test_a_test_says_what_came_back(house: House, receiver: Receiver) -> None:
    channel = add(house, receiver)
    receiver.answers.append((418, {}))
    assert channels.send_test(channel.id, house.context).reason == "http 418"
    assert channels.send_test(channel.id, house.context).reason == "http 204"
    [tested] = receiver.taken
    assert (tested["type"], tested["location"]) == ("lodestone.channel.tested", "main/main")
