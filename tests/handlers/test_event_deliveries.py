"""Events of conversations on their way to webhooks: in order, with one id, until they are taken."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select, text, update
from structlog.testing import capture_logs

from domain.channels import TRIES, Channel, ChannelKind, Target
from domain.conversations.events import EventKind, NewEvent
from domain.mail.composition import MailRequest
from domain.mail.messages import Direction
from handlers import channels, retention
from handlers.conversations.events import listed
from handlers.outbox import drafts
from infra.db.tables.crm import contacts
from infra.db.tables.events import event_deliveries
from tests import sweep
from tests.conversations import conversation, mail
from tests.handlers.conftest import House
from tests.worlds import HERE, ONE_DATABASE
from workers.demo.receiver import Receiver

pytestmark = ONE_DATABASE

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
STARTED, ADDED = "lodestone.conversation.started", "lodestone.conversation.message_added"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver([SECRET]) as receiver:
        yield receiver


def webhook(house: House, receiver: Receiver) -> Channel:
    return channels.add(None, ChannelKind.WEBHOOK, Target(receiver.url, SECRET), house.context)


def happen(house: House, conversation_id: str, *kinds: EventKind, mail_id: str | None = None) -> None:
    """Events of a conversation, which is there."""
    new = [NewEvent(kind, conversation_id, mail_id, Direction.INBOUND) for kind in kinds]
    with house.store.begin("tests.happen") as tx:
        woken = tx.of(HERE).events.add(*new)
    channels.wake_channels(woken, house.context)


def told(receiver: Receiver) -> list[tuple[str, int]]:
    """Conversation and sequence of each event taken, repeats dropped by their id."""
    seen = {event["id"]: event["data"] for event in receiver.taken}
    return [(data["conversation_id"], data["sequence"]) for data in seen.values()]


def waits(house: House) -> list[tuple[int, str, int]]:
    with house.store.engine.connect() as db:
        its = event_deliveries.c
        query = select(its.event_id, its.state, its.attempts).order_by(its.event_id)
        return [(row.event_id, row.state, row.attempts) for row in db.execute(query)]


def let_time_pass(house: House) -> None:
    """Every lease and wait is over, and the sweep has asked again."""
    with house.store.engine.begin() as db:
        db.execute(text("UPDATE event_deliveries SET ready_at = ready_at - 7200000, redrive_at = 0"))
    house.let_time_pass()
    sweep.redrive(house.context)
    house.pump()


@pytest.mark.rule("D2")
def test_an_event_goes_out_with_ids_and_nothing_of_a_mail(house: House, receiver: Receiver) -> None:
    webhook(house, receiver)
    conversation(house.store, "c1", "ann")
    happen(house, "c1", EventKind.STARTED)
    house.pump()
    [event] = receiver.taken
    assert event == {
        "specversion": "1.0",
        "id": event["id"],
        "source": "urn:lodestone",
        "type": STARTED,
        "subject": "c1",
        "location": "main/main",
        "time": event["time"],
        "datacontenttype": "application/json",
        "data": {
            "event_id": 1,
            "conversation_id": "c1",
            "sequence": 1,
            "contact_id": "ann",
            "mail_id": None,
            "direction": "inbound",
            "user_id": None,
            "sending_id": None,
            "reason": None,
        },
    }
    assert waits(house) == []


@pytest.mark.rule("I2", "W13")
def test_what_a_killed_process_had_committed_goes_out_by_the_sweep(house: House, receiver: Receiver) -> None:
    """It died between the commit and waking the channel."""
    webhook(house, receiver)
    conversation(house.store, "c1", "ann")
    with house.store.begin("tests.happen") as tx:
        tx.of(HERE).events.add(NewEvent(EventKind.STARTED, "c1"), NewEvent(EventKind.MESSAGE_ADDED, "c1"))
    house.pump()
    assert receiver.taken == []
    let_time_pass(house)
    assert told(receiver) == [("c1", 1), ("c1", 2)]


@pytest.mark.rule("I2", "W2")
def test_events_of_one_who_died_hold_up_later_ones_and_come_again_under_their_ids(
    house: House, receiver: Receiver
) -> None:
    channel = webhook(house, receiver)
    conversation(house.store, "c1", "ann")
    conversation(house.store, "c2", "ann")
    happen(house, "c1", EventKind.STARTED, EventKind.MESSAGE_ADDED)
    with house.store.begin("tests.claim") as tx:
        claimed, _ = tx.deliveries.claim(channel.id, "dead", 600, 10)
    assert len(claimed) == 2
    happen(house, "c1", EventKind.MESSAGE_ADDED)
    happen(house, "c2", EventKind.STARTED)
    house.pump()
    assert told(receiver) == [("c2", 1)], "the other conversation goes on"
    let_time_pass(house)
    assert told(receiver) == [("c2", 1), ("c1", 1), ("c1", 2), ("c1", 3)]
    assert waits(house) == []


@pytest.mark.rule("I2", "I4")
@pytest.mark.parametrize("answer", [503, 500])
def test_while_a_receiver_is_down_nothing_is_lost_and_the_order_stays(
    house: House, receiver: Receiver, answer: int
) -> None:
    webhook(house, receiver)
    conversation(house.store, "c1", "ann")
    receiver.answers.append((answer, {}))
    happen(house, "c1", EventKind.STARTED, EventKind.MESSAGE_ADDED, EventKind.MESSAGE_ADDED)
    house.pump()
    assert told(receiver) == []
    let_time_pass(house)
    assert told(receiver) == [("c1", 1), ("c1", 2), ("c1", 3)]
    assert len({one.headers["webhook-id"] for one in receiver.got}) == 3, "a repeat has its id"


@pytest.mark.rule("W3")
def test_a_refused_event_holds_up_its_conversation_alone_until_it_is_set_aside(
    house: House, receiver: Receiver
) -> None:
    channel = webhook(house, receiver)
    conversation(house.store, "c1", "ann")
    conversation(house.store, "c2", "ann")
    receiver.answers.append((400, {}))
    happen(house, "c1", EventKind.STARTED, EventKind.MESSAGE_ADDED)
    happen(house, "c2", EventKind.STARTED)
    house.pump()
    assert told(receiver) == [("c2", 1)]
    for _ in range(TRIES - 1):
        receiver.answers.append((400, {}))
        let_time_pass(house)
    assert waits(house) == [(1, "set_aside", TRIES)]
    assert told(receiver) == [("c2", 1), ("c1", 2)]
    [report] = channels.reports(house.context)
    assert (report.waiting, report.set_aside) == (0, 1)

    assert channels.retry(channel.id, house.context) == 1
    let_time_pass(house)
    assert told(receiver)[-1] == ("c1", 1)


@pytest.mark.rule("I2")
def test_many_events_side_by_side_keep_each_conversations_order(house: House, receiver: Receiver) -> None:
    webhook(house, receiver)
    names = [f"c{n}" for n in range(12)]
    for name in names:
        conversation(house.store, name, "ann")
    for _ in range(5):
        for name in names:
            happen(house, name, EventKind.MESSAGE_ADDED)
    house.pump()
    for name in names:
        assert [number for its, number in told(receiver) if its == name] == [1, 2, 3, 4, 5]


@pytest.mark.rule("E92")
def test_an_event_whose_mail_is_kept_no_longer_is_not_sent(house: House, receiver: Receiver) -> None:
    webhook(house, receiver)
    conversation(house.store, "c1", "ann")
    mail(house.store, "c1", "m1")
    happen(house, "c1", EventKind.STARTED, mail_id="m1")
    happen(house, "c1", EventKind.MESSAGE_ADDED, mail_id="gone")
    house.pump()
    assert told(receiver) == [("c1", 1)]
    assert waits(house) == []


@pytest.mark.rule("I5")
def test_notifications_and_events_share_a_channel_and_neither_starves(
    house: House, receiver: Receiver
) -> None:
    house.connect()
    webhook(house, receiver)
    conversation(house.store, "c1", "ann")
    message_id = house.deliver("ann")
    happen(house, "c1", EventKind.STARTED)
    house.catch_up()
    assert {event["subject"] for event in receiver.taken} == {message_id, "c1"}


def test_a_removed_channel_takes_its_events_along(house: House, receiver: Receiver) -> None:
    channel = webhook(house, receiver)
    conversation(house.store, "c1", "ann")
    happen(house, "c1", EventKind.STARTED)
    channels.remove(channel.id, house.context)
    assert waits(house) == []


@pytest.mark.rule("D2", "E91")
def test_what_no_webhook_takes_is_given_up_after_a_week_and_listed_for_35_days(
    house: House, receiver: Receiver
) -> None:
    channel = webhook(house, receiver)
    conversation(house.store, "c1", "ann")
    happen(house, "c1", EventKind.STARTED, EventKind.MESSAGE_ADDED)
    age(house, days=8)
    happen(house, "c1", EventKind.MESSAGE_ADDED)
    with capture_logs() as logs:
        retention.purge(house.context)
    assert [one.sequence for one in listed(0, 10, house.context)] == [1, 2, 3]
    assert [event_id for event_id, *_ in waits(house)] == [3]
    [expired] = [line for line in logs if line["event"] == "channel.expired"]
    assert (expired["channel_id"], expired["events"], expired["notifications"]) == (channel.id, 2, 0)

    age(house, days=28)
    with house.store.engine.begin() as db:
        db.execute(text("UPDATE duties SET due_at = 0"))
    retention.purge(house.context)
    assert [one.sequence for one in listed(0, 10, house.context)] == [3]


def age(house: House, days: int) -> None:
    with house.store.engine.begin() as db:
        db.execute(text(f"UPDATE events SET created_at = created_at - {days * 86_400_000}"))  # noqa: S608 - a number


@pytest.mark.rule("T5", "D2")
def test_the_events_of_a_location_go_with_it(house: House, receiver: Receiver) -> None:
    webhook(house, receiver)
    conversation(house.store, "c1", "ann")
    happen(house, "c1", EventKind.STARTED)
    with house.store.begin("tests.empty") as tx:
        assert tx.of(HERE).belongings.delete_some(10, organisation=False)["events"] == 1
    assert listed(0, 10, house.context) == ()
    assert waits(house) == []


@pytest.mark.rule("D2", "H40")
def test_a_webhook_follows_a_synced_conversation_without_a_word_of_its_mail(
    house: House, receiver: Receiver
) -> None:
    webhook(house, receiver)
    house.gmail.create_mailbox("ann@example.com")
    house.connect(sync=True, magnet=False, sorting=False)
    with house.store.engine.begin() as db:
        db.execute(update(contacts).where(contacts.c.id == "ann").values(assigned_to="uwe"))
    house.deliver("ann")
    house.catch_up()
    asked = drafts.ask(MailRequest("uwe", "Dear Ann", "Our offer", contact_id="ann"), house.context)
    house.pump()

    assert [event["type"].removeprefix("lodestone.") for event in receiver.taken] == [
        *("conversation.started", "conversation.message_added"),
        *("conversation.started", "conversation.message_added", "send.sent"),
    ]
    data = [event["data"] for event in receiver.taken]
    assert [one["sequence"] for one in data] == [1, 2, 1, 2, 3]
    assert [one["direction"] for one in data] == ["inbound"] * 2 + ["outbound"] * 3
    assert [(one["user_id"], one["sending_id"]) for one in data[2:]] == [("uwe", asked.id)] * 3
    assert {one["contact_id"] for one in data} == {"ann"}
    for got in receiver.got:
        assert b"@" not in got.body
        assert b"offer" not in got.body
