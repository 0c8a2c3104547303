"""Which mail the ledger must have, and when that is looked at (E108)."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import MailboxId
from domain.mailboxes.comparisons import Compared, next_at, period

NOON = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
SETTLE = timedelta(minutes=2)
DAY = timedelta(days=1)


def ago(**span: float) -> datetime:
    return NOON - timedelta(**span)


@pytest.mark.rule("E108", "D3-7")
@pytest.mark.parametrize(
    ("began", "synced_at", "expected"),
    [
        pytest.param(ago(days=90), ago(minutes=5), (ago(days=2), ago(minutes=7)), id="the last two days"),
        pytest.param(ago(hours=3), ago(minutes=5), (ago(hours=3), ago(minutes=7)), id="from the start on"),
        pytest.param(ago(minutes=6), ago(minutes=5), None, id="connected just now"),
        pytest.param(ago(days=90), None, None, id="never looked into"),
        pytest.param(ago(days=90), ago(days=3), None, id="not looked into for long: a look comes first"),
        pytest.param(NOON, ago(minutes=5), None, id="nobody is signed in"),
    ],
)
def test_what_came_long_enough_before_the_last_look_must_be_known(
    began: datetime, synced_at: datetime | None, expected: tuple[datetime, datetime] | None
) -> None:
    assert period(began, synced_at, NOON, SETTLE) == expected


@pytest.mark.rule("E108")
@given(st.integers(1, 10**12), st.timedeltas(timedelta(), timedelta(days=4_000)))
def test_a_mailbox_is_compared_once_a_day_at_its_own_time(mailbox_id: MailboxId, later: timedelta) -> None:
    now = NOON + later
    first = next_at(mailbox_id, now, DAY)
    assert now < first <= now + DAY
    assert next_at(mailbox_id, first, DAY) == first + DAY
    assert next_at(mailbox_id, first + timedelta(hours=7), DAY) == first + DAY, "late today, in time tomorrow"


@pytest.mark.rule("E108")
def test_a_hundred_thousand_mailboxes_are_spread_over_the_day() -> None:
    minutes = Counter(
        (next_at(MailboxId(n), NOON, DAY) - NOON) // timedelta(minutes=1) for n in range(100_000)
    )
    assert len(minutes) == 1_440
    assert max(minutes.values()) < 75


@pytest.mark.rule("E108")
@pytest.mark.parametrize(("mails", "late", "recall"), [(0, 0, None), (8, 0, 1.0), (8, 2, 0.75), (3, 3, 0.0)])
def test_recall_is_the_share_that_was_seen_before(mails: int, late: int, recall: float | None) -> None:
    assert Compared(mails, late).recall == recall
