"""A third of a minute of chaos; `make chaos` goes on for longer."""

from pathlib import Path

import pytest

from tests.chaos import plan
from tests.chaos.plan import Deliver, Kill, Trouble
from tests.chaos.run import run
from tests.chaos.world import World


@pytest.mark.rule(
    "I1",
    "I2",
    "I3",
    "I5",
    "I6",
    "I9",
    "I11",
    "T2",
    "W13",
    "E47",
    "E80",
    "E81",
    "E82",
    "E83",
    "E84",
    "E87",
    "E90",
)
def test_nothing_is_lost_doubled_or_kept_while_everything_dies_and_returns(tmp_path: Path) -> None:
    said: list[str] = []
    result = run(tmp_path, seed=7, minutes=0.33, database="sqlite", say=said.append)
    assert result.wrong == [], "\n".join(result.evidence)
    assert result.mails > 30
    assert sum(result.kills.values()) >= 3
    assert result.delivered
    assert all(result.by_place.values())
    assert any(result.hands.values())


def test_a_seed_plans_the_same_deeds_every_time() -> None:
    deeds = plan.make(7, 1, World.processes())
    assert deeds == plan.make(7, 1, World.processes())
    assert deeds != plan.make(8, 1, World.processes())
    assert {Deliver, Kill, Trouble} <= {type(deed) for _, deed in deeds}
