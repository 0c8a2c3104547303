"""Tables for people."""

from collections.abc import Sequence
from typing import Any

from workers.cli.terminal.output import say

SHOWN = 100
"""Rows of a table for people, unless they ask for more; --json has all."""


def show_table(rows: Sequence[dict[str, Any]]) -> None:
    """Columns that stay whole however narrow the terminal is: they are searched and copied from."""
    if not rows:
        return
    lines = [[name.replace("_", " ") for name in rows[0]]]
    lines += [["-" if value is None else plain(str(value)) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def plain(text: str) -> str:
    """What a terminal may be given: names come from web forms, and may hold control sequences."""
    return "".join(char if char.isprintable() else " " for char in text)
