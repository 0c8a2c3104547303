"""`lodestone quota`: what of Google's units has been spent, and on what."""

from typing import Annotated, Any

import typer

from domain.quota import Purpose, Spending
from handlers.spending import Spent, spent
from workers.cli.terminal.opening import open_app
from workers.cli.terminal.output import Json, fail, say, show_json
from workers.cli.terminal.tables import show_table


def quota(
    mailbox: Annotated[str | None, typer.Argument(help="Only this mailbox, by its address.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000, help="Mailboxes to show.")] = 20,
    as_json: Json = False,
) -> None:
    """Show the units that Google has counted today, against what it gives.

    Google gives the project units for each minute and each day (of Pacific Time), and each mailbox units for each
    minute. The costliest mailboxes come first. Spent for: push and sweep, looks into history; match, reading mail;
    sort, labels; watch, the push registration and own addresses; compare, the daily comparison; user, pages and
    commands; send, mail from the CRM. Processes write down what they spend once a minute.

    Examples: `lodestone quota`, `lodestone quota uwe@firm.example`, `lodestone quota --limit 100 --json`
    """
    found = spent(mailbox, limit, open_app().context)
    if found is None:
        fail(f"there is no mailbox {mailbox}: `lodestone status` shows them", code=2)
    if as_json:
        show_json(_as_json(found))
    else:
        _show(found, mailbox)


def _as_json(found: Spent) -> dict[str, Any]:
    return {
        "day": found.day.isoformat(),
        "quota": {
            "project_units_per_day": found.quota.project_day,
            "project_units_per_minute": found.quota.project_minute,
            "mailbox_units_per_minute": found.quota.mailbox_minute,
        },
        "project": _spending(found.project),
        "mailboxes": [{"mailbox": name} | _spending(one) for name, one in found.mailboxes.items()],
    }


def _spending(one: Spending) -> dict[str, Any]:
    return {
        "units_today": one.day,
        "units_last_minute": one.minute,
        "units_by_purpose": {purpose.value: units for purpose, units in one.by_purpose.items()},
    }


def _show(found: Spent, asked_for: str | None) -> None:
    quota, shown = found.quota, found.project
    say(f"Google's units on {found.day} (Pacific Time)")
    say(f"project, the day: {_of(shown.day, quota.project_day)}")
    say(f"project, the last minute: {_of(shown.minute, quota.project_minute)}")
    if asked_for is not None:
        [(name, shown)] = found.mailboxes.items()
        say(f"{name}, the day: {shown.day:,}")
        say(f"{name}, the last minute: {_of(shown.minute, quota.mailbox_minute)}")
    _show_purposes(shown)
    if asked_for is None and found.mailboxes:
        say(f"\nby mailbox; each may spend {quota.mailbox_minute:,} a minute")
        show_table(
            [
                {
                    "day": f"{one.day:,}",
                    "minute": _number(one.minute),
                    "mailbox": name,
                    "most_for": _first(one),
                }
                for name, one in found.mailboxes.items()
            ]
        )


def _show_purposes(one: Spending) -> None:
    if one.day:
        say("")
        show_table(
            [
                {"spent_for": purpose.value, "units": f"{units:,}", "share": f"{units / one.day:.0%}"}
                for purpose, units in _by_cost(one)
            ]
        )


def _of(units: int | None, most: int | None) -> str:
    if units is None:
        return "unknown, Redis does not answer"
    if most is None:
        return f"{units:,}, without a limit"
    return f"{units:,} of {most:,} ({units / most:.0%})"


def _number(units: int | None) -> str | None:
    return None if units is None else f"{units:,}"


def _first(one: Spending) -> str | None:
    return next((f"{purpose.value} {units:,}" for purpose, units in _by_cost(one)), None)


def _by_cost(one: Spending) -> list[tuple[Purpose, int]]:
    return sorted(((purpose, n) for purpose, n in one.by_purpose.items() if n), key=lambda item: -item[1])


def add_to(app: typer.Typer) -> None:
    app.command()(quota)
