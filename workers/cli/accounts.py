"""Connecting and ending mailboxes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domain.connections.connections import Sharing, Wishes
from domain.errors import Refused
from domain.ids import ConnectionId
from domain.mail.addresses import canonical
from handlers import settings
from handlers.connections import sign_in
from handlers.connections.connecting import save
from handlers.connections.disconnecting import disconnect as end_connections
from workers.cli.sign_in import by_browser, by_pasting
from workers.cli.terminal.opening import Location, open_app
from workers.cli.terminal.output import Json, say, show_json, tell
from workers.cli.terminal.progress import deleting

if TYPE_CHECKING:
    from workers.bootstrap import App

User = Annotated[str, typer.Option("--user", help="The CRM's id of the user.")]


def connect(
    user: User,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            exists=True,
            dir_okay=False,
            help="A Google authorized-user file; not needed while the user is signed in.",
        ),
    ] = None,
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
    sharing: Annotated[
        Sharing | None,
        typer.Option(help="Who else may see the mail; a new connection needs it."),
    ] = None,
    sync: Annotated[
        bool | None,
        typer.Option(
            "--sync/--live",
            help="Keep conversations on both sides, or read mail live; live for a new connection.",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="In place of another mailbox of the user's, which ends.")
    ] = False,
    no_browser: Annotated[
        bool,
        typer.Option("--no-browser", help="Print Google's URL, and read where it led from the terminal."),
    ] = False,
    delegate: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Enter this mailbox with the service account's domain-wide delegation."
        ),
    ] = None,
    location: Location = None,
    as_json: Json = False,
) -> None:
    """Connect a user's mailbox, sign in again, or change the settings of the connection.

    Google's page opens in the browser, unless the user is signed in and has granted what the settings need.
    What is not named stays as it is, and is off for a new connection. MailMagnet takes sorting with it when it
    is switched off.

    Example: `lodestone connect --user uwe --sharing private --magnet --sorting`

    Example: `lodestone connect --user uwe --sync`

    Example: `lodestone connect --user uwe --no-sorting`
    """
    if (token_file is not None) + (delegate is not None) + no_browser > 1:
        raise Refused("--token-file, --delegate and --no-browser are three ways of signing in: choose one")
    app = open_app()
    wishes = Wishes(magnet, sorting, dry_run, sharing, sync=sync)
    if delegate is not None:
        connection_id, address = sign_in.delegate(
            user,
            _canonical(delegate),
            wishes,
            provider=app.provider.about.name,
            replace=replace,
            context=app.context,
            location=location,
        )
    elif no_browser:
        connection_id, address = by_pasting(user, wishes, replace=replace, app=app, location=location)
    elif (
        token_file is None
        and app.provider.sign_in
        and (replace or sign_in.is_needed(user, wishes, app.context, location))
    ):
        connection_id, address = by_browser(user, wishes, replace=replace, app=app, location=location)
    else:
        kept = app.provider.grant_in(token_file) if token_file else None
        with deleting() as progress:
            connection_id, address = save(
                user, kept, wishes, replace=replace, context=app.context, progress=progress, location=location
            )
    if as_json:
        show_json({"connection_id": connection_id, "mailbox": address, "user_id": user})
    else:
        say(f"{address} is connected for {user}: {_features(connection_id, app)}")
        shown, about = settings.show(user, app.store, location), app.provider.about
        if advice := about.no_push.get(shown.watch_trouble or ""):
            tell(
                f"{about.company} pushes nothing of this mailbox ({shown.watch_trouble}), so that new mail is found by "
                f"the sweep, within 10 minutes: {advice}"
            )
        if proposed := shown.proposed:
            tell(
                f"{proposed} may be an internal domain (rule E18): `lodestone settings set internal-domain …`"
            )


def _features(connection_id: ConnectionId, app: "App") -> str:
    with app.store.begin("connections.look", reads_only=True) as tx:
        made = tx.connections.get(connection_id)
    if made is None or not made.features.any:
        return "nothing switched on"
    on = {
        "two-way sync": made.features.sync,
        "MailMagnet": made.features.magnet,
        "sorting": made.features.sorting,
    }
    return " and ".join(name for name, is_on in on.items() if is_on) + (
        f", changing nothing in {app.provider.about.title}" if made.dry_run else ""
    )


def disconnect(user: User, location: Location = None, as_json: Json = False) -> None:
    """Stop the watch, end the grant at Google and delete what the ledger has of the user's mail.

    Conversations that two-way sync has kept stay, for those who may open their contacts.

    Example: `lodestone disconnect --user uwe`
    """
    app = open_app()
    with deleting() as progress:
        ended = end_connections(user, app.context, progress, location)
    if not ended:
        raise Refused(f"user {user} has no connection")
    if as_json:
        show_json({"user_id": user, "ended_connections": ended})
    else:
        say(f"{user} is disconnected; mail and labels in {app.provider.about.title} stay as they are")


def _canonical(address: str) -> str:
    mailbox = canonical(address)
    if mailbox is None:
        raise Refused(f"{address} is no address")
    return mailbox


def add_to(app: typer.Typer) -> None:
    app.command()(connect)
    app.command()(disconnect)
