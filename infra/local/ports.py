"""Servers as child processes on loopback ports: find a free port, start, wait until the port is open, end."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.02
START_SECONDS = 60.0
START_ATTEMPTS = 5
LAST_WORDS = 300

# Ends the server, and removes the folder, when the pipe to the process that started it breaks: a test run
# that is killed leaves nothing behind.
_GUARD = """read _
kill -INT "$0" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$0" 2>/dev/null || break; sleep 0.2; done
kill -KILL "$0" 2>/dev/null
[ -z "$1" ] || rm -rf "$1"
"""


class LocalServerError(RuntimeError):
    """A local server cannot be started. The message is one line that says why or what to do."""


def free_port() -> int:
    """A loopback port that was free a moment ago. The caller must expect to find it taken."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


class HeldPort:
    """A loopback port that the system gives to no other process until it is closed, also while no server listens.

    On Linux a server that sets SO_REUSEADDR may listen on it. Elsewhere no server could, so the port is not held: it
    was free a moment ago.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((LOOPBACK, 0))
        self.number: int = self._socket.getsockname()[1]
        if sys.platform != "linux":
            self.close()

    def close(self) -> None:
        """Give the port back. A second call does nothing."""
        self._socket.close()


def is_open(port: int) -> bool:
    """Whether something accepts connections on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def wait_until(ready: Callable[[], bool], *, seconds: float = START_SECONDS) -> bool:
    """Calls `ready` every 20 ms; False when it is not true within `seconds`."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_SECONDS)
    return True


@dataclass(frozen=True)
class RunAs:
    """The account of a server that refuses to run as root."""

    user: int
    group: int


class ServerProcess:
    """A server as a child process. It has its own process group, so that Ctrl-C reaches only the parent.

    `log` takes its output; `environment` replaces the parent's. The folder `throw_away` is removed at the end, even
    when the parent is killed.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        run_as: RunAs | None = None,
        throw_away: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=log.parent,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                user=run_as.user if run_as else None,
                group=run_as.group if run_as else None,
                extra_groups=[] if run_as else None,
                process_group=0,
            )
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, str(self._process.pid), str(throw_away or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # a reader of our output must not wait for the guard
            stderr=subprocess.DEVNULL,
            process_group=0,
        )

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether the server has not ended yet."""
        return self._process.poll() is None

    def stop(self, how: signal.Signals = signal.SIGTERM, *, seconds: float = 10.0) -> None:
        """End the server by `how`, after `seconds` by SIGKILL; returns when it has ended. A second call is allowed."""
        if self.is_running():
            os.kill(self.pid, how)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._guard.kill()
        self._guard.communicate()


def start_on_port(
    port: int, start: Callable[[int], ServerProcess], answers: Callable[[int, int], bool], *, log: Path
) -> tuple[int, ServerProcess]:
    """The port and the running server. Port 0 takes a free port, and another one when that is taken meanwhile.

    `start` gets the port. `answers` gets the port and the server's process id, because a foreign server may answer on
    the port. Raises LocalServerError with the server's last output when it does not come up.
    """
    for _ in range(1 if port else START_ATTEMPTS):
        chosen = port or free_port()
        process = start(chosen)
        if _comes_up(process, chosen, answers):
            return chosen, process
        process.stop(signal.SIGKILL)
    words = " ".join(log.read_text(errors="replace").split())[-LAST_WORDS:]
    raise LocalServerError(f"The server did not start on port {chosen}; its last words: {words}")


def _comes_up(process: ServerProcess, port: int, answers: Callable[[int, int], bool]) -> bool:
    wait_until(lambda: not process.is_running() or answers(port, process.pid))
    return process.is_running() and answers(port, process.pid)
