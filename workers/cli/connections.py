"""`lodestone connection`: how a user's connection stands, and what became of its mail (H50)."""

from typing import Annotated, Any

import typer

from domain.connections.connections import Mode
from domain.connections.standing import KEPT, ConnectionReport, ConnectionStanding, Counted
from domain.gates import GATES, NOBODYS
from domain.outcomes import Outcome
from handlers.connections import standing
from workers.cli.terminal.opening import Location, open_app
from workers.cli.terminal.output import Json, say, show_json
from workers.cli.terminal.tables import show_table
from workers.cli.terminal.times import in_utc, timestamp

_WORDS = {
    ConnectionStanding.CONNECTED: "connected",
    ConnectionStanding.SIGN_IN_NEEDED: "sign-in needed",
    ConnectionStanding.NOT_PERMITTED: "paused: the permission is withdrawn",
    ConnectionStanding.PAUSED: "paused by an operator",
    ConnectionStanding.SORTING_STOPPED: "sorting is stopped",
    ConnectionStanding.HISTORY_UNUSABLE: "connected, its history is unusable",
    ConnectionStanding.ENDING: "ending",
}
_KEPT = {
    Outcome.SYNC_STARTED: "it began a conversation",
    Outcome.SYNC_APPENDED: "it belongs to a conversation",
}


def connection(
    user: Annotated[str, typer.Option("--user", help="The CRM's id of the user whose connection it is.")],
    location: Location = None,
    as_json: Json = False,
) -> None:
    """Show how a user's connection stands: its last check and push, what became of its mail, and what to do now.

    Example: `lodestone connection --user uwe`
    """
    found = standing.show(user, open_app().store, location)
    if as_json:
        show_json([_as_json(one) for one in found])
        return
    for one in found:
        _show(one)


def _show(one: ConnectionReport) -> None:
    say(f"{one.mailbox}: {_WORDS[one.standing]}")
    say(
        f"  last check: {in_utc(one.checked_at) or 'none yet'}; last push: {in_utc(one.pushed_at) or 'none yet'}"
    )
    since = f" since {in_utc(one.since)}, of the last 35 days" if one.since else ""
    say(f"  mails seen{since}: {one.seen.all}, kept: {one.kept.all}")
    say(f"  in 24 hours: {one.seen.last_day}, kept: {one.kept.last_day}")
    ordered = sorted(one.mails.items(), key=lambda item: (-item[1].all, item[0] or ""))
    show_table([_row(one, outcome, counted) for outcome, counted in ordered])
    say(f"  next step: {one.next_step}")


def _row(one: ConnectionReport, outcome: Outcome | None, counted: Counted) -> dict[str, Any]:
    return {
        "outcome": outcome.value if outcome else "under way",
        "mails": counted.all,
        "in_24_hours": counted.last_day,
        "because": _because(one, outcome),
    }


def _because(one: ConnectionReport, outcome: Outcome | None) -> str:
    if outcome is None:
        return "it waits for its turn"
    if outcome in KEPT:
        return _KEPT[outcome]
    if outcome is Outcome.SKIP_NO_CONTACT and one.connection.mode is not Mode.LIVE:
        return NOBODYS.words
    return GATES[outcome].words if outcome in GATES else "`lodestone explain` says more of each"


def _as_json(one: ConnectionReport) -> dict[str, Any]:
    connection = one.connection
    return {
        "connection_id": connection.id,
        "mailbox": one.mailbox,
        "mode": connection.mode.value,
        "standing": one.standing.value,
        "since_at": timestamp(one.since),
        "last_check_at": timestamp(one.checked_at),
        "last_push_at": timestamp(one.pushed_at),
        "seen_mails": one.seen.all,
        "seen_mails_last_day": one.seen.last_day,
        "kept_mails": one.kept.all,
        "kept_mails_last_day": one.kept.last_day,
        "outcomes": [
            {"outcome": outcome, "mail_count": counted.all, "mails_last_day": counted.last_day}
            for outcome, counted in sorted(one.mails.items(), key=lambda item: item[0] or "")
        ],
        "next_step": one.next_step,
    }


def add_to(app: typer.Typer) -> None:
    app.command()(connection)
