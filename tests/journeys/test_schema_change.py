"""Another release changes the tables under processes that run: they end, and nothing is lost or blamed (W16)."""

from pathlib import Path

import pytest
from sqlalchemy import select, text

from infra.db.tables.ledger import steps
from infra.db.tables.schema import HEAD
from tests.forks import fork_command
from tests.journeys.conftest import Scene
from tests.journeys.world import closing_engine, wait_for
from workers.demo.stage import PROCESSES

NEWER = "9999"
UNHURRIED = {"LODESTONE_LEASE": "5"}
"""Seconds: what is claimed anew because its lease was over has been tried twice, however it went."""


@pytest.mark.rule("W16", "I1", "E88")
def test_every_process_ends_with_a_code_and_no_mail_s_tries_are_counted(scene: Scene) -> None:
    told, running = {}, {}
    for name in PROCESSES:
        scene.fleet.kill(name)
        told[name] = scene.stage.folder / f"{name}.told"
        told[name].mkdir()
        environment = scene.stage.environment | UNHURRIED
        running[name] = fork_command([name], environment, scene.stage.folder, told[name])
    assert wait_for(lambda: all("process.started" in _said(told[name], "out") for name in PROCESSES))
    _bring(scene, NEWER, "ALTER TABLE decisions RENAME COLUMN contact_address TO another")
    sent = scene.mail()
    for process in running.values():
        process.join(90)
    ended = {name: process.exitcode for name, process in running.items()}
    for process in running.values():
        process.kill()
    with closing_engine(scene.stage) as engine, engine.connect() as db:
        unfinished = (
            steps.c.message_id.in_(sent),
            steps.c.state == "waiting",
        )  # whom nobody knows is written down still
        tries = db.scalars(select(steps.c.attempts).where(*unfinished)).all()
    _bring(scene, HEAD, "ALTER TABLE decisions RENAME COLUMN another TO contact_address")
    assert ended == dict.fromkeys(PROCESSES, 2)
    assert set(tries) <= {0}
    for folder in told.values():
        assert '"event": "schema.changed"' in _said(folder, "out")
        assert f"at migration {NEWER}, this release needs {HEAD}: start the release" in _said(folder, "err")
    for name in PROCESSES:
        scene.fleet.start(name)
    sent |= scene.mail()
    scene.check(sent)


def _bring(scene: Scene, version: str, change: str) -> None:
    """As `lodestone migrate` of another release: all in one transaction."""
    with closing_engine(scene.stage) as engine, engine.begin() as db:
        db.execute(text(change))
        db.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})


def _said(folder: Path, stream: str) -> str:
    file = folder / stream
    return file.read_text() if file.exists() else ""
