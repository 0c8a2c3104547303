"""How long a mailbox that Gmail limits or refuses is left alone, and its sorting (E67, E87)."""

from typing import Any

import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs

from infra.db.tables.connections import connections as connection_table
from infra.db.tables.ledger import steps
from infra.db.tables.mail import notifications
from infra.db.tables.mailboxes import mailboxes
from tests import sweep
from tests.handlers.conftest import House
from tests.journeys.world import OPEN, UWE
from tests.worlds import ONE_DATABASE

pytestmark = ONE_DATABASE


def row(house: House) -> Any:
    with house.store.engine.connect() as db:
        return db.execute(select(mailboxes)).one()


def seconds_to(house: House, column: str) -> float:
    """How far off a moment of the mailbox is."""
    moment = getattr(row(house), column)
    with house.store.begin("tests.now", reads_only=True) as tx:
        return float((moment - tx.now()).total_seconds())


def rest(house: House) -> int:
    """Minutes for which the mailbox is left alone from now."""
    return round(seconds_to(house, "resting_until") / 60)


def told(house: House) -> list[str]:
    with house.store.engine.connect() as db:
        return list(db.scalars(select(notifications.c.kind).order_by(notifications.c.id)))


def go_on(house: House) -> None:
    house.let_time_pass()
    house.catch_up()
    sweep.redrive(house.context)
    house.pump()


@pytest.mark.rule("E87")
def test_waits_grow_while_history_is_answered_and_no_mail_is(house: House) -> None:
    house.connect()
    ids = [house.deliver("ann", number) for number in range(2)]
    fault = house.gmail.fault("503", ["messages.get"], mailbox=UWE)
    house.catch_up()
    failures = [row(house).failures]
    for _ in range(3):
        go_on(house)
        failures.append(row(house).failures)
    assert failures == [1, 2, 3, 4]
    house.gmail.clear_faults(fault)
    go_on(house)
    assert house.outcomes() == dict.fromkeys(ids, "label.open")
    assert (row(house).failures, row(house).trouble) == (0, None)


@pytest.mark.rule("E87")
def test_waits_grow_while_mail_is_read_and_cannot_be_labelled(house: House) -> None:
    house.connect()
    ids = [house.deliver("ann", number) for number in range(2)]
    fault = house.gmail.fault("503", ["messages.modify"], mailbox=UWE)
    house.catch_up()
    for number in range(2, 5):
        go_on(house)
        assert row(house).failures == number
    house.gmail.clear_faults(fault)
    go_on(house)
    assert house.outcomes() == dict.fromkeys(ids, "label.open")
    assert row(house).failures == 0


@pytest.mark.rule("E87")
@pytest.mark.parametrize("methods", [[], ["messages.get"], ["messages.modify"]], ids=["all", "get", "modify"])
def test_a_mailbox_that_lets_nobody_in_is_tried_ever_more_rarely_and_told_of_once(
    methods: list[str], house: House
) -> None:
    house.connect()
    ids = [house.deliver("ann", number) for number in range(2)]
    fault = house.gmail.fault("400.failedPrecondition", methods, mailbox=UWE)
    waits = []
    with capture_logs() as logs:
        for _ in range(6):
            go_on(house)
            waits.append(rest(house))
    assert waits == [1, 5, 15, 60, 60, 60]
    events = [log["event"] for log in logs if log["event"].startswith("mailbox.")]
    assert events == ["mailbox.rested", *["mailbox.postponed"] * 5]
    with house.store.engine.connect() as db:
        assert db.scalar(select(func.max(steps.c.attempts)).where(steps.c.state == "waiting")) in (0, None)
    house.gmail.clear_faults(fault)
    go_on(house)
    assert house.outcomes() == dict.fromkeys(ids, "label.open")
    house.gmail.fault("400.failedPrecondition", methods, mailbox=UWE)
    house.deliver("ann", 7), house.deliver("ann", 8)
    go_on(house)
    assert rest(house) == 1, "a new trouble begins anew"


@pytest.mark.rule("E87")
def test_mail_that_is_not_enabled_lasts(house: House) -> None:
    house.connect()
    house.gmail.fault("400.notEnabled", mailbox=UWE)
    for _ in range(2):
        go_on(house)
        assert rest(house) == 60


def hidden_label(house: House) -> None:
    """The user's label is said to be there when it is made, and no list shows it."""
    house.connect()
    [label_id] = [label_id for label_id, name in house.gmail.dump(UWE).labels.items() if name == OPEN]
    house.gmail.delete_label(UWE, label_id)
    house.gmail.fault("409", ["labels.create"], mailbox=UWE)


@pytest.mark.rule("E67", "I4")
def test_a_label_that_is_there_and_not_shown_is_asked_for_three_times_then_sorting_stops(
    house: House,
) -> None:
    hidden_label(house)
    first = house.deliver("ann", 1)
    house.gmail.reset_counters()
    house.catch_up()
    second = house.deliver("ann", 2)
    house.catch_up()
    assert -60 < seconds_to(house, "sorting_due_at") <= 5
    assert house.gmail.counters().calls_of("labels.create") == 1, "nobody asks before it is time"
    assert house.notified() == [first, second], "MailMagnet goes on"
    go_on(house)
    assert 5 < seconds_to(house, "sorting_due_at") <= 55
    assert house.gmail.counters().calls_of("labels.create") == 2
    assert row(house).resting_until is None
    go_on(house)
    assert house.outcomes() == dict.fromkeys([first, second], "label.failed")
    with house.store.engine.connect() as db:
        assert db.scalar(select(connection_table.c.sorting_trouble)) == "label_conflict"
    assert told(house) == ["mail", "mail", "sorting_failed"]
    later = house.deliver("ann", 3)
    go_on(house)
    assert house.outcomes()[later] == "label.failed"
    assert told(house) == ["mail", "mail", "sorting_failed", "mail"]
    assert house.gmail.counters().calls_of("labels.create") == 3


@pytest.mark.rule("E67")
def test_a_label_that_is_shown_at_last_is_used(house: House) -> None:
    hidden_label(house)
    message_id = house.deliver("ann")
    house.catch_up()
    house.gmail.clear_faults()
    go_on(house)
    assert house.outcomes() == {message_id: "label.open"}
    assert told(house) == ["mail"]
    assert (row(house).label_conflicts, row(house).sorting_due_at) == (0, None)
