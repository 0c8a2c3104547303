"""Google's units: counted as Google counts them, held back before it refuses, told in time (FACTS §4, E87)."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from domain.events import ComparisonDue, Event, MailboxChanged
from domain.ids import MailboxId
from domain.quota import Purpose, Quota
from handlers import spending
from handlers.units import Tally
from infra.db.tables.connections import connections
from infra.gmail.costs import PACIFIC
from tests import sweep
from tests.handlers.conftest import LONG_AGO, House
from tests.handlers.test_watches import change, state
from tests.journeys.world import UWE
from tests.worlds import ONE_DATABASE

pytestmark = ONE_DATABASE

SMALL = Quota(mailbox_minute=1_000, project_minute=100_000, read=20, project_day=1_000_000)

OF_UNITS = re.compile(r"(INSERT INTO|UPDATE|DELETE FROM) unit")


def spent(house: House) -> Mapping[str, int]:
    """What the ledger says of the day, by purpose."""
    spending.write_down(house.context)
    with house.store.begin("tests.day") as tx:
        day = tx.units.of_day(datetime.now(PACIFIC).date())
    return {purpose.value: units for purpose, units in day.by_purpose.items() if units}


def given(house: House, quota: Quota) -> House:
    """The same house with so many units."""
    return replace(house, context=replace(house.context, tally=Tally(quota, "test")))


def test_units_are_counted_as_google_counts_them_each_for_its_purpose(house: House) -> None:
    house.connect()
    counted = house.gmail.counters().units
    assert spent(house) == {"user": counted}
    house.gmail.reset_counters()
    for number in range(3):
        house.deliver("ann", number)
    house.catch_up()
    house.queue.emit(MailboxChanged(MailboxId(1), "sweep"))
    house.pump()
    change(house, watch_due_at=LONG_AGO, compare_due_at=LONG_AGO)
    with house.store.engine.begin() as db:
        db.execute(update(connections).values(magnet_since=LONG_AGO))
    sweep.renew_watches(house.context)
    house.queue.emit(ComparisonDue(MailboxId(1)))
    house.pump()
    found = spent(house)
    assert found == {
        "user": counted,
        "push": 2,
        "sweep": 2,
        "match": 60,
        "sort": 15,
        "watch": 1,
        "compare": 5,
    }
    assert sum(found.values()) - counted == house.gmail.counters().units


@pytest.mark.rule("I7")
def test_a_burst_costs_little_more_than_reading_its_mails(house: House) -> None:
    """Half of the mail is from contacts with deals of two categories. One look for the push, one after it, one for
    the push of our own labels."""
    house.connect()
    house.gmail.reset_counters()
    for number in range(100):
        house.deliver(("ann", "nora", "cid", "nora")[number % 4], number)
    house.push()
    house.pump()
    house.push()
    house.pump()
    house.queue.emit(MailboxChanged(MailboxId(1), "sweep"))
    house.pump()
    assert len(house.notified()) == 50
    assert house.gmail.counters().units <= 100 * 21.1


def test_mail_costs_the_ledger_of_units_no_statement(house: House, statements: list[str]) -> None:
    house.connect()
    spent(house)
    for number in range(30):
        house.deliver("ann", number)
    statements.clear()
    house.catch_up()
    assert [one for one in statements if OF_UNITS.search(one)] == []
    spending.write_down(house.context)
    assert len([one for one in statements if OF_UNITS.match(one)]) == 2, "a sum, and a row a mailbox"


@pytest.mark.rule("E87", "I4")
def test_a_burst_in_one_mailbox_slows_itself_before_google_does(house: House) -> None:
    house = given(house, SMALL)
    house.connect()
    house.queue.redis.flushall()
    house.gmail.reset_counters()
    house.gmail.quota(enforced=True, per_minute=SMALL.mailbox_minute)
    ids = {house.deliver("ann", number) for number in range(60)}
    with capture_logs() as logs:
        house.catch_up()
    assert house.gmail.counters().statuses.keys() == {"200"}, "Google has refused nothing"
    assert 0 < len(house.outcomes()) < 60
    mailbox = state(house)
    assert (mailbox.trouble, mailbox.failures) == ("quota_of_mailbox", 0)
    assert mailbox.resting_until is not None
    assert 0 < (mailbox.resting_until - datetime.now(UTC)).total_seconds() <= 72
    assert "mailbox.rested" not in {entry["event"] for entry in logs}
    for _ in range(3):  # minutes
        house.queue.redis.flushall()
        house.gmail.reset_counters()
        house.let_time_pass()
        sweep.redrive(house.context)
        house.catch_up()
    assert house.outcomes() == dict.fromkeys(ids, "label.open")
    assert house.notified() != []
    assert state(house).trouble is None


@pytest.mark.rule("E87", "E82")
@pytest.mark.parametrize(("day", "sweeps", "compares"), [(0.5, 1, 1), (0.92, 1, 0), (0.97, 0, 0)])
def test_while_the_project_runs_short_of_its_day_the_sweep_asks_for_less(
    house: House, day: float, sweeps: int, compares: int
) -> None:
    house = given(house, SMALL)
    house.connect()
    house.context.tally.know_day(round(1_000_000 * day))
    change(house, sync_due_at=LONG_AGO, compare_due_at=LONG_AGO)
    assert (sweep.catch_up_due(house.context), sweep.compare_lists(house.context)) == (sweeps, compares)


@pytest.mark.rule("E87", "E82", "E108")
def test_a_sweep_and_a_comparison_that_are_held_back_are_due_again_and_the_mailbox_does_not_rest(
    house: House, sent: list[Event]
) -> None:
    house = given(house, SMALL)
    house.connect()
    change(house, sync_due_at=LONG_AGO, compare_due_at=LONG_AGO, watch_due_at=LONG_AGO)
    assert (sweep.catch_up_due(house.context), sweep.compare_lists(house.context)) == (1, 1)
    assert sweep.renew_watches(house.context) == 1
    house.context.tally.add(MailboxId(1), Purpose.MATCH, 800)
    house.gmail.reset_counters()
    house.pump()
    assert house.gmail.counters().calls == 0
    assert state(house).resting_until is None
    house.deliver("ann")
    house.push()
    house.pump()
    assert list(house.outcomes().values()) == ["label.open"], "what has just come goes on"


def test_what_could_not_be_written_is_written_later_and_once(house: House) -> None:
    house.connect()
    counted = house.gmail.counters().units
    [batch] = house.context.tally.batches()
    with house.store.begin("tests.first") as tx:
        tx.units.add(batch.key, batch.owner, batch.day, batch.rows)
    # the answer to the commit is lost: nobody has called it written
    house.context.tally.add(MailboxId(1), Purpose.SWEEP, 1)
    assert spent(house) == {"user": counted, "sweep": 1}
    assert house.context.tally.batches() == []


def test_the_command_names_the_costliest_first_and_the_last_minute(house: House) -> None:
    house.connect()
    house.connect("carla", "carla@firm.example")
    house.deliver("ann")
    house.catch_up()
    house.context.tally.tell(house.queue)
    spending.write_down(house.context)
    found = spending.spent(None, 10, house.context)
    assert found is not None
    assert list(found.mailboxes) == [UWE, "carla@firm.example"]
    total = house.gmail.counters().units
    assert (found.project.day, found.project.minute) == (total, total)
    one = spending.spent(UWE, 10, house.context)
    assert one is not None
    assert list(one.mailboxes) == [UWE]
    assert one.mailboxes[UWE].minute == one.mailboxes[UWE].day
    assert spending.spent("nobody@firm.example", 10, house.context) is None
