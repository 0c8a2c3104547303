"""Named places where a process may be made to die, so that tests can prove what a crash costs (DESIGN §5)."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_at, _, _count = os.environ.get("LODESTONE_DIE_AT", "").partition("#")
_left = int(_count or 1)


def reach(name: str) -> None:
    """Die by SIGKILL here when LODESTONE_DIE_AT is `name`, or `name#3` for the third time it is reached."""
    global _left
    if name != _at:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def reached(name: str) -> Iterator[None]:
    """A commit or a remote call: one place before it, one after it."""
    reach(f"{name}.before")
    yield
    reach(f"{name}.after")
