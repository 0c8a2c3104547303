"""A process killed with SIGKILL at every commit and remote call; Redis emptied in the middle of it all."""

import ast
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import update

from infra.db.schema import mailboxes
from infra.db.types import db_now
from infra.gmail import REMOTE_CALLS
from infra.local.postgres import fresh_database, postgres_or_start
from tests.journeys.fault_points import FAULT_POINTS, FaultPoint
from tests.journeys.fleet import Fleet
from tests.journeys.world import IMPATIENT, UWE, Ending, closing_engine, crm, deliver, wait_for
from workers.demo.stage import PROCESSES, Stage

BESIDE_THE_PIPELINE = frozenset(
    {
        "connections.look",
        "connections.record",
        "connections.switch_off",
        "connections.delete",
        "crm.import",
        "gmail.stop",
        "gmail.oauth2.revoke",
        "mailboxes.need_sign_in",
        "sweep.purge",
        "watch.failed",
    }
)
"""Commands that a person repeats when they die half-way, and what has no mail in its hands."""

SENDERS = ("ann", "cid", "lea", "nora")


@dataclass(frozen=True, slots=True)
class Scene:
    """A world, Lodestone's processes in it, and what can happen there; each method returns its mails."""

    stage: Stage
    fleet: Fleet

    def mail(self) -> dict[str, str]:
        return deliver(self.stage, SENDERS)

    def many_mails(self) -> dict[str, str]:
        return deliver(self.stage, ("ann",) * 12)

    def expired_history(self) -> dict[str, str]:
        sent = self.mail()
        self.stage.gmail.expire_history(UWE)
        return sent

    def expired_token(self) -> dict[str, str]:
        self.stage.gmail.expire_access_tokens(UWE)
        return self.mail()

    def limit(self) -> dict[str, str]:
        self.stage.gmail.fault("429", ["history.list"], times=1)
        return self.mail()

    def limited_get(self) -> dict[str, str]:
        self.stage.gmail.fault("403.userRateLimitExceeded", ["messages.get"], times=1)
        return self.mail()

    def deleted_label(self) -> dict[str, str]:
        for label_id, name in self.stage.gmail.dump(UWE).labels.items():
            if name == "Open Deals":
                self.stage.gmail.delete_label(UWE, label_id)
        return self.mail()

    def watch_due(self) -> dict[str, str]:
        with closing_engine(self.stage) as engine, engine.begin() as db:
            db.execute(update(mailboxes).values(watch_due_at=db_now()))
        return self.mail()

    def check(self, sent: dict[str, str]) -> None:
        """Every mail came to its one end, in the ledger and in Gmail."""
        assert wait_for(lambda: not Ending(self.stage).missing(sent)), Ending(self.stage).missing(sent)
        Ending(self.stage).check(sent)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A world with a connected mailbox and healthy processes."""
    folder = tmp_path_factory.mktemp("stage")
    if request.param == "sqlite":
        yield from _scene(Stage(folder, **IMPATIENT))
        return
    with postgres_or_start(folder / "postgres") as server, fresh_database(server) as url:
        yield from _scene(Stage(folder, database_url=url, **IMPATIENT))


def _scene(stage: Stage) -> Iterator[Scene]:
    fleet = Fleet(stage)
    with stage:
        with closing_engine(stage) as engine:
            crm(engine)
        stage.connect("uwe", UWE, "--magnet", "--sorting")
        for name in PROCESSES:
            fleet.start(name)
        try:
            yield Scene(stage, fleet)
        finally:
            fleet.close()


@pytest.mark.parametrize(
    ("point", "side"),
    [
        pytest.param(
            point,
            side,
            id=f"{point.process}-{point.name}.{side}",
            marks=pytest.mark.rule("I1", "I2", "I9", "E83", "W1", "W2", "W5"),
        )
        for point in FAULT_POINTS
        for side in ("before", "after")
    ],
)
def test_a_process_killed_here_loses_and_doubles_nothing(scene: Scene, point: FaultPoint, side: str) -> None:
    if scene.stage.database_url.startswith("postgresql") and not point.is_commit:
        pytest.skip("a remote call is the same with either database; the commits are tried on both")
    doomed = scene.fleet.start(point.process, LODESTONE_DIE_AT=f"{point.name}.{side}")
    try:
        sent = getattr(scene, point.brought_about_by)()
        doomed.join(20)
        assert doomed.exitcode == -signal.SIGKILL, "the fault point was not reached"
    finally:
        scene.fleet.start(point.process)
        scene.stage.gmail.clear_faults()
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
    """By the source: what begins a transaction or is wrapped as reached stands in the table."""
    root = Path(__file__).parents[2]
    found = {f"gmail.{name}" for name in REMOTE_CALLS}
    for file in [*root.glob("handlers/*.py"), *root.glob("infra/*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if called in ("begin", "reached"):
                    found.add(str(node.args[0].value))
    assert found - BESIDE_THE_PIPELINE == {point.name for point in FAULT_POINTS}
