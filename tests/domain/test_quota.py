"""Google's units: how long to wait for room, and who goes first (FACTS §4)."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.quota import SHARES, Purpose, slots_to_wait
from infra.gmail.costs import NEW_QUOTA, OLD_QUOTA


@pytest.mark.rule("E87")
@pytest.mark.parametrize(
    ("spent", "asked", "most", "slots"),
    [
        pytest.param((0, 0, 0), 20, 100, 0, id="nothing was spent"),
        pytest.param((0, 0, 80), 20, 100, 0, id="just enough is left"),
        pytest.param((0, 0, 81), 20, 100, 3, id="the newest must pass: it is the only one"),
        pytest.param((50, 0, 40), 20, 100, 1, id="the oldest passes next"),
        pytest.param((0, 50, 40), 20, 100, 2, id="the one after it"),
        pytest.param((50, 50, 90), 20, 100, 3, id="two are not enough"),
        pytest.param((0, 0, 0), 500, 100, 0, id="more than there ever is: alone it goes"),
        pytest.param((0, 30, 0), 500, 100, 2, id="but not beside others"),
    ],
)
def test_units_wait_until_enough_of_the_last_minute_is_over(
    spent: tuple[int, ...], asked: int, most: int, slots: int
) -> None:
    assert slots_to_wait(spent, asked, most) == slots


@pytest.mark.rule("E87")
@given(st.lists(st.integers(0, 6_000), min_size=7, max_size=7), st.integers(0, 500))
def test_after_the_wait_there_is_room_and_not_before(spent: list[int], asked: int) -> None:
    slots = slots_to_wait(spent, asked, 5_700)
    assert sum(spent[slots:]) + asked <= 5_700
    assert slots == 0 or sum(spent[slots - 1 :]) + asked > 5_700


@pytest.mark.rule("E87")
def test_what_has_just_come_goes_before_the_user_before_the_sweep_before_the_comparison() -> None:
    new = {SHARES[one] for one in (Purpose.PUSH, Purpose.MATCH, Purpose.SORT)}
    user = {SHARES[one] for one in (Purpose.USER, Purpose.SEND)}
    sweep = {SHARES[one] for one in (Purpose.SWEEP, Purpose.WATCH, Purpose.COPY)}
    assert 1 > min(new) > max(user) >= min(user) > max(sweep) >= min(sweep) > SHARES[Purpose.COMPARE]
    assert SHARES.keys() == set(Purpose)
    for quota in (NEW_QUOTA, OLD_QUOTA):
        assert SHARES[Purpose.MATCH] * quota.mailbox_minute >= 25 * quota.read, "a slice fits"


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 7, 1, 6, 59, tzinfo=UTC), date(2026, 6, 30)),
        (datetime(2026, 7, 1, 7, 0, tzinfo=UTC), date(2026, 7, 1)),
        (datetime(2026, 12, 1, 7, 59, tzinfo=UTC), date(2026, 11, 30)),
        (datetime(2026, 12, 1, 8, 0, tzinfo=UTC), date(2026, 12, 1)),
    ],
)
def test_a_day_begins_at_midnight_pacific_time(moment: datetime, day: date) -> None:
    assert NEW_QUOTA.day(moment) == OLD_QUOTA.day(moment) == day
