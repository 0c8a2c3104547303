"""Many `lodestone` commands in one process: `python -m workers.demo.commands`, a JSON array of words on each line of
standard input, a JSON array of exit code, output and errors on each line of standard output."""

import json
import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from workers.cli.app import main


def run() -> None:
    """Each command as from the command line. They share two streams, because a logger keeps the one it began with."""
    answers, out, err = sys.stdout, StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        for line in sys.stdin:
            code = _code(json.loads(line))
            answers.write(json.dumps([code, _taken(out), _taken(err)]) + "\n")
            answers.flush()


def _taken(stream: StringIO) -> str:
    text = stream.getvalue()
    stream.seek(0)
    stream.truncate()
    return text


def _code(words: Sequence[str]) -> int:
    sys.argv = ["lodestone", *words]
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    run()
