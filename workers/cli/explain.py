"""`lodestone explain`: what was decided about a mail, and why."""

from typing import Annotated

import typer

from handlers import reports
from workers.cli import explaining
from workers.cli.terminal.arguments import mailbox_address, unknown_mail
from workers.cli.terminal.opening import Location, open_app
from workers.cli.terminal.output import Json, say, show_json
from workers.cli.terminal.tables import plain


def explain(
    message_id: Annotated[str, typer.Argument(help="Gmail's id of the mail.")],
    mailbox: Annotated[
        str | None, typer.Option("--mailbox", help="Only in this mailbox: ids are per mailbox.")
    ] = None,
    location: Location = None,
    as_json: Json = False,
) -> None:
    """Explain what was decided about a mail, and why: how it came, its gate, its contact, its deal, its cost.

    Of mail that matched no contact only the outcome is kept: it is read again from Gmail, shown, and not kept.

    Example: `lodestone explain 18f3a2b4c5d6e7f8 --mailbox uwe@firm.example`
    """
    found = reports.explain(message_id, mailbox_address(mailbox), open_app().context, location)
    if not found:
        unknown_mail(mailbox)
    if as_json:
        show_json([explaining.as_json(one) for one in found])
        return
    for one in found:
        for line in explaining.in_words(one):
            say(plain(line))


def add_to(app: typer.Typer) -> None:
    app.command()(explain)
