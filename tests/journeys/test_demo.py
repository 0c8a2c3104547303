"""The demo as an outsider starts it: as a command, by itself and on a file of somebody's mail."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import ItemsView
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from tests import json_page
from tests.bench.archive import ME, archive, people
from tests.journeys.mbox_cases import CASES, CONTACTS, DEALS, REFUSED_CONTACT, USERS
from workers.cli.app import build

FROM_LINE = b"From 1234567890@xxx Sun Mar 15 12:00:00 +0000 2026\n"
DEMO = (sys.executable, "-m", "workers", "demo")


def run(*words: str, seconds: float = 600) -> "subprocess.CompletedProcess[str]":
    """`lodestone demo …`, not at a terminal."""
    return subprocess.run(
        [*DEMO, *words], capture_output=True, text=True, timeout=seconds, check=False, env=os.environ
    )


@pytest.mark.rule("D3", "D4", "D5", "D9", "D10", "D11", "D16", "E80", "E82", "E100", "E105")
@pytest.mark.rule("D2-4", "D12", "D13-1", "D13-2", "E86", "Z1", "Z6", "Z8", "Z9")
@pytest.mark.rule("Z16", "Z17", "Z19", "Z42", "Z43", "Z44")
@pytest.mark.rule("X9", "X10", "X11", "X12", "X15", "X16", "X18")
def test_the_demo_shows_every_table_and_finds_no_canary(tmp_path: Path) -> None:
    done = run("--json", "--keep", str(tmp_path / "kept"))
    assert done.returncode == 0, done.stderr[-3000:]
    summary: dict[str, Any] = json.loads(done.stdout)
    json_page.check(("demo",), summary)
    assert summary["mails_as_expected"] == summary["mail_count"] >= 200
    assert summary["failures"] == []
    assert (summary["claim_count"], summary["broken_claims"]) == (CLAIMS, [])
    assert summary["privacy"]["found"] == []
    assert summary["privacy"]["self_test_passed"] is True
    webhook = summary["webhook"]
    assert webhook["distinct_ids"] > summary["notification_count"] > 100, "conversations are told of, too"
    assert (webhook["notifications_lost"], webhook["notifications_never_committed"]) == (0, 0)
    assert (webhook["signatures_failed"], webhook["canaries"]) == (0, [])
    assert {"one_at_a_time", "in_bursts"} == summary["latency"].keys()
    assert done.stderr.count("✓") == summary["mail_count"] + CHANGED_BY_SCENES + CLAIMS
    assert (
        _left_after_switching_off(done.stderr) >= {"connections": 0, "notifications": 0, "outbox": 0}.items()
    )


CHANGED_BY_SCENES = 6
"""Mails that are shown twice, because something happens to them after they were handled."""

CLAIMS = 23
"""What is shown of signing in, of seeing mail, of sending it, of the end and of two-way sync, each in a line."""


def _left_after_switching_off(said: str) -> ItemsView[str, int]:
    """The rows of a connection that has ended, by table."""
    return {name: int(left) for name, left in re.findall(r"^ +(\w+) +[1-9]\d* → (\d+)$", said, re.M)}.items()


@pytest.mark.rule("D3", "D4", "D5", "D9", "D10", "D11", "D16", "E100", "E102", "E105")
def test_a_file_of_mail_becomes_a_report_in_its_order(tmp_path: Path) -> None:
    words = ["--mbox", _write(tmp_path, "mail.mbox", b"".join(_entry(raw) for raw, _ in CASES))]
    words += ["--contacts", _write(tmp_path, "contacts.csv", (CONTACTS + REFUSED_CONTACT).encode())]
    words += ["--deals", _write(tmp_path, "deals.csv", DEALS.encode())]
    words += ["--users", _write(tmp_path, "users.csv", USERS.encode())]
    words += ["--report", str(tmp_path / "report.jsonl"), "--json"]
    words += [
        "--now",
        "2026-02-28T18:30:00-05:00",
        "--time-zone",
        "Europe/Berlin",
    ]  # where it is March already
    done = run(*words)
    assert done.returncode == 1, "a contact was refused"
    summary = json.loads(done.stdout)
    json_page.check(("demo",), summary)
    assert summary["unfinished_mails"] == []
    assert (summary["refused_rows"], summary["from_lines_inside"]["times"]) == (True, 1)
    assert summary["from_lines_not_taken"] == {"times": 0, "first_lines": []}
    assert summary["own_labels"]["Berlin, Mitte"] == 1
    for said in ("1 refused", "Berlin, Mitte (1)", "1 `From ` lines looked like a mail"):
        assert said in done.stderr
    lines = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    for line, (n, (_, expected)) in zip(lines, enumerate(CASES, 1), strict=True):
        assert line.pop("message_id")
        assert line.pop("thread_id")
        assert line == {"n": n, **expected}


@pytest.mark.rule("D6-1", "D7-8", "E103", "E44")
def test_with_two_way_sync_the_report_tells_each_mails_conversation(tmp_path: Path) -> None:
    """Mails of known threads: lines of one thread have one conversation, and its owner wrote first."""
    mails = archive(100, seed=4)
    labels = {True: b"X-Gmail-Labels: Sent\n", False: b""}
    content = b"".join(_entry(labels[one.is_sent] + one.raw.replace(b"\r\n", b"\n")) for one in mails)
    known = "".join(f"{one.id},contact,Somebody,{one.address},,2024-01-01\n" for one in people(20))
    words = ["--mode", "sync", "--mailbox", ME, "--mbox", _write(tmp_path, "mail.mbox", content)]
    words += [
        "--contacts",
        _write(tmp_path, "contacts.csv", (CONTACTS.splitlines()[0] + "\n" + known).encode()),
    ]
    words += ["--deals", _write(tmp_path, "deals.csv", DEALS.splitlines()[0].encode())]
    words += ["--report", str(tmp_path / "report.jsonl"), "--json"]
    done = run(*words)
    assert done.returncode == 0, done.stderr[-3000:]
    json_page.check(("demo",), json.loads(done.stdout))
    lines = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    found, true = defaultdict[str, set[int]](set), defaultdict[int | None, set[int]](set)
    for one, line in zip(mails, lines, strict=True):
        found[line["conversation_id"]].add(line["n"])
        true[one.thread].add(line["n"])
        assert (line["owner"] is None) == (one.thread is None)
    assert sorted(found.values(), key=min) == sorted(true.values(), key=min)
    assert {line["owner"] for line in lines if line["n"] in true[0]} == {lines[0]["contact_id"]}


def test_ctrl_c_leaves_no_process_behind(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        demo = subprocess.Popen([*DEMO], stdout=out, stderr=out)
        try:
            children = _wait_for_children(demo.pid)
            demo.send_signal(signal.SIGINT)
            assert demo.wait(60) == 130
        finally:
            demo.kill()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive


@pytest.mark.parametrize(
    ("content", "words", "said"),
    [
        pytest.param(b"", (), "has no mail in it", id="an empty file"),
        pytest.param(bytes(range(256)) * 50, (), "has no mail in it", id="garbage"),
        pytest.param(FROM_LINE + b"From: ann@example.com\n\nx\n", (), "--mailbox", id="nobody is named"),
        pytest.param(FROM_LINE + b"To: x@example.com\n\nx\n", ("--mailbox", "nobody"), "no address", id="no address"),
        pytest.param(FROM_LINE + b"To: x@example.com\n\nx\n", ("--now", "soon"), "ISO 8601", id="no time"),
        pytest.param(FROM_LINE + b"To: x@example.com\n\nx\n", ("--now", "2026-03-15T12:00"), "zone", id="no zone"),
        pytest.param(FROM_LINE + b"To: x@example.com\n\nx\n", ("--time-zone", "Mars/Base"), "Europe/Berlin is one",
                     id="no such zone"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told_in_one_line(
    tmp_path: Path, content: bytes, words: tuple[str, ...], said: str
) -> None:
    mbox = _write(tmp_path, "mail.mbox", content)
    records = (
        _write(tmp_path, "contacts.csv", CONTACTS.encode()),
        _write(tmp_path, "deals.csv", DEALS.encode()),
    )
    files = ("--mbox", mbox, "--contacts", records[0], "--deals", records[1], "--report", str(tmp_path / "r"))
    done = CliRunner().invoke(build("demo"), ["demo", *files, *words])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def _entry(raw: bytes) -> bytes:
    return FROM_LINE + raw + (b"\n" if raw.endswith(b"\n") else b"\n\n")


def _write(folder: Path, name: str, content: bytes) -> str:
    file = folder / name
    file.write_bytes(content)
    return str(file)


def _wait_for_children(pid: int) -> list[psutil.Process]:
    """Those of a demo in the middle of its set-up."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        children = psutil.Process(pid).children(recursive=True)
        if len(children) >= 6:
            return children
        time.sleep(0.1)
    raise AssertionError("the demo did not start its servers")
