"""How a run is judged and shown; the run itself is `make bench`."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.budgets import ROWS, Row
from tests.bench.latency import Waits
from tests.bench.meter import Figure, Spent, cpu_seconds
from tests.bench.pipelines import NAMES
from tests.bench.report import as_json, markdown, not_met, plain, quietness, table
from tests.bench.run import Seen

PAGE = Path(__file__).resolve().parents[2] / "docs" / "PERFORMANCE.md"


BURN = """
import sys, time
while time.process_time() < 0.3: pass
"""
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN!r}], check=True)
subprocess.run([sys.executable, "-c", {BURN + "print(flush=True); sys.stdin.read()"!r}], check=True)
"""


def spent(cpu_ms: float, *, http: int = 0, tokens: int = 0, strangers: float = 0) -> Spent:
    """What a round of 1,000 mails took that cost so much CPU a mail."""
    return Spent(1_000, 1.0, {"worker": cpu_ms}, {"redis": 0.5}, strangers, 21_000, http, tokens, {})


def line(seen: dict[str, Seen], what: str) -> list[str]:
    """The cells of a row."""
    return next(cells for cells in table(seen) if cells[0] == what)


@pytest.mark.parametrize(
    ("row", "value", "met"),
    [
        pytest.param(Row("waits", "ms", most=40), 40.0, True, id="what is allowed at most is met"),
        pytest.param(Row("waits", "ms", most=40), 40.1, False, id="more is not"),
        pytest.param(Row("throughput", "/s", least=950), 950.0, True, id="what is wanted at least is met"),
        pytest.param(Row("throughput", "/s", least=950), 949.0, False, id="less is not"),
        pytest.param(Row("CPU", "ms"), 7.0, None, id="a row without a bound is not judged"),
    ],
)
def test_a_row_is_judged_by_its_bound(row: Row, value: float, met: bool | None) -> None:
    assert row.is_met(Figure((value,))) is met


def test_ours_is_held_against_the_textbook_of_the_same_round() -> None:
    """A machine that was slow for a whole round changes no ratio."""
    ours = Seen(arrivals=[spent(5), spent(50), spent(6)])
    textbook = Seen(arrivals=[spent(10), spent(100), spent(10)])
    seen = {"textbook": textbook, "sqlite": ours}
    cells = line(seen, "CPU a mail, one by one, against the textbook")
    assert cells[1:3] == ["≤ 1 ×", "0.5 (rounds 0.5 to 0.6), met"]


def test_rounds_that_agree_are_shown_as_one_figure() -> None:
    seen = {"sqlite": Seen(arrivals=[spent(10), spent(10.4), spent(10.9)])}
    assert line(seen, "CPU a mail, one by one, ms")[2] == "10.4"


def test_requests_for_tokens_count_and_are_named_apart() -> None:
    seen = {"sqlite": Seen(arrivals=[spent(1, http=3_000, tokens=500)])}
    assert line(seen, "HTTP requests a mail, one by one, those for tokens too")[2] == "3.5, met"
    assert line(seen, "requests for tokens a mail, one by one")[2] == "0.5"


def test_a_p99_is_taken_over_the_mails_of_all_rounds() -> None:
    """Each round has one slow mail, which is the slowest per cent of none of them alone."""
    waits = [Waits((*(10.0,) * 59, 30.0 * (number + 1)), (20.0,) * 60) for number in range(3)]
    seen = {"sqlite": Seen(waits=waits)}
    assert line(seen, "push → label, one at a time, p99")[2] == "60.0, met"
    assert line(seen, "push → label, one at a time, p50")[2] == "10.0, met"


def test_what_is_missed_is_named_with_its_database_and_the_textbook_misses_nothing() -> None:
    slow = {"textbook": Seen(idle={"worker": 9.0}), "postgresql": Seen(idle={"worker": 1.5, "sweep": 0.6})}
    assert not_met(slow) == ["all processes idle, 20 mailboxes (PostgreSQL)"]
    found = as_json(slow, quick=False)["rows"]
    [idle] = [row["figures"] for row in found if row["what"] == "all processes idle, 20 mailboxes"]
    assert [idle["postgresql"]["met"], idle["textbook"]["met"]] == [False, None]
    assert "2.1, not met" in plain(table(slow))


def test_the_page_has_the_table_of_today() -> None:
    """Row by row: what is measured, and its budget. The figures are those of the last run."""
    shown = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    wanted = markdown(table({name: Seen() for name in NAMES})).splitlines()
    assert [_first_two(line) for line in shown] == [_first_two(line) for line in wanted]


def test_the_cpu_of_children_counts_of_the_dead_too() -> None:
    """Each burns 0.3 s; the parent itself does next to nothing, and the system counts in hundredths."""
    words = [sys.executable, "-c", PARENT]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        assert cpu_seconds(parent.pid) > 0.5
        parent.communicate()


def test_a_run_says_when_others_had_the_machine() -> None:
    seen = {"textbook": Seen(arrivals=[spent(1)]), "sqlite": Seen(bursts=[spent(1, strangers=0.3)])}
    assert (
        quietness(seen)
        == "Other programs had at most 30% of the machine: too much, these figures prove nothing."
    )
    assert quietness({"sqlite": Seen(arrivals=[spent(1)])}) == "Other programs had at most 0% of the machine."


def test_every_row_is_measured_here_or_says_where() -> None:
    assert [row.what for row in ROWS if (row.look is None) is not bool(row.elsewhere)] == []


def _first_two(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")[1:3]]
