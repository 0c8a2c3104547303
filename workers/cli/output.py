"""How commands speak: tables and words for people, JSON for programs."""

import json
import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of words and tables.")]

console = Console()


def fail(text: str, *, code: int) -> NoReturn:
    """One line on standard error, and the exit code."""
    print(f"lodestone: {text}", file=sys.stderr)  # noqa: T201 - the command line's own voice
    sys.exit(code)


def say(text: str) -> None:
    """A line for people."""
    console.print(text, highlight=False, soft_wrap=True, markup=False)


def tell(text: str) -> None:
    """Lines for whoever types, beside the answer: on standard error, at once."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the command line's own voice


def show_json(value: object) -> None:
    """One JSON value on standard output."""
    sys.stdout.write(json.dumps(value, default=str, ensure_ascii=False) + "\n")
