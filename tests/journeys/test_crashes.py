"""A process killed with SIGKILL at every commit and remote call; Redis emptied in the middle of it all."""

import ast
import signal
from pathlib import Path

import pytest
from redis import Redis

from infra.gmail.costs import REMOTE_CALLS
from tests.journeys.conftest import Scene
from tests.journeys.fault_points import FAULT_POINTS, PROVIDERS, FaultPoint
from tests.journeys.world import SENDERS, deliver
from workers.jobs import JOBS

BESIDE_THE_PIPELINE = (
    "aliases.",
    "answers.",
    "operations.",
    "channels.",
    "connections.",
    "conversations.",
    "copies.",
    "crm.",
    "doctor.",
    "live.",
    "objects.",
    "locations.",
    "readings.",
    "reports.",
    "sending.",
    "settings.",
    "sign_ins.",
    "keys.",
    "undoing.",
    "gmail.drafts.",
    "gmail.messages.attachments.get",
    "gmail.threads.get",
    "gmail.stop",
    "gmail.oauth2.revoke",
)
NO_MAIL_IN_HAND = (
    "mailboxes.admit",
    "mailboxes.need_sign_in",
    "mailboxes.stop_scheduling",
    "mailboxes.refuse",
    "sweep.forget_objects",
    "sweep.mark_objects",
    "sweep.purge",
    "units.",
    "sweep.purge_due",
    "sweep.purged",
    "watch.failed",
    "watch.hasten",
    "deliveries.omit",
)
"""The first are commands that a person repeats when they die half-way; sending and stored content have journeys of
their own. A service account that is let in again is written down where a refreshed token is, which the table tries."""


@pytest.mark.parametrize(
    "point",
    [
        pytest.param(
            point,
            id=f"{point.process}-{point.name}",
            marks=pytest.mark.rule("I1", "I2", "I9", "E83", "W1", "W2", "W5"),
        )
        for point in FAULT_POINTS
    ],
)
def test_a_process_killed_before_and_after_it_loses_and_doubles_nothing(
    scene: Scene, point: FaultPoint
) -> None:
    if scene.stage.database_url.startswith("postgresql") and not point.is_every_mails_commit:
        pytest.skip("the same with either database; the commits on the way of every mail are tried on both")
    sent: dict[str, str] = {}
    ends = []
    for side in ("before", "after"):
        doomed = scene.fleet.start(point.process, LODESTONE_DIE_AT=f"{point.name}.{side}")
        sent |= getattr(scene, point.brought_about_by)()
        doomed.join(60)
        ends.append(doomed.exitcode)
    scene.fleet.start(point.process)
    scene.stage.gmail.clear_faults()
    assert ends == [-signal.SIGKILL] * 2, "the fault point was not reached"
    scene.check(sent)


@pytest.mark.rule("I1", "I2", "W13", "E82")
def test_redis_emptied_in_the_middle_of_300_mails_loses_and_doubles_nothing(scene: Scene) -> None:
    sent: dict[str, str] = {}
    with Redis.from_url(scene.stage.redis.url) as redis:
        for number in range(75):
            sent |= deliver(scene.stage, SENDERS, number)
            if number in (20, 40, 60):
                redis.flushall()
    scene.check(sent)


def test_the_table_names_every_commit_and_remote_call_of_the_pipeline() -> None:
    """By the source: what begins a transaction or is wrapped as reached stands in the table, and what is due too."""
    root = Path(__file__).parents[2]
    found = {f"gmail.{name}" for name in REMOTE_CALLS} | {job.due.name for job in JOBS if job.due}
    providers = (f"infra/{name}/**/*.py" for name in PROVIDERS)
    places = ("handlers/**/*.py", "infra/*.py", "infra/notifiers/*.py", "infra/objects/*.py", *providers)
    for file in (file for place in places for file in root.glob(place)):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if called in ("begin", "reached"):
                    found.add(str(node.args[0].value))
    found = {name for name in found if not name.startswith((*BESIDE_THE_PIPELINE, *NO_MAIL_IN_HAND))}
    assert found == {point.name for point in FAULT_POINTS}
