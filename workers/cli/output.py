"""How commands speak: tables and words for people, JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of words and tables.")]

console = Console()


def fail(text: str, *, code: int) -> NoReturn:
    """One line on standard error, and the exit code."""
    print(f"lodestone: {text}", file=sys.stderr)  # noqa: T201 - the command line's own voice
    sys.exit(code)


def say(text: str) -> None:
    """A line for people."""
    console.print(text, highlight=False, soft_wrap=True, markup=False)


def show_json(value: object) -> None:
    """One JSON value on standard output."""
    sys.stdout.write(json.dumps(value, default=str, ensure_ascii=False) + "\n")


def show_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """A table of the named columns; what is empty stays empty."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(*("" if row[column] is None else str(row[column]) for column in columns))
    console.print(table)
