"""Connecting and ending mailboxes, and the organisation's settings."""

import json
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from domain.addresses import canonical
from domain.mailboxes import Grant
from handlers.connections import Refused
from handlers.connections import connect as make_connection
from handlers.connections import disconnect as end_connections
from handlers.ports import Store
from workers.cli.opening import open_app
from workers.cli.output import Json, say, show_json

User = Annotated[str, typer.Option("--user", help="The CRM's id of the user.")]
_LISTS = ("internal-domain", "exclude")


def connect(
    user: User,
    token_file: Annotated[
        Path, typer.Option("--token-file", exists=True, dir_okay=False, help="A Google authorized-user file.")
    ],
    magnet: Annotated[
        bool | None, typer.Option("--magnet/--no-magnet", help="Notify the user of contacts' mail.")
    ] = None,
    sorting: Annotated[
        bool | None, typer.Option("--sorting/--no-sorting", help="Sort customers' mail under labels.")
    ] = None,
    dry_run: Annotated[
        bool | None,
        typer.Option("--dry-run/--no-dry-run", help="Decide and explain, change nothing in Gmail."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Connect a user's mailbox, sign in again, or change the settings of the connection.

    What is not named stays as it is, and is off for a new connection. MailMagnet takes sorting with it when it
    is switched off.

    Example: `lodestone connect --user uwe --token-file uwe.json --magnet --sorting`
    """
    grant = _read_grant(token_file)
    app = open_app()
    connection_id, address = make_connection(
        user, grant, magnet=magnet, sorting=sorting, dry_run=dry_run, work=app.work
    )
    if as_json:
        show_json({"connection_id": connection_id, "mailbox": address, "user": user})
    else:
        say(f"{address} is connected for {user}: {_features(connection_id, app.store)}")


def _features(connection_id: int, store: Store) -> str:
    with store.begin("connections.look", reads_only=True) as tx:
        made = tx.connections.get(connection_id)
    if made is None or made.magnet_since is None:
        return "nothing switched on"
    return ("MailMagnet and sorting" if made.sorting_since else "MailMagnet") + (
        ", changing nothing in Gmail" if made.dry_run else ""
    )


def disconnect(user: User, as_json: Json = False) -> None:
    """Stop the watch, end the grant at Google and delete what was kept of the user's mail.

    Example: `lodestone disconnect --user uwe`
    """
    app = open_app()
    ended = end_connections(user, app.work)
    if not ended:
        raise Refused(f"user {user} has no connection")
    if as_json:
        show_json({"user": user, "ended": ended})
    else:
        say(f"{user} is disconnected; mail and labels in Gmail stay as they are")


def set_setting(
    name: Annotated[str, typer.Argument(help="time-zone, internal-domain or exclude")],
    values: Annotated[
        list[str], typer.Argument(help="One zone, or all domains (and addresses) of the list.")
    ],
) -> None:
    """Change a setting of the organisation; lists are replaced as a whole, `-` empties them.

    Example: `lodestone settings set time-zone Europe/Berlin`
    """
    value = _zone(values) if name == "time-zone" else _list(name, values)
    app = open_app()
    with app.store.begin("settings.set") as tx:
        tx.contacts.set_organisation(name, value)
    say(f"{name} is {value if isinstance(value, str) else ', '.join(value) or 'empty'}")


def show_settings(as_json: Json = False) -> None:
    """Show the organisation's settings. Example: `lodestone settings show`"""
    app = open_app()
    with app.store.begin("settings.show") as tx:
        organisation = tx.contacts.organisation()
    settings = {
        "time-zone": organisation.time_zone,
        "internal-domain": sorted(organisation.internal_domains),
        "exclude": sorted(organisation.exclusions.addresses | organisation.exclusions.domains),
    }
    if as_json:
        show_json(settings)
        return
    for name, value in settings.items():
        say(f"{name}: {', '.join(value) if isinstance(value, list) else value or 'UTC (not set)'}")


def _read_grant(file: Path) -> Grant:
    try:
        found = json.loads(file.read_text())
        return Grant(
            client_id=found["client_id"],
            client_secret=found["client_secret"],
            refresh_token=found["refresh_token"],
            token_uri=found.get("token_uri", "https://oauth2.googleapis.com/token"),
        )
    except (ValueError, KeyError, TypeError):
        raise Refused(
            f"{file} is no Google authorized-user file (client_id, client_secret, refresh_token)"
        ) from None


def _zone(values: list[str]) -> str:
    if len(values) > 1:
        raise Refused(f"time-zone is one zone, not {len(values)}")
    try:
        return ZoneInfo(values[0]).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused(f"{values[0]} is no time zone; Europe/Berlin is one") from None


def _list(name: str, values: list[str]) -> list[str]:
    if name not in _LISTS:
        raise Refused(f"{name} is no setting; time-zone, internal-domain and exclude are")
    if values == ["-"]:
        return []
    return sorted({_entry(value, may_be_address=name == "exclude") for value in values})


def _entry(value: str, *, may_be_address: bool) -> str:
    """An address in its exact form, or a domain as an address of it would carry it."""
    if "@" in value and may_be_address:
        entry = canonical(value)
    else:
        probe = canonical(f"x@{value.removeprefix('@')}")
        entry = probe and probe.partition("@")[2]
    if entry is None:
        raise Refused(f"{value} is no domain{' or address' if may_be_address else ''}")
    return entry


def add_to(app: typer.Typer) -> None:
    app.command()(connect)
    app.command()(disconnect)
    settings = typer.Typer(help="Settings of the organisation.", no_args_is_help=True)
    settings.command("set")(set_setting)
    settings.command("show")(show_settings)
    app.add_typer(settings, name="settings")
