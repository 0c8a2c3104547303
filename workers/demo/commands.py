"""Several `lodestone` commands in one process: `python -m workers.demo.commands < commands.json`."""

import json
import sys

from workers.cli.app import main


def run() -> None:
    """Each command as from the command line, until one fails; its exit code is ours."""
    for words in json.load(sys.stdin):
        sys.argv = ["lodestone", *words]
        try:
            main()
        except SystemExit as end:
            if end.code:
                raise


if __name__ == "__main__":
    run()
