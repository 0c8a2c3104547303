"""The way of a mail, room by room, with every port real."""

import pytest

from domain.events import MailboxChanged
from domain.ids import ChannelId, MailboxId
from domain.locks import LockKind
from handlers.mailboxes import history
from tests import sweep
from tests.handlers.conftest import House
from tests.journeys.world import EXPECTED, UWE
from tests.worlds import let_pass


@pytest.mark.rule("I9", "Z3", "Z21", "Z28", "Z29", "Z34", "Z37", "X1", "X3", "X4", "D10-1", "D10-3")
def test_every_mail_ends_as_its_sender_deserves(house: House) -> None:
    house.connect()
    sent = {house.deliver(sender): sender for sender in EXPECTED}
    house.push()
    house.pump()
    for message_id, sender in sent.items():
        outcomes, label, in_inbox = EXPECTED[sender]
        assert house.outcomes()[message_id] == outcomes[-1]
        assert house.notified().count(message_id) == outcomes.count("magnet.notified")
        assert house.labels(message_id) == {"UNREAD", label or "INBOX"} | ({"INBOX"} if in_inbox else set())


@pytest.mark.rule("I7")
def test_a_message_is_paid_for_once(house: House) -> None:
    house.connect()
    for number in range(60):
        house.deliver(("ann", "nora")[number % 2], number)
    house.gmail.reset_counters()
    house.catch_up()
    counters = house.gmail.counters()
    assert counters.calls_of("messages.get") == 60
    assert counters.calls_of("messages.batchModify") == 1
    assert counters.http_requests == 1 + 3 + 1


@pytest.mark.rule("I5", "E90")
def test_nothing_leaves_the_inbox_before_it_is_announced(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.queue.emit(MailboxChanged(MailboxId(1)))
    jobs = []
    while ran := house.run_next():
        jobs += ran
        assert "INBOX" in house.labels(message_id) or message_id in house.notified()
        if ran == ["notifications.announce"]:
            assert "INBOX" in house.labels(message_id)
    assert jobs == ["mailboxes.catch_up", "contacts.match", "notifications.announce", "labels.sort"]


@pytest.mark.rule("E80", "E81", "I2", "W1")
def test_the_same_push_twice_and_out_of_order_changes_nothing(house: House) -> None:
    house.connect()
    first, second = house.deliver("ann", 1), house.deliver("cid", 2)
    house.push()
    house.push()
    house.pump()
    house.push()
    house.catch_up()
    assert house.notified() == [first, second]
    assert house.outcomes() == {first: "label.open", second: "label.customer"}


@pytest.mark.rule("W1")
def test_many_pushes_are_one_job_and_one_that_comes_meanwhile_causes_one_more(house: House) -> None:
    house.connect()
    for _ in range(5):
        house.push()
    assert house.sent == [MailboxChanged(MailboxId(1))]
    turn = house.queue.acquire(LockKind.SYNC, ChannelId(1), 60)
    assert turn is not None
    house.push()
    assert house.queue.release(turn, done=True), "dirty still: one more run"
    assert house.pump() == ["mailboxes.catch_up"]


@pytest.mark.rule("Z2", "X8", "D2")
def test_with_magnet_off_nothing_is_stored_and_nothing_is_watched(house: House) -> None:
    house.connect(magnet=False, sorting=False)
    house.deliver("ann")
    house.push()
    house.catch_up()
    assert house.sent == []
    assert house.outcomes() == {}
    assert house.gmail.dump(UWE).watched_topic is None


@pytest.mark.rule("D12", "D2", "Z36")
def test_magnet_switched_off_deletes_what_was_kept_and_ends_the_watch(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.catch_up()
    house.connect(magnet=False, sorting=False)
    assert house.outcomes() == {}
    assert house.notified() == []
    assert house.gmail.dump(UWE).watched_topic is None
    assert house.labels(message_id) == {"UNREAD", "Open Deals"}


@pytest.mark.rule("X7", "Z36")
def test_with_sorting_off_there_is_a_notification_only(house: House) -> None:
    house.connect(sorting=False)
    message_id = house.deliver("ann")
    house.catch_up()
    assert house.notified() == [message_id]
    assert house.outcomes() == {message_id: "label.off"}
    assert house.labels(message_id) == {"INBOX", "UNREAD"}


def test_a_dry_run_decides_and_changes_nothing_in_gmail(house: House) -> None:
    house.connect(dry_run=True)
    message_id = house.deliver("ann")
    house.catch_up()
    assert house.outcomes() == {message_id: "label.open"}
    assert house.labels(message_id) == {"INBOX", "UNREAD"}
    assert "Open Deals" not in house.gmail.dump(UWE).labels.values()


@pytest.mark.rule("X17", "E58", "Z39", "I6")
def test_a_mail_moved_back_to_the_inbox_stays_there(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.catch_up()
    house.gmail.change_labels(UWE, [message_id], add=["INBOX"])
    house.catch_up()
    house.catch_up()
    assert house.labels(message_id) == {"INBOX", "UNREAD", "Open Deals"}


@pytest.mark.rule("I6", "D10-6", "E60")
def test_a_crm_label_that_the_user_put_first_is_left_alone(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann", labels=["INBOX", "Customers"])
    house.catch_up()
    assert house.outcomes() == {message_id: "label.user_choice"}
    assert house.labels(message_id) == {"INBOX", "Customers"}


@pytest.mark.rule("I6", "D10-6", "E59", "W5")
def test_a_crm_label_taken_off_again_before_we_sorted_is_the_users_choice(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.gmail.change_labels(UWE, [message_id], add=["Customers"])
    house.gmail.change_labels(UWE, [message_id], remove=["Customers"])
    house.catch_up()
    assert house.outcomes() == {message_id: "label.user_choice"}
    assert house.labels(message_id) == {"INBOX", "UNREAD"}


@pytest.mark.rule("X6", "D10-2", "Z35", "E61", "E39")
def test_a_mail_that_a_filter_has_filed_is_found_under_both(house: House) -> None:
    house.connect()
    house.gmail.add_filter(UWE, "ann@example.com", label="Projects", archive=True)
    message_id = house.deliver("ann")
    house.catch_up()
    assert house.labels(message_id) == {"UNREAD", "Projects", "Open Deals"}


@pytest.mark.rule("Z26", "E82", "I1")
def test_a_look_that_comes_too_soon_after_a_push_is_followed_by_one_more(house: House) -> None:
    """Gmail drops the pushes of a second, and a mail may come in it after the look."""
    house.connect()
    house.pump()
    house.deliver("ann", 1)
    house.push()
    house.pump()
    house.push()
    history.catch_up(MailboxId(1), "sweep", house.context)
    message_id = house.deliver("ann", 2)
    let_pass(house.store, house.context.timing.echo_after)
    assert sweep.catch_up_due(house.context) == 1
    house.pump()
    assert house.outcomes()[message_id] == "label.open"
