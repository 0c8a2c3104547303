"""A port on which nobody listens: held, so that no server of another test is given it meanwhile."""

import socket
from functools import cache

from infra.local.ports import LOOPBACK


@cache
def _held() -> socket.socket:
    """To the end of this test process. Who connects is refused: it is bound, and nobody listens."""
    held = socket.socket()
    held.bind((LOOPBACK, 0))
    return held


def dead_port() -> int:
    port: int = _held().getsockname()[1]
    return port
