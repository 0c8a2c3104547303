"""What the demo says: one line for each mail, live at a terminal, plain elsewhere."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from workers.demo.letters import CRM_LABELS, Letter

_WIDTHS = (6, 11, 8, 56)
_OUTCOME, _LABEL = 24, 32
SAY_EVERY = 10.0


@dataclass(slots=True)
class Screen:
    """`aside`: speak on standard error, because standard output is for JSON."""

    aside: bool = False
    began: float = field(default_factory=time.monotonic)
    console: Console = field(init=False)

    def __post_init__(self) -> None:
        self.console = Console(stderr=self.aside, highlight=False)

    @property
    def live(self) -> bool:
        """Whether somebody watches at a terminal."""
        return (sys.stderr if self.aside else sys.stdout).isatty()

    def say(self, text: str, style: str = "") -> None:
        """A line of its own."""
        self.console.print(Text(text, style), soft_wrap=True)

    def step(self, text: str) -> None:
        """A step of the set-up."""
        self.say(f"{self._time()} {text}", "dim")

    def heading(self, text: str) -> None:
        """What the next mails are about."""
        self.say(f"\n{text}", "bold")

    def mail(
        self, letter: Letter, outcomes: Sequence[str], labels: Sequence[str], faults: Sequence[str]
    ) -> None:
        """What has become of a mail, and where that is not what the rules say, what they say."""
        shown = outcomes[-1] if outcomes else "nothing kept"
        under = ", ".join(label for label in labels if label in CRM_LABELS.values())
        told = " + told" if "magnet.notified" in outcomes else ""
        self.line(letter.rule, letter.who, letter.says, f"{shown}{told}", under, faults)

    def line(
        self, rule: str, who: str, says: str, outcome: str, under: str, faults: Sequence[str] = ()
    ) -> None:
        """time, who, rule, what it shows, outcome, label, and whether all is as it should be."""
        room = self.console.width - sum(_WIDTHS[:3]) - _OUTCOME - 6 if self.live else 1_000
        label = _LABEL if room > _LABEL + 40 else 0
        cells = zip(
            (self._time(), who, rule, says), (*_WIDTHS[:3], min(_WIDTHS[3], room - label)), strict=True
        )
        text = Text(" ".join(_fit(cell, width) for cell, width in cells))
        text.append(f" {_fit(outcome, _OUTCOME)}", "cyan" if outcome.startswith("label.") else "dim")
        text.append(_fit(under, label), "green")
        text.append("✗" if faults else "✓", "bold red" if faults else "bold green")
        self.console.print(text, soft_wrap=True)
        for fault in faults:
            self.say(f"       ✗ {fault}", "red")

    def table(self, rows: Mapping[str, tuple[int, int]]) -> None:
        """Numbers before and after, each row under its name."""
        for name, (before, after) in rows.items():
            self.say(f"         {name:<20}{before:>4} → {after}", "dim")

    def _time(self) -> str:
        return f"{time.monotonic() - self.began:5.1f}s"


def _fit(cell: str, width: int) -> str:
    """Exactly so wide, or nothing."""
    return "" if width <= 0 else cell.ljust(width) if len(cell) <= width else f"{cell[: width - 1]}…"


class Progress:
    """How far it has come: a bar at a terminal, a line now and then elsewhere."""

    def __init__(self, screen: Screen, total: int) -> None:
        self._screen = screen
        self._total = total
        self._done = 0
        self._began = self._said_at = time.monotonic()
        columns = (
            TextColumn("{task.completed:,} of {task.total:,} mails"),
            BarColumn(),
            TextColumn("{task.fields[pace]}"),
        )
        self._bar = Bar(*columns, TimeRemainingColumn(), console=screen.console, disable=not screen.live)
        self._task = self._bar.add_task("mails", total=total, timing="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self, mails: int) -> None:
        """So many more are done."""
        self._done += mails
        now = time.monotonic()
        timing = f"{self._done / max(now - self._began, 0.001):.0f} a second"
        self._bar.update(self._task, completed=self._done, timing=timing)
        if not self._screen.live and now - self._said_at >= SAY_EVERY:
            self._said_at = now
            self._screen.step(f"{self._done:,} of {self._total:,} mails, {timing}")
