"""`lodestone notifications`: what has come onto a user's list."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from domain.notifications import NotificationKind
from domain.reports import Notification
from handlers import reports
from handlers.live_view.notification_mail import previews
from workers.cli.mail import rendering
from workers.cli.terminal.opening import Location, open_app
from workers.cli.terminal.output import Json, say, show_json
from workers.cli.terminal.tables import show_table
from workers.cli.terminal.times import in_utc


def notifications(
    user: Annotated[str, typer.Option("--user", help="The CRM's id of the user.")],
    after: Annotated[int, typer.Option("--after", min=0, help="Only those with a higher id.")] = 0,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most this many.")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="With subject and preview, fetched from Gmail now and not kept.")
    ] = False,
    location: Location = None,
    as_json: Json = False,
) -> None:
    """Show a user's notifications, the oldest first; ask for more with the last id.

    Example: `lodestone notifications --user uwe --after 41 --json`

    Example: `lodestone notifications --user uwe --live`
    """
    context = open_app().context
    found = reports.notifications(user, after, limit, context, location)
    if live and found:
        rendering.show_previews(found, previews(user, found, context), as_json=as_json)
    elif as_json:
        show_json([rendering.notification_as_json(one) for one in found])
    elif found:
        _show(found)
    else:
        say(f"no notifications for {user}" + (f" after {after}" if after else ""))


def _show(found: Sequence[Notification]) -> None:
    """A line for each notification. Late ones share one, which stands where the last of them would (E91)."""
    late = [one for one in found if one.late]
    rows = [_line(one) for one in found if not one.late]
    if late:
        rows.append(
            {
                "id": late[-1].id,
                "name": f"{len(late)} mails from {in_utc(late[0].received_at)} on, told late",
                "from": None,
                "received_at": in_utc(late[-1].received_at),
                "message_id": None,
                "contact_id": None,
            }
        )
    show_table(sorted(rows, key=lambda row: int(row["id"])))


def _line(one: Notification) -> dict[str, Any]:
    """A notification of mail with its three details; any other with what it says."""
    about = one.name if one.kind is NotificationKind.MAIL else rendering.WORDS[one.kind]
    return {
        "id": one.id,
        "name": about,
        "from": f"{one.author} via a list" if one.via_list else one.author,
        "received_at": in_utc(one.received_at),
        "message_id": one.message_id,
        "contact_id": one.contact_id,
    }


def add_to(app: typer.Typer) -> None:
    app.command()(notifications)
