"""The server: a gRPC endpoint on loopback with one broker behind it."""

import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc

from infra.local.pubsub.broker import Broker
from infra.local.pubsub.journal import Journal
from infra.local.pubsub.service import PubSubService

MAX_CALLS = 256  # every open stream and waiting pull holds a thread
STOP_SECONDS = 2.0
BURY_EVERY = 0.05
_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a second server on the port must fail, not share the calls
    ("grpc.max_receive_message_length", 20_000_000),  # Google takes publish requests of 10 MB
)


class PubSubServer:
    """Pub/Sub for the official client: set PUBSUB_EMULATOR_HOST to `.host`, or give it a plain channel.

    Port 0 takes a free port, which stays the same over stop() and start(). Topics, subscriptions and messages live as
    long as the object: stop() and start() keep them, as an outage of Pub/Sub does. With a folder `data` they outlive
    the process; unacknowledged messages are then delivered again.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, data: Path | None = None) -> None:
        self._address = host
        self._port = port
        self._data = data
        self._journal: Journal | None = None
        self._server: grpc.Server | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._broker = Broker()
        self._undertaker = threading.Thread()
        self._stopping = threading.Event()

    @property
    def host(self) -> str:
        """`address:port`, the form of PUBSUB_EMULATOR_HOST. The port is known after start()."""
        return f"{self._address}:{self._port}"

    def start(self) -> Self:
        """Start; returns when calls are answered. Raises OSError when the port is taken, JournalError for bad data."""
        _check_free(self._address, self._port)
        if self._data:
            self._journal = Journal(self._data)
            try:
                self._broker = Broker(self._journal)
            except BaseException:
                self._journal.close()
                raise
        pool = ThreadPoolExecutor(MAX_CALLS, thread_name_prefix="pubsub")
        server = grpc.server(pool, options=_OPTIONS, maximum_concurrent_rpcs=MAX_CALLS)
        server.add_generic_rpc_handlers((PubSubService(self._broker),))
        self._port = server.add_insecure_port(self.host)
        self._broker.open()
        server.start()
        self._stopping.clear()
        self._undertaker = threading.Thread(target=self._bury, name="pubsub-undertaker", daemon=True)
        self._undertaker.start()
        self._server, self._pool = server, pool
        return self

    def stop(self) -> None:
        """Stop. Streams end with UNAVAILABLE, so that clients reconnect. A second call does nothing."""
        if self._server is None or self._pool is None:
            return
        self._broker.close()
        self._server.stop(STOP_SECONDS).wait()
        self._pool.shutdown()
        self._stopping.set()
        self._undertaker.join()
        if self._journal:
            self._journal.close()
        self._server = self._pool = self._journal = None

    def _bury(self) -> None:
        """Dead letters leave also when nobody pulls."""
        while not self._stopping.wait(BURY_EVERY):
            self._broker.bury()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _check_free(address: str, port: int) -> None:
    """grpc would write lines of its own about a port that is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise OSError(f"Pub/Sub cannot listen on {address}:{port}: {error.strerror}.") from error


@contextmanager
def pubsub_or_start() -> Iterator[str]:
    """The `host:port` in PUBSUB_EMULATOR_HOST if it is set, else that of a new server."""
    if given := os.environ.get("PUBSUB_EMULATOR_HOST"):
        yield given
        return
    with PubSubServer() as server:
        yield server.host
