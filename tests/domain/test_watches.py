"""Does push bring what it should? Push recall, and when a watch is made anew (E82, E85)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.mailboxes.watches import Recall, WatchState

NOON = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
SWEEP = timedelta(minutes=9)


def ago(**span: float) -> datetime:
    return NOON - timedelta(**span)


STANDS = WatchState(until=NOON + timedelta(days=6), renewed_at=ago(hours=10))


@pytest.mark.rule("E82", "E85")
@pytest.mark.parametrize(
    ("watch", "synced_at", "told"),
    [
        pytest.param(STANDS, ago(minutes=9), False, id="a whole sweep's time and no push"),
        pytest.param(replace(STANDS, pushed_at=ago(minutes=1)), ago(minutes=9), True, id="a push since then"),
        pytest.param(
            replace(STANDS, pushed_at=ago(minutes=20)), ago(minutes=9), False, id="a push before that"
        ),
        pytest.param(
            replace(STANDS, pushed_at=ago(seconds=3)),
            ago(seconds=2),
            None,
            id="the one more look after a push: Gmail may have dropped the next one",
        ),
        pytest.param(
            WatchState(until=STANDS.until, renewed_at=ago(minutes=5)),
            ago(minutes=9),
            None,
            id="the watch was made meanwhile",
        ),
        pytest.param(
            WatchState(until=ago(minutes=1), renewed_at=ago(days=7)),
            ago(minutes=9),
            None,
            id="it has expired",
        ),
        pytest.param(WatchState(), ago(minutes=9), None, id="there is none"),
        pytest.param(replace(STANDS, pushed_at=ago(minutes=1)), None, None, id="the first look"),
        pytest.param(
            WatchState(until=ago(days=1), renewed_at=ago(days=8), pushed_at=ago(minutes=1)),
            ago(minutes=9),
            True,
            id="a push is a push, whatever we know of its watch",
        ),
    ],
)
def test_whether_push_has_told_of_what_a_look_finds(
    watch: WatchState, synced_at: datetime | None, told: bool | None
) -> None:
    assert watch.has_told(synced_at, NOON, SWEEP) is told


@pytest.mark.parametrize(
    ("recall", "share"),
    [
        (Recall(), None),
        (Recall(3, 1), 0.75),
        (Recall(0, 4), 0.0),
        (Recall(4, 0), 1.0),
    ],
)
def test_push_recall_is_the_share_that_push_brought(recall: Recall, share: float | None) -> None:
    assert recall.share == share


def test_old_mail_counts_for_less_and_less() -> None:
    good = Recall()
    for _ in range(1_000):
        good = good.after(1, pushed=True)
    assert good.share == 1

    failing = good
    for _ in range(30):
        failing = failing.after(1, pushed=False)
    assert failing.is_low(0.5), "a year of good push does not hide that it fails now"
    assert failing.pushed + failing.missed <= 50

    mended = failing
    for _ in range(30):
        mended = mended.after(1, pushed=True)
    assert not mended.is_low(0.5)


def test_a_crowd_of_mails_at_once_stays_within_the_bound() -> None:
    assert Recall(10, 0).after(10_000, pushed=False) == Recall(0, 25)


@pytest.mark.parametrize(
    ("recall", "threshold", "low"),
    [
        pytest.param(Recall(0, 9), 0.5, False, id="too few to tell"),
        pytest.param(Recall(0, 10), 0.5, True, id="ten are enough"),
        pytest.param(Recall(5, 5), 0.5, False, id="at the threshold"),
        pytest.param(Recall(4, 6), 0.5, True, id="under it"),
        pytest.param(Recall(0, 50), 0.0, False, id="a threshold of 0 is never passed"),
    ],
)
def test_push_recall_is_low_under_the_threshold(recall: Recall, threshold: float, low: bool) -> None:
    assert recall.is_low(threshold) is low


@pytest.mark.rule("E85")
@pytest.mark.parametrize(
    ("renewed_at", "deaf"),
    [
        pytest.param(ago(hours=4), True, id="long enough ago"),
        pytest.param(ago(hours=3), True, id="just long enough"),
        pytest.param(ago(hours=2), False, id="it was renewed a while ago: give it time"),
        pytest.param(None, True, id="before we noted it"),
    ],
)
def test_a_watch_is_made_anew_once_in_a_few_hours_at_most(renewed_at: datetime | None, deaf: bool) -> None:
    watch = WatchState(renewed_at=renewed_at, recall=Recall(1, 20))
    assert watch.is_deaf(0.5, NOON, timedelta(hours=3)) is deaf
    assert not WatchState(renewed_at=renewed_at).is_deaf(0.5, NOON, timedelta(hours=3))


DAY = timedelta(days=1)
GOOD, POOR = Recall(9, 1), Recall(0, 1)


@pytest.mark.rule("E85")
@pytest.mark.parametrize(
    ("watch", "due"),
    [
        pytest.param(WatchState(), True, id="there is none"),
        pytest.param(WatchState(NOON + timedelta(days=6), ago(days=1)), False, id="a day old, no mail came"),
        pytest.param(
            WatchState(NOON + timedelta(days=5), ago(days=2), recall=GOOD), False, id="push is good"
        ),
        pytest.param(
            WatchState(NOON + timedelta(days=4), ago(days=3), recall=GOOD), True, id="three days old"
        ),
        pytest.param(
            WatchState(NOON + timedelta(days=4), ago(days=3) + timedelta(minutes=5)), True, id="almost so"
        ),
        pytest.param(
            WatchState(NOON + timedelta(days=6), ago(days=1), recall=POOR), True, id="push missed what came"
        ),
        pytest.param(
            WatchState(NOON + timedelta(days=6), ago(days=1), trouble="backendError"), True, id="it failed"
        ),
        pytest.param(WatchState(ago(hours=1), ago(days=1)), True, id="it has ended"),
        pytest.param(
            WatchState(NOON + timedelta(hours=40), ago(days=1)), True, id="it ends before the look after next"
        ),
    ],
)
def test_a_watch_is_renewed_every_three_days_while_push_is_good_and_daily_otherwise(
    watch: WatchState, due: bool
) -> None:
    assert watch.is_to_be_renewed(0.5, NOON, DAY) is due


@pytest.mark.rule("E85")
def test_with_daily_looks_that_come_a_little_later_each_time_every_third_renews() -> None:
    now, renewed = NOON, []
    watch = WatchState(NOON + timedelta(days=7), NOON)
    for number in range(1, 31):
        now += DAY + timedelta(minutes=3)
        if watch.is_to_be_renewed(0.5, now, DAY):
            renewed.append(number)
            watch = WatchState(now + timedelta(days=7), now)
    assert renewed == list(range(3, 31, 3))
