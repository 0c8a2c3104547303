"""`lodestone events`: what has happened to conversations, for a CRM that asks or has missed some."""

from typing import Annotated

import typer

from domain import cloud_events
from handlers.conversations.events import listed
from workers.cli.terminal.opening import Location, open_app
from workers.cli.terminal.output import Json, say, show_json
from workers.cli.terminal.tables import show_table
from workers.cli.terminal.times import timestamp


def events(
    after: Annotated[int, typer.Option("--after", min=0, help="Only those with a higher id.")] = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most this many.")] = 100,
    location: Location = None,
    as_json: Json = False,
) -> None:
    """Show the events of conversations, of the last 35 days, the oldest first; ask for more with the last id.

    Example: `lodestone events --after 41 --json`
    """
    found = listed(after, limit, open_app().context, location)
    if as_json:
        show_json(
            [
                {
                    "event_kind": one.kind.value,
                    "created_at": timestamp(one.created_at),
                    "location": one.location,
                    **cloud_events.facts(one),
                }
                for one in found
            ]
        )
    elif found:
        show_table(
            [
                {
                    "id": one.id,
                    "at": f"{one.created_at:%m-%d %H:%M:%S}",
                    "event": one.kind.value,
                    "conversation": f"{one.conversation_id} {one.sequence}",
                }
                for one in found
            ]
        )
    else:
        say("no events" + (f" after {after}" if after else ""))


def add_to(app: typer.Typer) -> None:
    app.command()(events)
