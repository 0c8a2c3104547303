"""Log lines, as a process writes them: one JSON object each, and nothing of a mail in them (D2, I3)."""

import json
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
        timeout=30,
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
