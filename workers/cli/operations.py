"""What an operator does: `lodestone pause`, `lodestone resume` and `lodestone retry`."""

import sys
from typing import Annotated

import typer

from handlers import operations
from workers.cli.terminal.arguments import mailbox_address, unknown_mail
from workers.cli.terminal.opening import Location, open_app
from workers.cli.terminal.output import Json, fail, say, show_json

Mailbox = Annotated[str | None, typer.Argument(help="Only this mailbox, by its address; else all of them.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask, not even when it is about all mailboxes.")]


def pause(mailbox: Mailbox = None, yes: Yes = False, as_json: Json = False) -> None:
    """Read and change nothing more in a mailbox, or in any, until `lodestone resume`.

    Works within seconds: a call to Gmail that is under way still ends. Mail waits and nothing is lost; after
    more than 30 days, what is older than that is not listed again. Push ends after 7 days; resuming renews it.
    A mailbox stays paused over a new sign-in; one that is connected for the first time is not paused.

    Example: `lodestone pause uwe@firm.example`
    """
    address = _which(mailbox, "pause", yes)
    paused = operations.pause(address, open_app().context)
    if as_json:
        show_json({"mailbox": address, "newly_paused": paused})
    elif address is None:
        say(f"mailboxes paused: {paused}")
    else:
        say(f"{address} is paused" + ("" if paused else ", as it was before"))


def resume(mailbox: Mailbox = None, yes: Yes = False, as_json: Json = False) -> None:
    """Go on where `lodestone pause` has stopped a mailbox, or all of them: what waited is handled now.

    Example: `lodestone resume uwe@firm.example`
    """
    address = _which(mailbox, "resume", yes)
    resumed = operations.resume(address, open_app().context)
    if as_json:
        show_json({"mailbox": address, "resumed": resumed})
    elif address is None:
        say(f"mailboxes resumed: {resumed}")
    else:
        say(f"{address} goes on" if resumed else f"{address} was not paused")


def retry(
    message_id: Annotated[
        str | None, typer.Argument(help="Gmail's id of a mail that was set aside.", show_default=False)
    ] = None,
    mailbox: Annotated[str | None, typer.Option("--mailbox", help="Only in this mailbox.")] = None,
    everything: Annotated[
        bool, typer.Option("--all-set-aside", help="All such mail, after what was wrong is mended.")
    ] = False,
    location: Location = None,
    as_json: Json = False,
) -> None:
    """Try a mail again that was set aside after too many failed tries (E88), or all of them.

    Mail that was not sorted because Gmail made no more labels (E67) can be retried too, once sorting goes on.

    Example: `lodestone retry 18f3a2b4c5d6e7f8 --mailbox uwe@firm.example`
    """
    if (message_id is None) is not everything:
        fail("name one message, or say --all-set-aside", code=2)
    context = open_app().context
    address = mailbox_address(mailbox)
    if message_id is None:
        retried = operations.retry_all(address, context)
    else:
        retried = operations.retry(message_id, address, context, location)
        if not retried:
            unknown_mail(mailbox)
    if as_json:
        show_json({"retried_mails": retried})
    else:
        say(f"mails that wait again: {retried}")


def _which(mailbox: str | None, deed: str, yes: bool) -> str | None:
    """The address; None for all mailboxes, which a person at a terminal has to confirm."""
    if mailbox is None and not yes and sys.stdin.isatty():
        typer.confirm(f"{deed.capitalize()} all mailboxes?", abort=True)
    return mailbox_address(mailbox)


def add_to(app: typer.Typer) -> None:
    app.command()(pause)
    app.command()(resume)
    app.command()(retry)
