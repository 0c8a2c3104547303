"""A run as a table for people, for docs/PERFORMANCE.md, and as JSON."""

import os
import platform
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import psutil

from tests.bench.budgets import ROWS, Row
from tests.bench.meter import Figure
from tests.bench.pipelines import TEXTBOOK
from tests.bench.run import Seen

STEADY = 0.10
"""A figure whose rounds differ by more is shown with its spread."""

QUIET = 0.10
"""Others may have so much of the machine before a run proves nothing."""

HEADINGS = {"sqlite": "SQLite", "postgresql": "PostgreSQL", TEXTBOOK: "textbook"}


def cells(row: Row, seen: Mapping[str, Seen]) -> Iterator[tuple[str, Figure | None]]:
    """The row's figure of each pipeline."""
    textbook = seen.get(TEXTBOOK, Seen())
    for name, one in seen.items():
        yield name, row.look(one, textbook) if row.look else None


def not_met(seen: Mapping[str, Seen]) -> list[str]:
    """The budgets that a database of ours has missed."""
    return [
        f"{row.what} ({HEADINGS[name]})"
        for row in ROWS
        for name, figure in cells(row, seen)
        if name != TEXTBOOK and figure is not None and row.is_met(figure) is False
    ]


def table(seen: Mapping[str, Seen]) -> list[list[str]]:
    """A heading and a line for each row."""
    names = sorted(seen, key=list(HEADINGS).index)
    lines = [["", "budget", *(HEADINGS[name] for name in names)]]
    for row in ROWS:
        found = dict(cells(row, seen))
        shown = [_cell(row, found[name], name) for name in names]
        if row.elsewhere:
            shown = [row.elsewhere, *([""] * (len(names) - 1))]
        lines.append([row.what if row.bound else f"{row.what}, {row.unit}".rstrip(", "), row.bound, *shown])
    return lines


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """As the table stands in docs/PERFORMANCE.md."""
    head, *rest = lines
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rest))


def plain(lines: Sequence[Sequence[str]]) -> str:
    """In columns."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    return "\n".join(padded).replace("`", "").replace("**", "")


def as_json(seen: Mapping[str, Seen], *, quick: bool) -> dict[str, Any]:
    """All that was seen, and what it comes to."""
    rows = [
        {
            "what": row.what,
            "unit": row.unit,
            "bound": row.bound,
            "elsewhere": row.elsewhere.replace("`", ""),
            "figures": {
                name: {
                    "median": figure.median,
                    "spread": figure.spread,
                    "rounds": figure.rounds,
                    "met": None if name == TEXTBOOK else row.is_met(figure),
                }
                for name, figure in cells(row, seen)
                if figure is not None
            },
        }
        for row in ROWS
    ]
    return {
        "quick": quick,
        "on": machine(),
        "strangers": strangers(seen),
        "rows": rows,
        "seen": {name: asdict(one) for name, one in seen.items()},
    }


def machine() -> str:
    """The day and the machine in general words."""
    memory = round(psutil.virtual_memory().total / 2**30)
    return (
        f"{datetime.now(UTC):%d %B %Y}, {os.cpu_count()} cores ({platform.machine()}), {memory} GiB, "
        f"{platform.system()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )


def strangers(seen: Mapping[str, Seen]) -> float:
    """The largest share of the machine that others had during a measurement."""
    rounds = (spent for one in seen.values() for spent in (*one.arrivals, *one.bursts))
    return max((spent.strangers for spent in rounds), default=0.0)


def quietness(seen: Mapping[str, Seen]) -> str:
    """Whether the machine was ours, in a sentence."""
    share = strangers(seen)
    said = f"Other programs had at most {share:.0%} of the machine"
    return f"{said}." if share <= QUIET else f"{said}: too much, these figures prove nothing."


def _cell(row: Row, figure: Figure | None, name: str) -> str:
    if figure is None:
        return ""
    met = None if name == TEXTBOOK else row.is_met(figure)
    said = {True: ", met", False: ", **not met**", None: ""}[met]
    spread = f" (rounds {_number(min(figure.rounds))} to {_number(max(figure.rounds))})"
    return f"{_number(figure.median)}{spread if figure.spread > STEADY else ''}{said}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"
