"""The operator's hand: pause, resume and retry, and what is in flight meanwhile."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from domain.errors import Refused
from domain.ids import MailboxId
from domain.locks import LockKind
from domain.mailboxes.accounts import Grant
from handlers import matching, notifications, operations, reports
from handlers.connections import disconnecting
from handlers.mailboxes import watches
from handlers.sorting.sort import sort
from infra.db.tables.connections import connections as connection_table
from infra.db.tables.ledger import steps
from infra.db.tables.mailboxes import mailboxes
from tests import sweep
from tests.handlers.conftest import LONG_AGO, House
from tests.handlers.test_windows import interrupted
from tests.journeys.world import OPEN, UWE
from tests.providers import entered_by
from tests.worlds import ONE_DATABASE, let_pass

pytestmark = ONE_DATABASE

CARLA = "carla@firm.example"


def sweep_once(house: House) -> list[str]:
    """What a tick of the sweep brings about."""
    sweep.catch_up_due(house.context)
    sweep.redrive(house.context)
    sweep.renew_watches(house.context)
    return house.pump()


def owners(house: House) -> set[str | None]:
    """Who holds a claim."""
    with house.store.engine.connect() as db:
        return set(db.scalars(select(steps.c.owner).where(steps.c.state == "waiting")))


@pytest.mark.rule("D3-1", "I1", "I2", "E92")
def test_mail_of_a_paused_mailbox_waits_and_is_handled_once_it_is_resumed(house: House) -> None:
    house.connect()
    house.connect("carla", CARLA)
    assert operations.pause(UWE, house.context) == 1
    house.gmail.reset_counters()
    waits, other = house.deliver("ann"), house.deliver("ann", to=CARLA)
    for address in (UWE, CARLA):
        house.push(address)
    house.pump()
    assert house.outcomes() == {other: "label.open"}, "another mailbox is not slowed"
    assert UWE not in house.gmail.counters().by_mailbox
    assert operations.resume(UWE, house.context) == 1
    sweep_once(house)
    assert house.outcomes() == {other: "label.open", waits: "label.open"}
    assert sorted(house.notified()) == sorted([other, waits])


@pytest.mark.rule("D3-1", "W1", "W2")
def test_a_paused_mailbox_is_not_asked_for_again_and_again(house: House) -> None:
    house.connect()
    house.deliver("ann")
    house.catch_up_only()
    house.sent.clear()
    operations.pause(UWE, house.context)
    house.push()
    assert house.pump() == ["mailboxes.catch_up"]
    for _ in range(3):
        let_pass(house.store, 86_400)
        assert sweep_once(house) == []
    assert house.queue.stalled(LockKind.SYNC, 0, 10) == [], "what the push has marked is clean again"


def paused(house: House, call: str) -> House:
    """The same house, where the operator pauses Uwe's mailbox just before that call into Gmail."""

    def pause(name: str) -> None:
        if name == call:
            operations.pause(UWE, house.context)

    return interrupted(house, pause)


@pytest.mark.rule("W6", "W2", "D3-1")
def test_mail_that_is_being_matched_while_its_mailbox_is_paused_is_given_back(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    assert "notifications.announce" not in paused(house, "headers").catch_up()
    assert (house.outcomes(), house.notified(), owners(house)) == ({}, [], {None})
    assert sweep_once(house) == []
    operations.resume(UWE, house.context)
    sweep_once(house)
    assert (house.outcomes(), house.notified()) == ({message_id: "label.open"}, [message_id])


@pytest.mark.rule("W6", "W5", "D3-1")
def test_a_label_call_under_way_ends_and_is_recorded_and_the_rest_waits(house: House) -> None:
    house.connect()
    labelled = house.deliver("ann")
    untouched = house.deliver("bob")
    paused(house, "change").catch_up()
    assert house.outcomes() == {labelled: "label.open", untouched: None}
    assert house.labels(labelled) == {"UNREAD", OPEN}
    assert owners(house) == {None}
    assert sweep_once(house) == []
    operations.resume(UWE, house.context)
    sweep_once(house)
    assert house.outcomes() == {labelled: "label.open", untouched: "label.none"}


@pytest.mark.rule("D3-1", "I1", "W8")
def test_a_walk_through_history_ends_at_the_page_at_which_the_mailbox_is_paused(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")

    class Pausing:
        def open(self, grant: Grant) -> Any:
            mailbox = house.context.open(grant)

            class It:
                def __getattr__(self, name: str) -> Any:
                    return getattr(mailbox, name)

                def changes_since(self, cursor: str) -> Any:
                    for page in mailbox.changes_since(cursor):
                        operations.pause(UWE, house.context)
                        yield page
                        raise AssertionError("the next page was asked for")

            return It()

    replace(house, context=entered_by(house.context, Pausing())).catch_up()
    assert (house.outcomes(), house.sent, sweep_once(house)) == ({}, [], [])
    operations.resume(UWE, house.context)
    sweep_once(house)
    assert house.outcomes() == {message_id: "label.open"}


@pytest.mark.rule("D3-1", "I5")
@pytest.mark.parametrize("step", ["announce", "sort"])
def test_a_job_that_comes_late_finds_the_mailbox_paused_and_does_nothing(house: House, step: str) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.catch_up_only()
    house.run_next()
    if step == "sort":
        house.run_next()
    operations.pause(UWE, house.context)
    house.gmail.reset_counters()
    {"announce": notifications.announce, "sort": sort}[step](MailboxId(1), house.context)
    house.pump()
    assert house.outcomes() == {message_id: None}
    assert house.notified() == ([message_id] if step == "sort" else [])
    assert (house.gmail.counters().calls, owners(house)) == (0, {None})


@pytest.mark.rule("E85", "D3-1")
def test_a_watch_renewed_while_the_mailbox_is_paused_stays_and_is_not_due(house: House) -> None:
    house.connect()
    with house.store.engine.begin() as db:
        db.execute(update(mailboxes).values(watch_due_at=LONG_AGO, watch_until=None))

    class Pausing:
        def open(self, grant: Grant) -> Any:
            operations.pause(UWE, house.context)
            return house.context.open(grant)

    watches.renew_watch(MailboxId(1), entered_by(house.context, Pausing()))
    assert house.gmail.dump(UWE).watched_topic is not None
    with house.store.engine.connect() as db:
        assert db.execute(select(mailboxes.c.watch_until)).scalar_one() is not None
    let_pass(house.store, 5 * 86_400)
    assert sweep_once(house) == []


@pytest.mark.rule("E85", "E84", "D3-1")
def test_after_a_long_pause_the_watch_is_renewed_and_mail_is_listed_again(house: House) -> None:
    house.connect()
    operations.pause(UWE, house.context)
    message_id = house.deliver("ann")
    house.gmail.expire_history(UWE)
    house.gmail.reset_counters()
    operations.resume(UWE, house.context)
    assert "mailboxes.renew_watch" in sweep_once(house), "it may have ended, whatever we know of it"
    assert house.gmail.counters().calls_of("watch") == 1
    assert house.outcomes() == {message_id: "label.open"}


@pytest.mark.rule("D3-1", "D12")
def test_a_mailbox_stays_paused_over_a_new_sign_in_and_new_settings(house: House) -> None:
    house.connect()
    operations.pause(UWE, house.context)
    message_id = house.deliver("ann")
    house.connect(sorting=False)
    assert sweep_once(house) == []
    [mailbox] = reports.status(None, None, context=house.context).mailboxes
    assert mailbox.state_in_words(LONG_AGO).startswith("paused since ")
    operations.resume(UWE, house.context)
    sweep_once(house)
    assert house.outcomes() == {message_id: "label.off"}


@pytest.mark.rule("E76", "D3-1", "D12")
def test_a_paused_mailbox_still_belongs_to_its_user(house: House) -> None:
    house.connect()
    operations.pause(UWE, house.context)
    with pytest.raises(Refused, match="MailMagnet is on for this mailbox with user uwe"):
        house.connect("carla")
    house.connect("carla", magnet=False, sorting=False)
    with house.store.begin("tests.look") as tx:
        mailbox = tx.mailboxes.get(MailboxId(1))
        assert mailbox is not None
        assert mailbox.cursor is not None, "one that wants nothing does not make the other forget"
    assert disconnecting.disconnect("uwe", house.context) == 1
    assert house.gmail.dump(UWE).watched_topic is None


@pytest.mark.rule("D3-1")
def test_all_mailboxes_are_paused_and_resumed_together(house: House) -> None:
    house.connect()
    house.connect("carla", CARLA)
    operations.pause(CARLA, house.context)
    assert operations.pause(None, house.context) == 1, "one was paused before"
    assert operations.pause(None, house.context) == 0
    mails = [house.deliver("ann"), house.deliver("ann", to=CARLA)]
    assert sweep_once(house) == []
    assert operations.resume(None, house.context) == 2
    sweep_once(house)
    assert house.outcomes() == dict.fromkeys(mails, "label.open")
    for change in (operations.pause, operations.resume):
        with pytest.raises(Refused, match="no such mailbox"):
            change("eva@firm.example", house.context)


@pytest.mark.rule("Z33", "D3-1")
def test_waiting_mail_of_a_paused_mailbox_is_not_late(house: House) -> None:
    house.connect()
    house.deliver("ann")
    house.catch_up_only()
    let_pass(house.store, 3_600)
    status = reports.status(None, None, context=house.context)
    assert status.totals.late(status.now)
    operations.pause(UWE, house.context)
    status = reports.status(None, None, context=house.context)
    assert (status.totals.waiting, status.totals.paused) == (1, 1)
    assert not status.totals.late(status.now)


def set_aside(house: House, message_id: str, outcome: str = "match.failed") -> None:
    """Gmail answers with an error for this mail, until nobody tries any more; then it is well again."""
    fault = house.gmail.poison(UWE, message_id)
    for _ in range(10):
        house.let_time_pass()
        matching.match(MailboxId(1), house.context)
        sort(MailboxId(1), house.context)
        house.pump()
    house.gmail.clear_faults(fault)
    assert house.outcomes()[message_id] == outcome


@pytest.mark.rule("E88", "I9")
def test_a_mail_that_could_not_be_matched_is_tried_again_on_demand(house: House) -> None:
    house.connect()
    bad = house.deliver("ann")
    house.catch_up_only()
    set_aside(house, bad)
    assert sweep.redrive(house.context) == 0, "what is set aside stays there"
    assert operations.retry(bad, UWE, house.context) == 1
    assert house.outcomes() == {}
    sweep_once(house)
    assert (house.outcomes(), house.notified()) == ({bad: "label.open"}, [bad])


@pytest.mark.rule("E88", "E90", "I2")
def test_a_mail_that_could_not_be_sorted_is_sorted_on_demand_and_not_announced_again(house: House) -> None:
    house.connect()
    bad = house.deliver("ann")
    house.catch_up_only()
    for _ in range(2):
        house.run_next()
    set_aside(house, bad, "label.failed")
    assert house.notified() == [bad]
    assert operations.retry(bad, None, house.context) == 1
    assert house.outcomes() == {bad: None}
    sweep.redrive(house.context)
    assert house.pump() == ["labels.sort"]
    assert (house.outcomes(), house.notified()) == ({bad: "label.open"}, [bad])
    assert house.labels(bad) == {"UNREAD", OPEN}


@pytest.mark.rule("E88")
def test_what_is_tried_again_and_fails_again_is_set_aside_again(house: House) -> None:
    house.connect()
    bad = house.deliver("ann")
    house.catch_up_only()
    for _ in range(2):
        set_aside(house, bad)
        operations.retry(bad, None, house.context)
    house.let_time_pass()
    matching.match(MailboxId(1), house.context)
    house.pump()
    assert house.outcomes() == {bad: "label.open"}


@pytest.mark.rule("E88")
def test_all_that_is_set_aside_is_tried_again_in_one_mailbox_or_in_all(house: House) -> None:
    house.connect()
    house.connect("carla", CARLA)
    mails = []
    for number in range(2):
        mails.append(house.deliver("ann", number))
        house.catch_up_only()
        set_aside(house, mails[-1])
    assert operations.retry_all(CARLA, house.context) == 0
    assert operations.retry_all(UWE, house.context) == 2
    assert operations.retry_all(None, house.context) == 0
    sweep_once(house)
    assert house.outcomes() == dict.fromkeys(mails, "label.open")


@pytest.mark.rule("E88")
def test_a_mail_that_is_not_set_aside_is_refused_with_where_it_stands(house: House) -> None:
    house.connect()
    done = house.deliver("ann")
    house.catch_up()
    waits = house.deliver("ann", 2)
    house.catch_up_only()
    with pytest.raises(Refused, match=f"{done} is not set aside: in {UWE} it ended with label.open"):
        operations.retry(done, None, house.context)
    with pytest.raises(Refused, match="waits to be matched"):
        operations.retry(waits, UWE, house.context)
    assert operations.retry("m0", None, house.context) == 0


@pytest.mark.rule("E88", "D3-1")
def test_a_mail_tried_again_in_a_paused_mailbox_waits_for_the_end_of_the_pause(house: House) -> None:
    house.connect()
    bad = house.deliver("ann")
    house.catch_up_only()
    set_aside(house, bad)
    operations.pause(UWE, house.context)
    operations.retry(bad, None, house.context)
    assert sweep_once(house) == []
    operations.resume(UWE, house.context)
    sweep_once(house)
    assert house.outcomes() == {bad: "label.open"}


@pytest.mark.rule("E67", "E88")
def test_a_mail_that_was_not_sorted_because_sorting_was_stopped_is_sorted_when_it_goes_on(
    house: House,
) -> None:
    house.connect()
    with house.store.engine.begin() as db:
        db.execute(update(connection_table).values(sorting_trouble="invalidArgument"))
    one, other = house.deliver("ann", 1), house.deliver("ann", 2)
    house.catch_up()
    assert house.outcomes() == dict.fromkeys([one, other], "label.failed")
    assert operations.retry_all(None, house.context) == 0
    with pytest.raises(Refused, match="is not set aside"):
        operations.retry(one, None, house.context)
    with house.store.engine.begin() as db:
        db.execute(update(connection_table).values(sorting_trouble=None))
    assert operations.retry(one, None, house.context) == 1
    assert operations.retry_all(None, house.context) == 1
    sweep_once(house)
    assert house.outcomes() == dict.fromkeys([one, other], "label.open")
    assert len(house.notified()) == 2
