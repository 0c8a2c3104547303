"""python -m infra.local.gmail --port N [--pubsub HOST:PORT]: the local Gmail as a process of its own."""

import argparse
import logging
import signal
import sys
from pathlib import Path
from types import FrameType

from infra.local.gmail.server import GmailServer


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM, Ctrl-C or control's shutdown; prints the URL once it is ready."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.gmail", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--pubsub", default=None, metavar="HOST:PORT", help="a Pub/Sub emulator")
    parser.add_argument("--push-interval", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--spool", type=Path, default=None, help="folder for the raw mails")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(message)s")

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    try:
        with GmailServer(
            options.host,
            options.port,
            options.pubsub,
            spool_folder=options.spool,
            push_interval=options.push_interval,
            seed=options.seed,
        ) as server:
            sys.stdout.write(f"{server.url}\n")
            sys.stdout.flush()
            server.wait()
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
