"""`lodestone run`: all processes in one, on SQLite, with its one writer."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.forks import fork_process
from tests.journeys.conftest import Scene, playing
from tests.journeys.fleet import ForkedStage
from tests.journeys.world import IMPATIENT, wait_for
from workers.process import STOP_WITHIN

RUN = "run"

WITHIN = STOP_WITHIN + 15
"""Seconds in which it ends, and what a machine that has other work takes for it."""


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A world with a connected mailbox and one process."""
    yield from playing(ForkedStage(tmp_path_factory.mktemp("lone"), **IMPATIENT), RUN)


@pytest.mark.rule("I1", "I2", "I5", "W16")
def test_a_mail_comes_to_its_label_and_its_webhook_and_sigterm_ends_it(lone: Scene) -> None:
    said = lone.log(RUN)
    running = lone.fleet.start(RUN)
    sent = lone.burst()
    lone.check(sent)
    assert lone.log(RUN).count("process.started") == said.count("process.started") + 1, "all is one process"
    sent |= lone.many_mails()
    running.terminate()
    running.join(WITHIN)
    assert running.exitcode == 0
    assert lone.log(RUN).count("process.stopped") == said.count("process.stopped") + 1
    lone.fleet.start(RUN)
    lone.check(sent)


@pytest.mark.rule("I1", "I2", "I9", "E83")
@pytest.mark.parametrize(
    "point",
    [
        "pushes.look",
        "mailboxes.advance",
        "contacts.record",
        "labels.intend",
        "deliveries.record",
        "sweep.redrive",
    ],
)
def test_killed_in_the_middle_and_started_again_it_loses_and_doubles_nothing(lone: Scene, point: str) -> None:
    doomed = lone.fleet.start(RUN, LODESTONE_DIE_AT=f"{point}.after")
    sent = lone.mail()
    doomed.join(60)
    assert doomed.exitcode == -signal.SIGKILL, "the fault point was not reached"
    sent |= lone.mail()
    lone.fleet.start(RUN)
    lone.check(sent)


@pytest.mark.rule("W16")
@pytest.mark.parametrize(
    ("doomed", "part"),
    [
        ("scheduler", "scheduler"),
        ("Thread-ConsumeBidirectionalStream", "pubsub"),
        ("ConsumerThread", "worker"),
    ],
)
def test_without_one_of_its_parts_it_ends_with_a_code_and_the_next_one_goes_on(
    lone: Scene, doomed: str, part: str
) -> None:
    starts = lone.log(RUN).count("process.started")
    running = lone.fleet.start(RUN, doomed=doomed)
    assert wait_for(lambda: lone.log(RUN).count("process.started") > starts)
    sent = lone.mail()
    lone.check(sent)
    os.kill(running.pid or 0, signal.SIGUSR1)
    running.join(60)
    assert running.exitcode == 1
    assert f'"part": "{part}"' in lone.log(RUN)
    sent |= lone.mail()
    lone.fleet.start(RUN)
    lone.check(sent)


@pytest.mark.rule("E82")
@pytest.mark.parametrize(
    ("left_out", "missing"),
    [
        pytest.param("LODESTONE_PUBSUB_PROJECT", "LODESTONE_PUBSUB_PROJECT", id="no project"),
        pytest.param("PUBSUB_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS", id="no credentials"),
    ],
)
def test_where_nobody_has_set_pubsub_up_it_says_so_and_the_sweep_finds_the_mail(
    lone: Scene, left_out: str, missing: str
) -> None:
    lone.fleet.kill(RUN)
    environment = lone.stage.environment | {"NO_GCE_CHECK": "true"}
    del environment[left_out]
    running = fork_process(RUN, environment, lone.stage.logs / f"{RUN}.log")
    try:
        sent = lone.mail()
        lone.check(sent)
    finally:
        running.terminate()
        running.join(WITHIN)
    assert running.exitcode == 0
    assert f'"missing": "{missing}"' in lone.log(RUN)
    lone.fleet.start(RUN)
