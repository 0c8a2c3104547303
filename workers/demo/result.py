"""The figures of `lodestone demo --mbox`, and everything that was left out or taken on trust."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workers.demo.mbox import Lines
from workers.demo.screen import Screen

_NAMED = 20


@dataclass(slots=True)
class Result:
    """`unfinished`: the numbers of the mails that nothing became of. `inside`, `doubtful`: lines at which a mail seems
    to begin and none was taken, as of each mail. `own_labels`: those that are no word of Gmail's, by their mails."""

    mailbox: str
    mails: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    unfinished: list[int] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    inside: Lines = field(default_factory=Lines)
    doubtful: Lines = field(default_factory=Lines)
    own_labels: Counter[str] = field(default_factory=Counter)
    refused_rows: bool = False
    units: int = 0
    http_requests: int = 0
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Every mail has an outcome, and nothing that may be a mail was left out, nor anything of the CRM's files."""
        return not (self.unfinished or self.doubtful.times or self.refused_rows)

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "ok": self.good,
            "mailbox": self.mailbox,
            "mail_count": self.mails,
            "mails_by_outcome": dict(sorted(self.outcomes.items())),
            "unfinished_mails": self.unfinished,
            "cut_short": self.cut,
            "from_lines_inside": {"times": self.inside.times, "first_lines": self.inside.first},
            "from_lines_not_taken": {"times": self.doubtful.times, "first_lines": self.doubtful.first},
            "own_labels": dict(self.own_labels.most_common()),
            "refused_rows": self.refused_rows,
            "units_per_mail": round(self.units / max(self.mails, 1), 2),
            "http_requests_per_mail": round(self.http_requests / max(self.mails, 1), 3),
            "seconds": round(self.seconds, 1),
        }

    def show(self, screen: Screen, report: Path) -> None:
        """In words."""
        screen.heading("Summary")
        for outcome, times in sorted(self.outcomes.items()):
            screen.say(f"  {outcome:<24}{times:>7,}")
        timing = self.mails / max(self.seconds, 0.001)
        screen.say(
            f"\n  {self.mails:,} mails in {self.seconds:.0f} s, {timing:.0f} a second; {report} tells of each"
        )
        figures = self.as_json()
        screen.say(
            f"  per mail: {figures['units_per_mail']} quota units, {figures['http_requests_per_mail']} HTTP requests"
        )
        if self.own_labels:
            named = [f"{name} ({mails:,})" for name, mails in self.own_labels.most_common()]
            screen.say(f"  labels that are no word of Gmail's here, kept as the user's own: {_some(named)}")
        if self.inside.times:
            screen.say(
                f"  {self.inside.times:,} `From ` lines looked like a mail and were not taken, being part of one "
                f"(a patch's, or by Content-Length): {_lines(self.inside)}"
            )
        self._show_faults(screen)

    def _show_faults(self, screen: Screen) -> None:
        if self.refused_rows:
            screen.say("  some of the CRM files was left out, see above", "yellow")
        if self.cut:
            screen.say(f"  cut short, because Gmail takes in none so large: {_numbers(self.cut)}", "yellow")
        if self.doubtful.times:
            screen.say(
                f"  {self.doubtful.times:,} `From ` lines looked like a mail and were not taken: "
                f"{_lines(self.doubtful)}. Where a mail begins there, write the line as "
                "`From x Sun Mar 15 12:00:00 2026`, else `>` in front of it, and start again",
                "bold red",
            )
        if self.unfinished:
            screen.say(f"  nothing became of {_numbers(self.unfinished)}", "bold red")


def _numbers(found: Sequence[int]) -> str:
    return f"n = {_some([str(n) for n in found])}"


def _lines(found: Lines) -> str:
    more = f" and {found.times - len(found.first):,} more" if found.times > len(found.first) else ""
    return f"line {', '.join(map(str, found.first))}{more}"


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - _NAMED:,} more" if len(words) > _NAMED else ""
    return f"{', '.join(words[:_NAMED])}{more}"
