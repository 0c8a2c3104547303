"""`python -m infra.local.pubsub --port 8085`: Pub/Sub as a process, until SIGTERM or Ctrl-C."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from infra.local.pubsub.journal import JournalError
from infra.local.pubsub.server import PubSubServer


def main() -> int:
    """The exit status: 0 after a signal, 1 when the port is taken or the data cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.pubsub", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8085)
    parser.add_argument("--data", type=Path, help="folder for what is to survive a restart; none: memory")
    options = parser.parse_args()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        server = PubSubServer(options.host, options.port, data=options.data).start()
    except (OSError, JournalError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"Pub/Sub is ready on {server.host}\n")
    sys.stdout.flush()
    stopping.wait()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
