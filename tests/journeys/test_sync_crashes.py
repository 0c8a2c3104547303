"""Two-way sync: a process killed with SIGKILL at every commit and remote call on the way of a mail that is kept."""

import ast
import signal
from pathlib import Path

import pytest

from infra.gmail.costs import REMOTE_CALLS
from tests.journeys.fault_points import FaultPoint
from tests.journeys.sync_fault_points import SYNC_FAULT_POINTS
from tests.journeys.talk import Talk

OURS = ("conversations.", "copies.", "objects.", "gmail.threads.get", "gmail.messages.attachments.get")
"""What begins so is two-way sync's, and stands in the table."""

BESIDE = {"objects.delete"}
"""What no mail on its way comes by."""


def is_remote(point: FaultPoint) -> bool:
    return point.name.startswith(("gmail.", "objects."))


@pytest.mark.parametrize(
    "point",
    [
        pytest.param(
            point,
            id=f"{point.brought_about_by}-{point.name}",
            marks=pytest.mark.rule("I1", "I2", "E52", "E81", "E83", "E103"),
        )
        for point in SYNC_FAULT_POINTS
    ],
)
def test_whoever_is_killed_before_and_after_it_leaves_each_mail_kept_once(
    talk: Talk, point: FaultPoint
) -> None:
    if talk.stage.database_url.startswith("postgresql") and is_remote(point):
        pytest.skip("the same with either database; the commits are tried on both")
    expected: list[set[str]] = []
    ends = []
    for side in ("before", "after"):
        doomed = talk.fleet.start(point.process, LODESTONE_DIE_AT=f"{point.name}.{side}")
        expected += getattr(talk, point.brought_about_by)()
        doomed.join(60)
        ends.append(doomed.exitcode)
    talk.fleet.start(point.process)
    assert ends == [-signal.SIGKILL] * 2, "the fault point was not reached"
    talk.settle()
    talk.check(*expected)


def test_the_table_names_every_commit_and_remote_call_of_two_way_sync() -> None:
    """By the source: what begins a transaction in the handlers, or is wrapped as reached."""
    root = Path(__file__).parents[2]
    found = {f"gmail.{name}" for name in REMOTE_CALLS}
    for file in (*root.glob("handlers/**/*.py"), *root.glob("infra/**/*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if called in ("begin", "reached"):
                    found.add(str(node.args[0].value))
    found = {name for name in found if name.startswith(OURS)} - BESIDE
    named = {point.name for point in SYNC_FAULT_POINTS if point.name.startswith(OURS)}
    assert found == named
