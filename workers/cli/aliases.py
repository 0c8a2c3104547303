"""`lodestone alias`: own addresses of a user that Gmail does not list."""

from typing import Annotated, Any

import typer

from domain.connections.aliases import Alias
from domain.errors import Refused
from domain.mail.addresses import canonical
from handlers.connections import aliases
from workers.cli.terminal.opening import Location, open_app
from workers.cli.terminal.output import Json, say, show_json
from workers.cli.terminal.tables import show_table

User = Annotated[str, typer.Option("--user", help="The CRM's id of the user whose connection it is.")]
Address = Annotated[str, typer.Argument(help="The address, as it stands in To and Cc.")]


def add_alias(address: Address, user: User, location: Location = None, as_json: Json = False) -> None:
    """Register an address of the user that Gmail does not list: another domain's, or an old account's.

    Mail to it counts as addressed to him. Mail from it counts as his own only where his Gmail marks it as sent.
    Refused for an address of a contact, of another user or of another mailbox; if a contact gets it later, the
    alias does not count for as long as he has it.

    Example: `lodestone alias add uwe@old-firm.example --user uwe`
    """
    alias = _exact(address)
    is_new = aliases.add(user, alias, open_app().store, location)
    if as_json:
        show_json({"user_id": user, "alias": alias, "added": is_new})
    else:
        say(f"{alias} counts as {user}'s own address" + ("" if is_new else ", as before"))


def remove_alias(address: Address, user: User, location: Location = None, as_json: Json = False) -> None:
    """Take an alias back: it is anybody's address again.

    Example: `lodestone alias remove uwe@old-firm.example --user uwe`
    """
    alias = _exact(address)
    aliases.remove(user, alias, open_app().store, location)
    if as_json:
        show_json({"user_id": user, "alias": alias, "removed": True})
    else:
        say(f"{alias} no longer counts as {user}'s own address")


def list_aliases(
    user: Annotated[str | None, typer.Option("--user", help="Only those of this user.")] = None,
    location: Location = None,
    as_json: Json = False,
) -> None:
    """Show the registered aliases, and which of them do not count because somebody else has the address too.

    Example: `lodestone alias list --user uwe`
    """
    found = aliases.show(user, open_app().store, location)
    if as_json:
        show_json([_as_json(one) for one in found])
    elif found:
        show_table([_row(one) for one in found])
    else:
        say("no aliases are registered" + (f" for {user}" if user else ""))


def _as_json(one: Alias) -> dict[str, Any]:
    return {
        "user_id": one.user_id,
        "mailbox": one.mailbox,
        "alias": one.address,
        "counts": one.held_by is None,
        "held_by": one.held_by,
    }


def _row(one: Alias) -> dict[str, Any]:
    counts = "yes" if one.held_by is None else f"no: {one.held_by} has it"
    return {"user": one.user_id, "mailbox": one.mailbox, "alias": one.address, "counts": counts}


def _exact(text: str) -> str:
    address = canonical(text)
    if address is None:
        raise Refused("that is no address: name it as in uwe@old-firm.example")
    return address


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        help="Own addresses of users that Gmail does not list. "
        "Example: `lodestone alias add uwe@old-firm.example --user uwe`",
        no_args_is_help=True,
    )
    group.command("add")(add_alias)
    group.command("remove")(remove_alias)
    group.command("list")(list_aliases)
    app.add_typer(group, name="alias")
