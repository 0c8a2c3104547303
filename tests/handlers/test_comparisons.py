"""Once a day the mailbox's own list says what history has never shown (E108)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from structlog.testing import capture_logs

from domain.events import ComparisonDue, MailFound
from domain.ids import MailboxId
from domain.mailboxes.accounts import Grant
from handlers import reports
from handlers.mailboxes import comparisons
from infra.db.tables.connections import connections
from infra.db.tables.mail import messages
from infra.db.tables.mailboxes import mailboxes
from infra.local.gmail.control.client import Mail
from tests import sweep
from tests.handlers.conftest import LONG_AGO, House
from tests.handlers.test_explain import explained
from tests.journeys.world import OPEN, UWE, mail
from tests.providers import entered_by


def watched_for(house: House, **span: float) -> None:
    """The connection has stood for so long, and its mailbox was looked into a moment ago."""
    since = datetime.now(UTC) - timedelta(**span)
    with house.store.engine.begin() as db:
        values = {"magnet_since": since, "sorting_since": since}
        db.execute(update(connections).values(values))


def compare(house: House) -> list[str]:
    """It is due, and the sweep asks for it."""
    with house.store.engine.begin() as db:
        db.execute(update(mailboxes).values(compare_due_at=LONG_AGO))
    assert sweep.compare_lists(house.context) == 1
    return house.pump()


def received(house: House, number: int = 0, sender: str = "ann", **ago: float) -> str:
    moment = datetime.now(UTC) - timedelta(**ago)
    return house.deliver(sender, number, internal_date=int(moment.timestamp() * 1000))


def lost(house: House, number: int = 0, sender: str = "ann", **ago: float) -> str:
    """A mail of which history never tells."""
    fault = house.gmail.fault("history_drop")
    message_id = received(house, number, sender, **ago)
    house.catch_up()
    house.gmail.clear_faults(fault)
    return message_id


def known(house: House) -> dict[str, str]:
    with house.store.engine.connect() as db:
        return {row.message_id: row.came_by for row in db.execute(select(messages))}


def recall(house: House) -> tuple[float | None, int, int]:
    found = reports.status(UWE, None, house.context)
    [mailbox] = found.mailboxes
    assert found.totals.compared == replace(mailbox.compared, at=None)
    return mailbox.compared.recall, mailbox.compared.mails, mailbox.compared.late


@pytest.mark.rule("E108", "I1")
def test_what_history_never_showed_is_handled_and_counted(house: House) -> None:
    house.connect()
    watched_for(house, days=10)
    seen = received(house, 1, hours=3)
    gone_by = lost(house, 2, hours=2)
    assert house.outcomes() == {seen: "label.open"}
    with capture_logs() as logs:
        jobs = compare(house)
    assert jobs[:2] == ["mailboxes.compare", "contacts.match"]
    assert house.outcomes() == {seen: "label.open", gone_by: "label.open"}
    assert house.labels(gone_by) == {"UNREAD", OPEN}
    assert house.notified() == [seen, gone_by]
    assert known(house) == {seen: "push", gone_by: "compare"}
    assert recall(house) == (0.5, 2, 1)
    assert {
        "event": "message.found",
        "mailbox_id": 1,
        "message_id": gone_by,
        "came_by": "compare",
    }.items() <= next(entry for entry in logs if entry["event"] == "message.found").items()
    assert next(entry for entry in logs if entry["event"] == "mailbox.compared")["late"] == 1
    assert "the daily comparison with the mailbox's list" in explained(house, gone_by)


@pytest.mark.rule("E108", "I2", "I7")
def test_a_second_comparison_finds_nothing_and_counts_the_late_ones_still(house: House) -> None:
    house.connect()
    watched_for(house, days=10)
    received(house, 1, hours=3)
    lost(house, 2, hours=2)
    compare(house)
    house.gmail.reset_counters()
    assert compare(house) == ["mailboxes.compare"]
    assert house.gmail.counters().units == 5, "one page of the list"
    assert recall(house) == (0.5, 2, 1)
    assert len(house.notified()) == 2


@pytest.mark.rule("E108", "D3-3", "D3-4", "D3-5", "D3-6", "D3-7", "I3")
def test_what_the_ledger_need_not_have_is_not_missing(house: House) -> None:
    house.connect()
    watched_for(house, hours=20)
    lost(house, 1, hours=21)
    lost(house, 2, seconds=5)
    fault = house.gmail.fault("history_drop")
    for number, label in enumerate(("DRAFT", "SPAM", "TRASH", "CHAT"), 3):
        moment = datetime.now(UTC) - timedelta(hours=2)
        house.deliver("ann", number, labels=[label], internal_date=int(moment.timestamp() * 1000))
    house.catch_up()
    house.gmail.clear_faults(fault)
    with house.store.engine.begin() as db:
        db.execute(update(mailboxes).values(synced_at=datetime.now(UTC)))
    assert compare(house) == ["mailboxes.compare"]
    assert known(house) == {}
    assert recall(house) == (None, 0, 0)


@pytest.mark.rule("E108", "D3-7")
def test_mail_of_more_than_two_days_ago_is_left(house: House) -> None:
    house.connect()
    watched_for(house, days=40)
    lost(house, 1, days=2, hours=1)
    young = lost(house, 2, days=1, hours=23)
    compare(house)
    assert known(house) == {young: "compare"}


@pytest.mark.rule("E108", "E36", "E37", "W9")
@pytest.mark.parametrize("place", ["SPAM", "TRASH"])
def test_a_rescue_that_history_never_showed_is_found(house: House, place: str) -> None:
    house.connect()
    watched_for(house, days=10)
    moment = datetime.now(UTC) - timedelta(hours=2)
    rescued = house.deliver("ann", labels=[place], internal_date=int(moment.timestamp() * 1000))
    house.catch_up()
    fault = house.gmail.fault("history_drop")
    house.gmail.change_labels(UWE, [rescued], add=["INBOX"], remove=[place])
    house.catch_up()
    house.gmail.clear_faults(fault)
    assert house.outcomes() == {rescued: f"skip.{place.lower()}"}
    compare(house)
    assert house.outcomes() == {rescued: "label.open"}
    assert recall(house) == (0.0, 1, 1)
    assert compare(house) == ["mailboxes.compare"]


@pytest.mark.rule("E108", "E60", "I6")
def test_mail_that_the_user_has_labelled_meanwhile_is_his(house: House) -> None:
    house.connect()
    watched_for(house, days=10)
    labelled = lost(house, 1, hours=2)
    fault = house.gmail.fault("history_drop")
    house.gmail.change_labels(UWE, [labelled], add=[OPEN])
    house.catch_up()
    house.gmail.clear_faults(fault)
    compare(house)
    assert house.outcomes() == {labelled: "label.user_choice"}


@pytest.mark.rule("E108")
def test_a_mailbox_is_due_when_it_is_connected_and_then_once_a_day(house: House) -> None:
    house.connect()
    assert sweep.compare_lists(house.context) == 1
    assert house.pump() == ["mailboxes.compare"]
    assert house.gmail.counters().calls_of("messages.list") == 0, "there is nothing to compare yet"
    with house.store.engine.connect() as db:
        row = db.execute(select(mailboxes)).one()
    assert datetime.now(UTC) < row.compare_due_at < datetime.now(UTC) + timedelta(days=1)
    assert row.compared_at is None
    assert sweep.compare_lists(house.context) == 0


@pytest.mark.rule("E108", "E89")
def test_two_jobs_for_one_comparison_make_one(house: House) -> None:
    house.connect()
    watched_for(house, days=10)
    received(house, 1, hours=3)
    house.catch_up()
    compare(house)
    house.gmail.reset_counters()
    house.queue.emit(ComparisonDue(MailboxId(1)))
    house.pump()
    assert house.gmail.counters().calls == 0


@pytest.mark.rule("E108", "E87", "I4")
def test_while_gmail_limits_the_mailbox_the_comparison_waits_with_it(house: House) -> None:
    house.connect()
    watched_for(house, days=10)
    gone_by = lost(house, 1, hours=2)
    house.gmail.fault("429", ["messages.list"], times=1)
    compare(house)
    house.gmail.reset_counters()
    compare(house)
    assert house.gmail.counters().calls == 0, "it rests"
    house.let_time_pass()
    compare(house)
    assert house.outcomes() == {gone_by: "label.open"}


@pytest.mark.rule("E108", "D3-1")
def test_a_paused_mailbox_is_not_compared(house: House) -> None:
    house.connect()
    with house.store.begin("tests.pause") as tx:
        tx.mailboxes.pause_by_operator(None, 0, 10)
    assert sweep.compare_lists(house.context) == 0
    with house.store.begin("tests.release") as tx:
        tx.mailboxes.resume_by_operator(None, 0, 10)
    assert sweep.compare_lists(house.context) == 1


@pytest.mark.rule("E108", "D12", "I3")
def test_a_comparison_in_flight_leaves_no_rows_for_a_mailbox_that_was_switched_off(house: House) -> None:
    house.connect()
    watched_for(house, days=10)
    lost(house, 1, hours=2)

    class Off:
        """MailMagnet is switched off while Gmail is asked."""

        def open(self, grant: Grant) -> Any:
            mailbox = house.context.open(grant)

            class It:
                def __getattr__(self, name: str) -> Any:
                    return getattr(mailbox, name)

                def listed_between(self, first: datetime, last: datetime) -> Any:
                    house.connect(magnet=False, sorting=False)
                    return mailbox.listed_between(first, last)

            return It()

    comparisons.compare(MailboxId(1), entered_by(house.context, Off()))
    assert MailFound(MailboxId(1)) not in house.sent
    with house.store.engine.connect() as db:
        assert db.scalar(select(func.count()).select_from(messages)) == 0


@pytest.mark.rule("E108", "I1", "E83")
def test_a_comparison_of_many_pages_is_cut_off_and_made_again(house: House) -> None:
    house.connect()
    watched_for(house, days=10)
    moment = int((datetime.now(UTC) - timedelta(hours=2)).timestamp() * 1000)
    fault = house.gmail.fault("history_drop")
    mails = [Mail(UWE, mail("nora", number), internal_date=moment + number) for number in range(600)]
    house.gmail.deliver_many(mails)
    house.catch_up()
    house.gmail.clear_faults(fault)
    asked = iter([False, True])
    comparisons.compare(MailboxId(1), replace(house.context, stopping=lambda: next(asked)))
    assert len(known(house)) == 500
    with house.store.engine.connect() as db:
        assert db.scalar(select(mailboxes.c.compared_at)) is None
    house.queue.redis.flushall()
    house.sent.clear()
    compare(house)
    assert set(known(house).values()) == {"compare"}
    assert recall(house) == (0.0, 600, 600)
