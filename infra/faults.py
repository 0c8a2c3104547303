"""Named places where a process may be made to die, so that tests can prove what a crash costs (DESIGN §5)."""

import os
import signal

_at, _, _after = os.environ.get("LODESTONE_DIE_AT", "").partition("#")
_left = int(_after or 1)


def reach(name: str) -> None:
    """Die by SIGKILL here when LODESTONE_DIE_AT is `name`, or `name#3` for the third time it is reached."""
    global _left
    if name != _at:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
