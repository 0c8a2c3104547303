"""`lodestone conversations` and `lodestone conversation show`: what two-way sync keeps, as its readers find it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from domain.conversations.lists import Bookmark, Choice, ListedConversation, read_bookmark
from domain.conversations.reading import KeptFile
from domain.errors import Refused
from domain.mail.copied import FileState
from domain.mail.file_names import safe_name
from handlers.context import Context
from handlers.conversations import reading
from handlers.conversations.reading import ConversationPage, OpenedConversation, ShownMail
from workers.cli.mail import threads
from workers.cli.mail.attached import attached_mail
from workers.cli.mail.rendering import show_json
from workers.cli.terminal.opening import Location, open_app
from workers.cli.terminal.output import Json, fail
from workers.cli.terminal.safe import fitted, save, write_line
from workers.cli.terminal.times import in_zone, timestamp

As = Annotated[str, typer.Option("--as", help="The CRM's id of the user who looks.")]


def conversations(
    viewer: As,
    contact: Annotated[str | None, typer.Argument(help="The CRM's id of the contact or lead.")] = None,
    mine: Annotated[
        bool,
        typer.Option(
            "--mine", help="Of contacts that are assigned to the user, and what came through his mailbox."
        ),
    ] = False,
    new: Annotated[bool, typer.Option("--new", help="With a mail that is new for him.")] = False,
    failed: Annotated[
        bool, typer.Option("--failed", help="With a sent mail that failed or was not delivered.")
    ] = False,
    before: Annotated[
        str | None, typer.Option("--before", help="The page after one that was shown: its token.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=500, help="At most this many conversations.")
    ] = 50,
    location: Location = None,
    as_json: Json = False,
) -> None:
    """Show a contact's conversations, or all of the location, as far as the user may see them, newest first.

    Example: `lodestone conversations --as uwe --new`

    Example: `lodestone conversations c17 --as uwe --json`
    """
    chosen = [one for one, on in ((Choice.MINE, mine), (Choice.NEW, new), (Choice.FAILED, failed)) if on]
    if len(chosen) > 1:
        fail("--mine, --new and --failed are three lists: ask for one of them", code=2)
    start = _start(before)
    page = reading.show(
        viewer,
        open_app().context,
        choice=chosen[0] if chosen else Choice.ALL,
        contact_id=contact,
        before=start,
        limit=limit,
        location=location,
    )
    if as_json:
        show_json({"contact_id": contact, "user_id": viewer} | _page_as_json(page))
    else:
        _show_page(page)


def _start(token: str | None) -> Bookmark | None:
    try:
        return None if token is None else read_bookmark(token)
    except ValueError:
        raise Refused("--before is no token of a page: take it from the end of the page before") from None


def _page_as_json(page: ConversationPage) -> dict[str, Any]:
    return {
        "conversations": [_as_json(one) for one in page.conversations],
        "next_page": page.next_page and page.next_page.token(),
    }


def _as_json(one: ListedConversation) -> dict[str, Any]:
    return {
        "conversation_id": one.id,
        "contact_id": one.contact_id,
        "name": one.contact_name,
        "conversation_state": one.state,
        "subject": one.subject,
        "mail_count": one.mails,
        "new_mails": one.new_mails,
        "failed_mails": one.failed_mails,
        "started_at": timestamp(one.started_at),
        "last_mail_at": timestamp(one.last_mail_at),
        "last_from": one.author,
        "last_direction": one.direction,
        "last_preview": one.preview,
    }


def _show_page(page: ConversationPage) -> None:
    """Two lines for each: when its last mail came, with whom, and its id; how much of it is new, and about what."""
    for one in page.conversations:
        write_line(f"{in_zone(one.last_mail_at, page.zone)}  {fitted(one.contact_name, 26)}  {one.id}")
        about = f"{_counts(one)}: {one.subject or '(no subject)'}"
        write_line(f"    {fitted(about, 76).rstrip()}")
    if not page.conversations:
        write_line("no conversation")
    if page.next_page is not None:
        write_line(f"older ones: add --before {page.next_page.token()}")


def _counts(one: ListedConversation) -> str:
    counts = [f"{one.mails} {'mail' if one.mails == 1 else 'mails'}"]
    if one.new_mails:
        counts.append(f"{one.new_mails} new")
    if one.failed_mails:
        counts.append(f"{one.failed_mails} not sent or delivered")
    return ", ".join(counts)


def show(
    conversation_id: Annotated[str, typer.Argument(help="Its id in `lodestone conversations`.")],
    viewer: As,
    all_text: Annotated[
        bool, typer.Option("--all-text", help="Show too what a mail repeats of those before it.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--save", file_okay=False, help="Save the files into this folder, over no other file."),
    ] = None,
    location: Location = None,
    as_json: Json = False,
) -> None:
    """Show a conversation, the oldest mail first. What came in and is shown is new no more for the user who looks.

    Example: `lodestone conversation show 01kb7x2m4c --as uwe`

    Example: `lodestone conversation show 01kb7x2m4c --as uwe --all-text --save files`
    """
    context = open_app().context
    opened = reading.open_conversation(conversation_id, viewer, context, location)
    if opened is None:
        fail(f"there is no conversation {conversation_id} that user {viewer} may open", code=1)
    told: list[dict[str, Any]] = []
    missed = False
    if not as_json:
        threads.show_head(opened)
    for one in reading.mails(opened, context):
        saved = _save(one, opened, folder, context) if folder else {}
        missed = missed or None in saved.values()
        if as_json:
            told.append(threads.mail_as_json(one, saved))
        else:
            threads.show_mail(one, opened.zone, saved, all_text=all_text)
    if as_json:
        show_json(threads.head_as_json(opened) | {"user_id": viewer, "mails": told})
    if missed:
        fail("not every file could be read: try again in a minute", code=1)


def _save(one: ShownMail, opened: OpenedConversation, folder: Path, context: Context) -> threads.Saved:
    """Each file that is kept, and each mail that is attached, under a safe name of its own."""
    saved: dict[str, Path | None] = {}
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number, file in enumerate(threads.listed(one.mail), 1):
            if file.state in (FileState.KEPT, FileState.WITHIN):
                content = _content(one, file, opened, context)
                name = safe_name(file.name, number, file.sniffed_type or file.claimed_type)
                saved[file.part] = None if content is None else save(folder, name, content)
    except OSError as error:
        fail(f"nothing can be saved into {folder} ({error.strerror or type(error).__name__})", code=2)
    return saved


def _content(one: ShownMail, file: KeptFile, opened: OpenedConversation, context: Context) -> bytes | None:
    def kept(each: KeptFile) -> bytes | None:
        return reading.file_content(each, opened, context)

    return attached_mail(one, file, kept) if file.state is FileState.WITHIN else kept(file)


def add_to(app: typer.Typer) -> None:
    app.command()(conversations)
    group = typer.Typer(
        help="One conversation. Example: `lodestone conversation show 01kb7x2m4c --as uwe`",
        no_args_is_help=True,
    )
    group.command("show")(show)
    app.add_typer(group, name="conversation")
