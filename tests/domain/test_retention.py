"""How much is forgotten at once."""

import pytest

from domain.retention import FEWEST, LONG, MOST, next_stretch


@pytest.mark.rule("W11", "W16")
@pytest.mark.parametrize(
    ("rows", "seconds", "expected"),
    [
        pytest.param(FEWEST, 0.001, 2 * FEWEST, id="what goes quickly goes twice as far"),
        pytest.param(FEWEST, 0, 2 * FEWEST, id="also where no clock has seen it"),
        pytest.param(MOST, 0.001, MOST, id="never further than that"),
        pytest.param(100, LONG, 100, id="as long as it may be"),
        pytest.param(200, 2 * LONG, 100, id="too long"),
        pytest.param(200, 4 * LONG, 50, id="on a machine that has come to be busy"),
        pytest.param(MOST, 5.0, FEWEST, id="who waited for a lock gets on still"),
    ],
)
def test_a_stretch_is_about_as_long_on_any_machine(rows: int, seconds: float, expected: int) -> None:
    assert next_stretch(rows, seconds) == expected
