"""The end of a process that is asked for."""

import subprocess
import sys

import pytest

AMID_A_LOOK = """
import os, signal, threading
from workers import vital

stopping = threading.Event()
vital.stop_on_signal(stopping)
with stopping._cond:  # as in the middle of wait() and is_set()
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(10_000):  # the handler runs between two of these
        pass
raise SystemExit(0 if stopping.wait(60) else 3)
"""


@pytest.mark.rule("W16")
def test_a_signal_that_comes_amid_a_look_at_the_event_ends_the_process() -> None:
    ended = subprocess.run([sys.executable, "-c", AMID_A_LOOK], timeout=120, check=False)
    assert ended.returncode == 0
