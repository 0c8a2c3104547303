"""Log lines, as a process writes them: one JSON object each, and nothing of a mail in them (D2, I3)."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

# A process of its own: logging is set up once, for good.
SCRIPT = """
import logging, sys, warnings
import structlog
from infra import logs

logs.set_up(sys.argv[1], process="worker")
log = structlog.get_logger()
log.debug("push.coalesced", mailbox_id=7)
with structlog.contextvars.bound_contextvars(job="labels.sort"):
    log.info("message.sorted", mailbox_id=7, message_id="18c2f0", outcome="label.open")
log.error("job.failed", error="KeyError")
library = logging.getLogger("some.library")
library.info("seen ann@example.com")
library.warning("cannot read %s", "ann@example.com")
try:
    raise ValueError("ann@example.com")
except ValueError:
    library.exception("while reading ann@example.com")
from google.api_core.client_logging import initialize_logging
initialize_logging()  # as Google's clients do when they are made
logging.getLogger("google.api_core.bidi").error("while handing out ann@example.com")
import threading
def die():
    raise ValueError("ann@example.com")
thread = threading.Thread(target=die)
thread.start()
thread.join()
die()
"""


def lines(level: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, level],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def written() -> list[dict[str, Any]]:
    return lines("INFO")


def test_every_line_says_what_happened_where_and_when(written: list[dict[str, Any]]) -> None:
    assert [line["event"] for line in written] == [
        "message.sorted",
        "job.failed",
        "library.warned",
        "library.warned",
        "library.warned",
        "thread.crashed",
        "process.crashed",
    ]
    assert {line["process"] for line in written} == {"worker"}
    assert all(line["timestamp"].endswith("Z") for line in written)
    assert [line["level"] for line in written] == [
        "info",
        "error",
        "warning",
        "warning",
        "warning",
        "error",
        "error",
    ]


def test_what_is_bound_to_the_job_stands_on_its_lines_and_on_no_others(written: list[dict[str, Any]]) -> None:
    assert [line.get("job") for line in written] == ["labels.sort", *[None] * 6]
    first = written[0]
    assert (first["mailbox_id"], first["message_id"], first["outcome"]) == (7, "18c2f0", "label.open")


@pytest.mark.rule("I3", "D2")
def test_libraries_are_heard_by_name_and_place_and_never_by_their_words(
    written: list[dict[str, Any]],
) -> None:
    warned = [line for line in written if line["event"] == "library.warned"]

    assert [(line["logger"], line["error"]) for line in warned] == [
        ("some.library", None),
        ("some.library", "ValueError"),
        ("google.api_core.bidi", None),
    ]
    assert all(line["place"] for line in warned)
    assert "ann@example.com" not in json.dumps(written)


def test_the_level_of_the_settings_counts() -> None:
    assert next(line["event"] for line in lines("DEBUG")) == "push.coalesced"
    assert [line["event"] for line in lines("ERROR")] == ["job.failed", "thread.crashed", "process.crashed"]


NOTHING_ELSE = """
import structlog
from infra import logs

logs.set_up("INFO", process="worker")
for _ in range(3):
    structlog.get_logger().info("message.sorted", mailbox_id=7)
"""

WITHOUT_A_READER_FOR_A_WHILE = """
import os
import structlog
from infra import logs
from tests.forks import fill

written = os.dup(1)
reading, writing = os.pipe()
os.dup2(writing, 1)
logs.set_up("INFO", process="worker")
log = structlog.get_logger()
for number in range(6):
    if number == 1:
        fill(1)
    if number == 4:
        os.read(reading, 1 << 20)
    log.info("message.sorted", mailbox_id=number, names=["x" * 2_000] * 10 if number == 5 else [])
os.write(written, os.read(reading, 1 << 20))
"""

INTERRUPTED = """
import os, signal
import structlog
from infra import logs
from tests.forks import fill

os.dup2(os.pipe()[1], 1)
logs.set_up("INFO", process="worker")
log = structlog.get_logger()
fill(1)
signal.signal(signal.SIGALRM, lambda *_: log.info("message.sorted", mailbox_id=2))
signal.setitimer(signal.ITIMER_REAL, 0.5)
log.info("message.sorted", mailbox_id=1)
"""

WITHOUT_ROOM_FOR_A_WHILE = """
import os, resource
import structlog
from infra import logs

logs.set_up("INFO", process="worker")
log = structlog.get_logger()
for number in range(6):
    room = os.fstat(1).st_size + 20 if number in (1, 2, 3) else resource.RLIM_INFINITY
    if number in (1, 4):
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    log.info("message.sorted", mailbox_id=number)
"""


@pytest.mark.parametrize("sink", ["closed pipe", "full disk", "none"])
@pytest.mark.parametrize(("script", "code"), [(NOTHING_ELSE, 0), (SCRIPT, 1)], ids=["its end", "crashes"])
def test_a_log_that_cannot_be_written_stops_and_says_nothing(script: str, code: int, sink: str) -> None:
    """Neither a line, nor the hooks for crashes, nor Python's own last look at its streams."""
    reading, writing = os.pipe()
    os.close(reading)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", script, "DEBUG"],
            cwd=ROOT,
            stdout=full if sink == "full disk" else writing,
            stderr=subprocess.PIPE,
            preexec_fn=(lambda: os.close(1)) if sink == "none" else None,
            timeout=120,
            check=False,
        )
    os.close(writing)
    assert (done.returncode, done.stderr) == (code, b"")


def test_a_line_may_come_while_the_same_thread_writes_another() -> None:
    """From a signal's handler, or from what is cleared away there."""
    script = [sys.executable, "-c", INTERRUPTED]
    subprocess.run(script, cwd=ROOT, capture_output=True, timeout=120, check=True)


def test_when_its_reader_goes_on_it_says_how_many_lines_were_lost() -> None:
    script = [sys.executable, "-c", WITHOUT_A_READER_FOR_A_WHILE]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, timeout=120, check=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line.get("mailbox_id") for line in found] == [4, None, 5]
    assert {"event": "log.resumed", "lines": 3}.items() <= found[1].items()


def test_when_there_is_room_again_it_says_how_many_lines_were_lost(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with file.open("ab") as out:
        script = [sys.executable, "-c", WITHOUT_ROOM_FOR_A_WHILE]
        subprocess.run(script, cwd=ROOT, stdout=out, timeout=120, check=True)
    first, torn, *rest = file.read_text().splitlines()
    found = [json.loads(line) for line in (first, *rest)]
    assert len(torn) == 20
    assert [line.get("mailbox_id") for line in found] == [0, 4, None, 5]
    assert {"event": "log.resumed", "lines": 3}.items() <= found[2].items()
