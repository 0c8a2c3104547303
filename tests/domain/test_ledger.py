"""How long a failed step waits."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import ConnectionId
from domain.ledger import LONGEST_WAIT, TRIES, Claim, wait_alone, wait_before

jitters = st.floats(0, 1, exclude_max=True)


@pytest.mark.rule("E87")
@pytest.mark.parametrize(
    ("attempt", "shortest", "longest"),
    [
        pytest.param(1, 0.5, 1, id="a second after the first"),
        pytest.param(2, 1, 2, id="then it doubles"),
        pytest.param(7, 32, 64, id="up to a minute"),
        pytest.param(8, 32, 64, id="and no further"),
        pytest.param(1_000_000, 32, 64, id="however often it failed"),
    ],
)
def test_a_failed_step_waits_longer_every_time(attempt: int, shortest: float, longest: float) -> None:
    assert wait_before(attempt, 0.0) == timedelta(seconds=shortest)
    assert wait_before(attempt, 1.0) == timedelta(seconds=longest)


@pytest.mark.rule("E87")
@given(st.integers(1, 10_000), jitters)
def test_a_wait_is_never_nothing_and_never_long(attempt: int, jitter: float) -> None:
    assert timedelta(seconds=0.5) <= wait_before(attempt, jitter) <= LONGEST_WAIT


@pytest.mark.rule("E87")
@given(st.integers(1, 20), jitters, jitters)
def test_mails_that_failed_together_come_back_apart(attempt: int, one: float, other: float) -> None:
    earlier, later = sorted((one, other))
    assert wait_before(attempt, earlier) <= wait_before(attempt, later)
    assert wait_before(attempt, 1.0) == 2 * wait_before(attempt, 0.0)


@pytest.mark.rule("E88")
def test_a_mail_that_always_fails_is_set_aside_within_minutes() -> None:
    longest = sum((wait_before(attempt, 1.0) for attempt in range(1, TRIES + 1)), timedelta())

    assert timedelta(minutes=1) < longest < timedelta(minutes=5)


def test_a_claim_is_known_by_its_mail_and_connection() -> None:
    assert (
        Claim("a", ConnectionId(1), attempts=1).key == Claim("a", ConnectionId(1), attempts=2).key == ("a", 1)
    )


@pytest.mark.rule("E87", "E88")
def test_a_mail_that_is_asked_for_alone_is_given_hours() -> None:
    waits = [wait_alone(attempt) for attempt in range(1, TRIES + 1)]
    assert waits[:3] == [timedelta(seconds=15), timedelta(seconds=45), timedelta(seconds=135)]
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(hours=1)
    assert sum(waits, timedelta()) > timedelta(hours=2)
