"""Mail as it is in Gmail at this moment: `lodestone mail` and `lodestone open`. Nothing of it is kept."""

from pathlib import Path
from typing import Annotated

import typer

from domain.errors import Refused
from domain.pages import PageCursor, read_cursor
from handlers.context import Context
from handlers.live_view import live, notification_mail
from handlers.live_view.live import OpenedMail
from workers.cli.mail import rendering
from workers.cli.terminal.arguments import is_message_id, mailbox_address
from workers.cli.terminal.opening import Location, open_app
from workers.cli.terminal.output import Json, fail, say

As = Annotated[
    str | None,
    typer.Option(
        "--as", help="The CRM's id of the user who looks; may be left out where only one is connected."
    ),
]
Save = Annotated[
    Path | None,
    typer.Option(
        "--save", file_okay=False, help="Save the attachments into this folder, over no other file."
    ),
]


def mail(
    contact: Annotated[str | None, typer.Argument(help="The CRM's id of the contact or lead.")] = None,
    message_id: Annotated[
        str | None, typer.Argument(help="One mail to show whole: its id, or MAILBOX/ID.")
    ] = None,
    viewer: As = None,
    mine: Annotated[
        bool, typer.Option("--mine", help="All mail of the user's own mailbox, instead of a contact's.")
    ] = False,
    search: Annotated[
        str, typer.Option("--search", help="With --mine: only what Gmail finds for these words.")
    ] = "",
    mailbox: Annotated[str | None, typer.Option("--mailbox", help="Only in this mailbox.")] = None,
    before: Annotated[
        str | None, typer.Option("--before", help="The page after one that was shown: its token.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100, help="At most this many mails.")] = 50,
    folder: Save = None,
    location: Location = None,
    as_json: Json = False,
) -> None:
    """Show the mail exchanged with a contact, newest first, as far as the user may see it; or one mail of it.

    Ends with 1 when no mailbox could be asked.

    Example: `lodestone mail c17 --as uwe`

    Example: `lodestone mail c17 18f3a2b4c5d6e7f8 --as uwe --save invoices`

    Example: `lodestone mail --mine --as uwe --search "subject:offer has:attachment"`
    """
    if mine:
        contact, message_id = None, _only(contact, message_id)
    elif contact is None:
        fail("name a contact, or add --mine", code=2)
    if search and not mine:
        fail("--search goes with --mine: a contact's mail is found by its addresses", code=2)
    if mailbox is not None and mine:
        fail("--mine is one mailbox: leave --mailbox out", code=2)
    if folder is not None and message_id is None:
        fail("--save goes with one mail: name its id", code=2)
    if message_id is None:
        _list(contact, viewer, search, mailbox, _start(before), limit, location, as_json=as_json)
        return
    where, message_id = _named(message_id, mailbox)
    context = open_app().context
    user_id = _viewer(viewer, context, location)
    opened = live.open_mail(contact, message_id, user_id, context, mailbox=where, location=location)
    _show(opened, folder, as_json=as_json)


def open_notification(
    notification_id: Annotated[int, typer.Argument(help="Its id in `lodestone notifications`.")],
    viewer: As = None,
    folder: Save = None,
    location: Location = None,
    as_json: Json = False,
) -> None:
    """Show the mail of a notification. One whose mail was deleted meanwhile says so and is removed.

    Example: `lodestone open 41 --as uwe`
    """
    context = open_app().context
    user_id = _viewer(viewer, context, location)
    notification, opened = notification_mail.open_notification(notification_id, user_id, context, location)
    if opened is not None:
        _show(opened, folder, as_json=as_json, notification=rendering.notification_as_json(notification))
    elif as_json:
        deleted = notification.message_id is not None
        rendering.show_json(
            {
                "notification": rendering.notification_as_json(notification),
                "message_deleted": deleted,
                "mail": None,
            }
        )
    elif notification.message_id is not None:
        say("the mail was deleted meanwhile: its notification is removed")
    else:
        say(rendering.WORDS[notification.kind])


def _only(first: str | None, second: str | None) -> str | None:
    if second is not None:
        fail("with --mine there is no contact: name at most one mail", code=2)
    return first


def _list(
    contact: str | None,
    viewer: str | None,
    search: str,
    mailbox: str | None,
    start: PageCursor | None,
    limit: int,
    location: str | None,
    *,
    as_json: bool,
) -> None:
    where = mailbox_address(mailbox)
    context = open_app().context
    user_id = _viewer(viewer, context, location)
    if contact is None:
        page = live.show_own(user_id, context, limit=limit, start=start, words=search, location=location)
    else:
        page = live.show(
            contact, user_id, context, limit=limit, start=start, mailbox=where, location=location
        )
    if as_json:
        rendering.show_json({"contact_id": contact, "user_id": user_id} | rendering.page_as_json(page))
    else:
        rendering.show_page(page)
    if page.mailboxes and all(one.trouble for one in page.mailboxes):
        raise typer.Exit(1)


def _show(opened: OpenedMail, folder: Path | None, *, as_json: bool, notification: object = None) -> None:
    try:
        saved = rendering.save_attachments(opened, folder) if folder else {}
    except OSError as error:
        fail(f"nothing can be saved into {folder} ({error.strerror or type(error).__name__})", code=2)
    if as_json:
        told = rendering.mail_as_json(opened, saved)
        rendering.show_json(
            told
            if notification is None
            else {"notification": notification, "message_deleted": False, "mail": told}
        )
    else:
        rendering.show_mail(opened, saved)
    if None in saved.values():
        fail("Gmail did not give every attachment: try again in a minute", code=1)


def _viewer(user_id: str | None, context: Context, location: str | None) -> str:
    found = user_id or live.only_user(context, location)
    if found is None:
        raise Refused("name the user who looks: --as USER")
    return found


def _start(token: str | None) -> PageCursor | None:
    try:
        return None if token is None else read_cursor(token)
    except ValueError:
        raise Refused("--before is no token of a page: take it from the end of the page before") from None


def _named(text: str, mailbox: str | None) -> tuple[str | None, str]:
    """MAILBOX/ID or ID."""
    where, slash, message_id = text.rpartition("/")
    address = mailbox_address(where if slash else mailbox)
    if not is_message_id(message_id):
        raise Refused("there is no such mail here")
    return address, message_id


def add_to(app: typer.Typer) -> None:
    app.command()(mail)
    app.command("open")(open_notification)
