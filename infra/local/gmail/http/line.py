"""A bad line between client and server: answers that are slow, held, cut, halved or trickled."""

import socket
from collections.abc import Callable
from dataclasses import dataclass

from infra.local.gmail.control.faults import HALVES, Fault


@dataclass(frozen=True, slots=True)
class Trouble:
    """How one answer is sent: held for `delay` seconds, then whole, in a `half`, or not at all.

    `cut` is the share of the body in its half. An answer that `trickles` is sent byte by byte, `delay` before each.
    """

    delay: float = 0.0
    half: str = ""
    cut: float = 0.5
    silent: bool = False
    trickles: bool = False

    def send(self, connection: socket.socket, head: Callable[[int], bytes], body: bytes) -> bool:
        """Send the answer; returns whether the connection can go on. `head` makes the head for a Content-Length."""
        if self.trickles:
            whole = head(len(body)) + body
            return all(_held(connection, self.delay) and _sent(connection, bytes([one])) for one in whole)
        if not _held(connection, self.delay) or self.silent:
            return False
        middle = min(max(1, int(len(body) * self.cut)), len(body) - 1)
        if self.half == "short":
            connection.sendall(head(len(body)) + body[:middle])
            return False
        if self.half == "long":
            connection.sendall(head(middle) + body)
        elif self.half == "json":
            connection.sendall(head(middle) + body[:middle])
        else:
            connection.sendall(head(len(body)) + body)
        return True


def trouble_of(fault: Fault, *, empty: bool) -> Trouble:
    """The trouble of an answer under this fault. An `empty` answer has no half."""
    if fault.kind == "half_answer":
        half = fault.half or fault.rng.choice(HALVES)
        return Trouble() if empty else Trouble(half=half, cut=fault.rng.random())
    return Trouble(fault.delay, silent=fault.kind in ("cut", "timeout"), trickles=fault.kind == "trickle")


def _sent(connection: socket.socket, some: bytes) -> bool:
    connection.sendall(some)
    return True


def _held(connection: socket.socket, delay: float) -> bool:
    """Wait so long; False as soon as the client has given up, or we have."""
    if delay <= 0:
        return True
    connection.settimeout(delay)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return True
    finally:
        connection.settimeout(None)
