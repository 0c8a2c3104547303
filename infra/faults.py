"""Fault points: named places where tests end a process, to prove what a crash costs."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


def reach(name: str) -> None:
    """End the process by SIGKILL when LODESTONE_DIE_AT is `name`."""
    if os.environ.get("LODESTONE_DIE_AT") == name:
        os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def reached(name: str) -> Iterator[None]:
    """Surround a commit or a remote call with two fault points: one before it, one after it."""
    reach(f"{name}.before")
    yield
    reach(f"{name}.after")
