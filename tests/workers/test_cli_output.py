"""What becomes of a command's answer when nobody reads on, or there is no room for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.worlds import KEY

ROOT = Path(__file__).parents[2]
COMMANDS = (("settings", "show", "--json"), ("crm", "--help"))
NO_ROOM = b"lodestone: not everything could be written (No space left on device): make room"


@pytest.mark.parametrize("sink", ["closed pipe", "full disk"])
def test_a_command_whose_answer_goes_nowhere_ends_quietly_or_says_why(sqlite_url: str, sink: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    environment = os.environ | {"LODESTONE_DATABASE_URL": sqlite_url, "LODESTONE_TOKEN_KEYS": KEY}
    with Path("/dev/full").open("wb") as full:
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "workers", *words],
                cwd=ROOT,
                env=environment,
                stdout=writing if sink == "closed pipe" else full,
                stderr=subprocess.PIPE,
            )
            for words in COMMANDS
        ]
        said = [process.communicate(timeout=120)[1] for process in running]
    os.close(writing)
    assert [process.returncode for process in running] == [1] * len(COMMANDS)
    if sink == "closed pipe":
        assert said == [b""] * len(COMMANDS)
    else:
        assert all(text.startswith(NO_ROOM) and text.count(b"\n") == 1 for text in said)


def test_errors_that_nobody_hears_keep_their_code(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        words = [sys.executable, "-m", "workers", "demo", "--mbox", str(tmp_path / "none.mbox")]
        done = subprocess.run(words, cwd=ROOT, stdout=full, stderr=full, timeout=120, check=False)
    assert done.returncode == 2
