"""`lodestone locations`: the organisations that are served here, and their locations."""

import sys
from typing import Annotated, Any

import typer

from domain.crm.locations import NamedLocation
from domain.errors import Refused
from handlers.crm import closing, locations
from workers.cli.terminal.opening import open_app
from workers.cli.terminal.output import Json, say, show_json
from workers.cli.terminal.progress import deleting
from workers.cli.terminal.tables import show_table

Name = Annotated[str, typer.Argument(metavar="ORGANISATION/LOCATION", help="As in acme/berlin.")]


def show_all(as_json: Json = False) -> None:
    """Show the organisations and their locations. `main/main` is always there.

    Example: `lodestone locations list`
    """
    found = [_row(one) for one in locations.show(open_app().store)]
    if as_json:
        show_json(found)
    else:
        show_table(found)


def add(name: Name, as_json: Json = False) -> None:
    """Add a location, and its organisation if that is new. From the second one on, commands and the CRM's messages have
    to name theirs.

    Example: `lodestone locations add acme/berlin`
    """
    made = locations.add(name, open_app().store)
    if as_json:
        show_json(_row(made))
    else:
        say(f"{made} is there: `--location {made}` names it")


def delete(
    name: Name,
    confirmed: Annotated[
        str | None,
        typer.Option("--confirm", metavar="NAME", help="The name once more; else it is asked for."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Delete a location with all it has: connections, contacts, deals; with the last of an organisation its users,
    settings and channels too. Mail and labels in Gmail stay as they are. `main/main` is emptied and stays.

    Example: `lodestone locations delete acme/berlin --confirm acme/berlin`
    """
    if confirmed is None and sys.stdin.isatty():
        confirmed = typer.prompt(f"All that {name} has is deleted for good. Its name once more")
    if confirmed != name:
        raise Refused(f"nothing is deleted: --confirm {name} says that it is meant")
    with deleting("rows") as progress:
        counts, gone = closing.delete(name, open_app().context, progress)
    if as_json:
        show_json({"location": name, "location_deleted": gone, "deleted_rows": counts})
        return
    rows = ", ".join(f"{table} {number}" for table, number in sorted(counts.items()) if number)
    say(f"{name} is {'deleted' if gone else 'empty'}: {rows or 'there was nothing in it'}")


def _row(one: NamedLocation) -> dict[str, Any]:
    return {
        "location": str(one),
        "location_id": one.location.id,
        "organisation": one.organisation,
        "organisation_id": one.location.organisation_id,
    }


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        help="Organisations and their locations. Example: `lodestone locations add acme/berlin`",
        no_args_is_help=True,
    )
    group.command("list")(show_all)
    group.command("add")(add)
    group.command("delete")(delete)
    app.add_typer(group, name="locations")
