"""Tables for people."""

from collections.abc import Sequence
from typing import Any

from workers.cli.terminal.output import say

SHOWN = 100
"""Rows of a table for people, unless they ask for more; --json has all."""


def show_table(rows: Sequence[dict[str, Any]]) -> None:
    """Print a table. Its columns are never cut, also in a narrow terminal: people search and copy them."""
    if not rows:
        return
    lines = [[name.replace("_", " ") for name in rows[0]]]
    lines += [["-" if value is None else plain(str(value)) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def plain(text: str) -> str:
    """The text without control characters, which names from web forms may hold."""
    return "".join(char if char.isprintable() else " " for char in text)
