"""Moments as people type them at the command line."""

from datetime import UTC, datetime

import pytest

from domain.errors import Refused
from workers.cli.terminal.times import moment

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("45s", datetime(2026, 11, 22, 11, 59, 15, tzinfo=UTC), id="seconds ago"),
        pytest.param("30min", datetime(2026, 11, 22, 11, 30, tzinfo=UTC), id="minutes ago"),
        pytest.param("2 h", datetime(2026, 11, 22, 10, 0, tzinfo=UTC), id="hours ago"),
        pytest.param("3d", datetime(2026, 11, 19, 12, 0, tzinfo=UTC), id="days ago"),
        pytest.param("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC), id="a day begins at midnight"),
        pytest.param("2026-11-20T08:00", datetime(2026, 11, 20, 8, tzinfo=UTC), id="UTC without a zone"),
        pytest.param("2026-11-20T08:00+02:00", datetime(2026, 11, 20, 6, tzinfo=UTC), id="with a zone"),
        pytest.param("2026-11-20T08:00Z", datetime(2026, 11, 20, 8, tzinfo=UTC), id="as our JSON has it"),
    ],
)
def test_a_moment_is_a_date_a_time_or_a_span(text: str, expected: datetime) -> None:
    assert moment(text, NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "2", "2 weeks", "-2h", "yesterday", "2026-13-01", "9999999d", "0001-01-01T00:00+10:00"]
)
def test_what_is_no_moment_is_told_in_one_line(text: str) -> None:
    with pytest.raises(Refused, match="is no time; "):
        moment(text, NOW)
