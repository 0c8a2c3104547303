"""The purge as a whole: whose it is, that it stops, and that the next one goes on (D2, W11, W16)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
import structlog
from sqlalchemy import func, insert, select

from domain.ids import MailboxId
from domain.quota import Purpose
from domain.retention import FEWEST, MOST
from handlers import retention
from handlers.units import Tally
from infra.db.tables.crm import merges
from infra.db.tables.ledger import duties
from infra.db.tables.mail import messages
from tests.handlers.conftest import House

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MANY = 2 * MOST + 1


@pytest.fixture
def full(house: House) -> House:
    """With old mail in it."""
    with house.store.begin("tests.old") as tx:
        one = {"mailbox_id": 1, "came_by": "push", "seen_at": LONG_AGO}
        tx.db.execute(insert(messages), [one | {"message_id": f"m{n}"} for n in range(MANY)])
    return house


def left(house: House) -> int:
    with house.store.begin("tests.left") as tx:
        return tx.db.scalar(select(func.count()).select_from(messages)) or 0


def seconds_until_due(house: House) -> float:
    with house.store.begin("tests.due") as tx:
        due_at = tx.db.execute(select(duties.c.due_at)).scalar_one()
        return float((due_at - tx.now()).total_seconds())


@pytest.mark.rule("D2")
def test_all_that_is_old_goes_and_the_next_purge_is_an_hour_later(full: House) -> None:
    with structlog.testing.capture_logs() as logs:
        assert retention.purge(full.context) == MANY
    assert left(full) == 0
    assert retention.PURGE_EVERY - 60 < seconds_until_due(full) <= retention.PURGE_EVERY
    said = [line for line in logs if line["event"] == "ledger.purged"]
    assert [line["messages"] for line in said] == [MANY]
    assert retention.purge(full.context) == 0


@pytest.mark.rule("D2", "E71")
def test_that_records_were_merged_is_forgotten_when_nobody_asks_for_it_any_more(house: House) -> None:
    with house.store.begin("tests.old") as tx:
        old = {"location_id": 1, "version": 5, "settled_at": LONG_AGO}
        rows = [old | {"record_id": f"{n}", "survivor": "b"} for n in range(MOST)]
        later = {"record_id": "b", "survivor": None, "settled_at": LONG_AGO + timedelta(days=1)}
        tx.db.execute(insert(merges), [*rows, old | later])
    with structlog.testing.capture_logs() as logs:
        assert retention.purge(house.context) == MOST + 1
    assert [line["merges"] for line in logs if line["event"] == "ledger.purged"] == [MOST + 1]


def test_units_are_kept_for_35_of_the_providers_days(house: House) -> None:
    far_west = timezone(timedelta(hours=-23, minutes=-59))  # almost always a day behind UTC
    quota = replace(house.context.tally.quota, zone=far_west)
    today = quota.day(datetime.now(UTC))
    days = [today - timedelta(days=ago) for ago in (36, 35, 0)]
    with house.store.begin("tests.old") as tx:
        for day in days:
            tx.units.add("a", day.isoformat(), day, {MailboxId(1): {Purpose.SWEEP: 1}})
    retention.purge(replace(house.context, tally=Tally(quota)))
    with house.store.begin("tests.left") as tx:
        assert [tx.units.of_day(day).day for day in days] == [0, 1, 1]


@pytest.mark.rule("W16")
def test_a_purge_that_is_told_to_stop_ends_after_the_stretch_and_is_taken_up_within_a_minute(
    full: House,
) -> None:
    asked: Iterator[bool] = iter((False, True))
    stopped = replace(full.context, stopping=lambda: next(asked))
    assert retention.purge(stopped) == FEWEST
    assert left(full) == MANY - FEWEST
    assert 0 < seconds_until_due(full) <= retention.TURN
    assert retention.purge(full.context) == 0, "somebody may be at it still"
    with full.store.begin("tests.pass") as tx:
        tx.retention.keep_turn("purge", 0)
    assert retention.purge(full.context) == MANY - FEWEST
