"""How commands speak: tables and words for people, JSON for programs."""

import errno
import json
import os
import sys
from contextlib import ExitStack
from typing import Annotated, NoReturn, TextIO

import typer
from rich.console import Console

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of words and tables.")]

console = Console()

at_end = ExitStack()
"""What the command has opened; it is closed when the command ends, for one process may run many."""


FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What writing ends with where nothing more can be written."""


def fail(text: str, *, code: int) -> NoReturn:
    """One line on standard error, and the exit code."""
    tell(f"lodestone: {text}")
    sys.exit(code)


def hand_over() -> None:
    """The answer is with whoever asked before the command ends. A pipe that nobody reads any more (`| head`) ends it
    quietly; an answer that cannot be written is told of."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _drop(sys.stdout)
        sys.exit(1)
    except OSError as error:
        unwritten(error)


def unwritten(error: OSError) -> NoReturn:
    """There was no room for the answer, or for a file that was asked for."""
    _drop(sys.stdout)
    fail(
        f"not everything could be written ({error.strerror}): make room, and look what was done before you give the "
        "command again",
        code=1,
    )


def _drop(stream: TextIO) -> None:
    """What the stream still holds goes nowhere: at the exit Python would fail with it once more."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return


def say(text: str) -> None:
    """A line for people."""
    console.print(text, highlight=False, soft_wrap=True, markup=False)


def tell(text: str) -> None:
    """Lines for whoever types, beside the answer: on standard error, at once, where there is one."""
    try:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - the command line's own voice
    except OSError:
        _drop(sys.stderr)


def show_json(value: object) -> None:
    """One JSON value on standard output."""
    sys.stdout.write(json.dumps(value, default=str, ensure_ascii=False) + "\n")
