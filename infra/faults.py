"""Named places where a process may be made to die, so that tests can prove what a crash costs."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


def reach(name: str) -> None:
    """Die by SIGKILL here when LODESTONE_DIE_AT is `name`."""
    if os.environ.get("LODESTONE_DIE_AT") == name:
        os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def reached(name: str) -> Iterator[None]:
    """A commit or a remote call: one place before it, one after it."""
    reach(f"{name}.before")
    yield
    reach(f"{name}.after")
