"""The simulated day: what is planned, and how its periods are shortened."""

import pytest

from tests.scale import day_plan
from tests.scale.day_clock import SETTLE, settings

BOXES = 1_000


def test_a_seed_plans_the_same_day_every_time() -> None:
    assert day_plan.make(1, BOXES) == day_plan.make(1, BOXES)
    assert day_plan.make(1, BOXES) != day_plan.make(2, BOXES)


@pytest.mark.parametrize("seed", range(5))
def test_most_mailboxes_are_idle_and_the_night_is_quiet(seed: int) -> None:
    plan = day_plan.make(seed, BOXES)
    moments = [letter.at for letter in plan.letters]
    assert 0.25 * BOXES < len(plan.busy) < 0.35 * BOXES
    assert moments == sorted(moments)
    assert day_plan.NIGHT <= moments[0] < moments[-1] <= day_plan.DAY
    assert sum(9 * 3_600 <= moment < 18 * 3_600 for moment in moments) > 0.6 * len(moments)
    assert {letter.sender for letter in plan.letters} == set(day_plan.SENDERS)


@pytest.mark.rule("E108")
@pytest.mark.parametrize("seed", range(5))
def test_history_is_never_late_by_more_than_it_is_said_to_be(seed: int) -> None:
    troubles = day_plan.make(seed, BOXES).troubles
    assert {trouble.kind for trouble in troubles} >= {"history_lag"}
    assert max(trouble.delay for trouble in troubles) < SETTLE


def test_a_shorter_day_has_shorter_periods_but_what_a_second_is_needed_for() -> None:
    assert float(settings(48)["sweep_due_after"]) == 540 / 48
    assert float(settings(48)["settle_after"]) == 2.5
    assert settings(96)["settle_after"] == settings(480)["settle_after"] == "2.5"
    assert float(settings(1)["lease"]) == 60
