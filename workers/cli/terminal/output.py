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
"""Closes what the command has opened when it ends, because one process may run several commands."""


FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Error numbers of writing where there is no room."""


def fail(text: str, *, code: int) -> NoReturn:
    """End with one line on standard error and this exit code."""
    tell(f"lodestone: {text}")
    sys.exit(code)


def hand_over() -> None:
    """Write the answer out before the command ends.

    A closed pipe (`| head`) ends the command quietly; an answer that cannot be written is reported.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _drop(sys.stdout)
        sys.exit(1)
    except OSError as error:
        unwritten(error)


def unwritten(error: OSError) -> NoReturn:
    """End the command because there was no room for its answer or for a file."""
    _drop(sys.stdout)
    fail(
        f"not everything could be written ({error.strerror}): make room, and look what was done before you give the "
        "command again",
        code=1,
    )


def _drop(stream: TextIO) -> None:
    """Discard what the stream still holds: Python would fail with it again at exit."""
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
    """Print lines beside the answer on standard error, at once; nothing where there is none."""
    try:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - the command line's own voice
    except OSError:
        _drop(sys.stderr)


def show_json(value: object) -> None:
    """One JSON value on standard output."""
    sys.stdout.write(json.dumps(value, default=str, ensure_ascii=False) + "\n")
