"""`lodestone send` writes a mail through a user's own Gmail; `lodestone outbox` shows what became of such mail."""

import re
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.errors import Refused
from domain.mail.composition import NEWEST, Attachment, MailRequest, Person, may_fit
from domain.outbox import OutboxItem, SendReport, SendState
from handlers.context import Context
from handlers.outbox import delivery, drafts
from handlers.outbox.preparing import prepare
from workers.cli.mail.confirming import agree, show_prepared
from workers.cli.mail.reasons import reason_in_words
from workers.cli.terminal.arguments import is_message_id, mailbox_address
from workers.cli.terminal.opening import Location, open_app
from workers.cli.terminal.output import Json, fail, say, show_json, tell
from workers.cli.terminal.progress import bar
from workers.cli.terminal.tables import show_table
from workers.cli.terminal.times import timestamp

PATIENCE = 60.0
LOOK_EVERY = 0.2
_NAMED = re.compile(r'\s*"?(?P<name>[^<>"]*?)"?\s*<(?P<address>[^<>]*)>\s*')


def send(
    user: Annotated[str, typer.Option("--as", help="The CRM's id of the user who writes.")],
    body: Annotated[
        Path, typer.Option("--body-file", help="The text, in UTF-8; - for standard input.", metavar="FILE|-")
    ],
    to: Annotated[
        str | None, typer.Option("--to", help="Id of a contact or lead.", metavar="CONTACT")
    ] = None,
    to_address: Annotated[
        list[str] | None,
        typer.Option(
            "--to-address",
            help="An address: of --to the one that is meant, else anybody's. May be repeated.",
            metavar="ADDRESS",
        ),
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", help="The subject; an answer has that of its thread.")
    ] = None,
    cc: Annotated[
        list[str] | None, typer.Option("--cc", help="Who gets a copy. May be repeated.", metavar="ADDRESS")
    ] = None,
    attach: Annotated[
        list[Path] | None, typer.Option("--attach", help="A file. May be repeated.", metavar="FILE")
    ] = None,
    reply_to: Annotated[
        str | None,
        typer.Option(
            "--reply-to",
            help="Gmail's id of the mail that this answers; with --conversation that of `conversation show`.",
            metavar="MESSAGE_ID",
        ),
    ] = None,
    reply: Annotated[
        bool,
        typer.Option("--reply", help="Answer the newest mail that the contact of --to has written himself."),
    ] = False,
    conversation: Annotated[
        str | None,
        typer.Option(
            "--conversation",
            help="Answer in this conversation: its newest mail that a person has written, or that of --reply-to.",
            metavar="ID",
        ),
    ] = None,
    to_all: Annotated[
        bool, typer.Option("--all", help="The answer goes to all whom that mail names in To and Cc, too.")
    ] = False,
    quote: Annotated[
        bool, typer.Option("--quote/--no-quote", help="Repeat the mail answered below the answer.")
    ] = True,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask whether an answer goes to the right people.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show who would get it, and under which subject.")
    ] = False,
    key: Annotated[
        str | None,
        typer.Option("--key", help="A name of your own for this mail: asked for twice it is sent once."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help=f"Wait until it is sent, {PATIENCE:.0f} s at most.")
    ] = True,
    location: Location = None,
    as_json: Json = False,
) -> None:
    """Send a mail from a user's own Gmail.

    Ends with 0 when the mail is sent or will be, 1 when it failed, 2 when it was refused before anything left.

    Example: `lodestone send --as uwe --to c17 --subject "Our offer" --body-file offer.txt --attach offer.pdf`

    An answer goes to whom the mail answered says, and shows who that is before it leaves: it asks, or needs --yes.

    Example: `lodestone send --as uwe --reply-to 18c2f0 --body-file - --key answer-4711 --yes`

    Example: `lodestone send --as uwe --to c17 --reply --all --body-file answer.txt`

    Example: `lodestone send --as uwe --conversation 0193f2a1b4c05d6e7f80a1b2 --body-file answer.txt`
    """
    answers = NEWEST if reply else reply_to
    _check(to, to_address, subject, reply_to, conversation, reply=reply, to_all=to_all)
    context = open_app().context
    request = MailRequest(
        user_id=user,
        text=_text(body),
        subject=subject,
        contact_id=to,
        to=tuple(map(_person, to_address or ())),
        cc=tuple(map(_person, cc or ())),
        attachments=_attachments(attach or [], context),
        reply_to=answers,
        conversation_id=conversation,
        to_all=to_all,
        quote=quote,
    )
    prepared = prepare(request, context, location)
    if dry_run:
        show_prepared(prepared, as_json=as_json)
        return
    if (answers or conversation) and not to_address and not yes:
        agree(prepared, can_ask=not as_json and str(body) != "-")
    with bar() as progress:
        task = progress.add_task("to Gmail", total=None)
        asked = drafts.hand_over(
            prepared,
            context,
            key=key,
            progress=lambda sent, total: progress.update(task, completed=sent, total=total),
        )
    _show(_awaited(asked, context) if wait else asked, as_json=as_json)


def show_outbox(
    user: Annotated[str | None, typer.Option("--as", help="Only this user's mail.")] = None,
    mailbox: Annotated[str | None, typer.Option("--mailbox", help="Only from this mailbox.")] = None,
    state: Annotated[SendState | None, typer.Option("--state", help="Only what stands like this.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many, the newest first.")] = 100,
    location: Location = None,
    as_json: Json = False,
) -> None:
    """Show what users send from the CRM: what waits, was sent, has failed, and why. It keeps ids only, for 35 days.

    Example: `lodestone outbox --as uwe --state failed`
    """
    context = open_app().context
    found = delivery.reports(user, mailbox_address(mailbox), state, limit, context, location)
    if as_json:
        show_json([_report(one) for one in found])
    elif found:
        show_table([_row(one) for one in found])
    else:
        say("no mail sent from the CRM is like this" if user or state else "nothing was sent from the CRM")


def _check(
    to: str | None,
    to_address: list[str] | None,
    subject: str | None,
    reply_to: str | None,
    conversation: str | None,
    *,
    reply: bool,
    to_all: bool,
) -> None:
    """What the words alone tell. Raises Refused."""
    is_answer = reply or reply_to is not None or conversation is not None
    if conversation is not None and (reply or to is not None):
        raise Refused("--conversation says whom it answers: leave --reply and --to out")
    if reply and reply_to is not None:
        raise Refused("--reply finds the mail itself: leave --reply-to out")
    if reply and to is None:
        raise Refused("--reply answers a contact: name him with --to")
    if not is_answer and to_all:
        raise Refused("--all goes with an answer: --reply-to MESSAGE_ID, --reply or --conversation")
    if to_all and to_address:
        raise Refused("--all finds the recipients itself: leave --to-address out, or add somebody with --cc")
    if not is_answer and to is None and not to_address:
        raise Refused("name who it goes to: --to CONTACT or --to-address ADDRESS")
    if not is_answer and subject is None:
        raise Refused("a mail needs --subject; only an answer (--reply-to) has one already")
    if reply_to is not None and not is_message_id(reply_to):
        raise Refused(
            "--reply-to is no id of a mail: `lodestone mail` shows it, behind the / if there is one"
        )


def _awaited(asked: OutboxItem, context: Context) -> OutboxItem:
    end = time.monotonic() + PATIENCE
    now = asked
    try:
        while now.ended_at is None and time.monotonic() < end:
            time.sleep(LOOK_EVERY)
            now = delivery.look_up(asked.id, context) or now
    except KeyboardInterrupt:  # ends the waiting: the mail is on its way
        tell(f"number {asked.id} will be sent all the same; `lodestone outbox` shows what becomes of it")
        raise
    return now


def _show(one: OutboxItem, *, as_json: bool) -> None:
    if as_json:
        show_json(_as_json(one))
    elif one.state is SendState.SENT:
        say(f"sent; Gmail's id is {one.sent_id}")
    elif one.state is SendState.FAILED:
        fail(f"not sent: {reason_in_words(one.reason)}", code=1)
    else:
        say(
            f"number {one.id} is in Gmail's drafts and will be sent; `lodestone outbox` shows what becomes of it"
        )
    if one.state is SendState.FAILED:
        raise typer.Exit(1)


def _text(file: Path) -> str:
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Refused(f"{file} is no text in UTF-8") from None


def _attachments(files: list[Path], context: Context) -> tuple[Attachment, ...]:
    """Read only if they are not larger than any provider takes."""
    largest = max((one.about for one in context.providers.values()), key=lambda about: about.max_mail_size)
    try:
        if not may_fit((file.stat().st_size for file in files), largest.max_mail_size):
            raise Refused(
                f"the attachments are larger than {largest.title} takes: {largest.max_mail_size} bytes, encoded"
            )
        return tuple(Attachment(file.name, file.read_bytes()) for file in files)
    except OSError as error:
        raise Refused(f"{error.filename} cannot be read: {error.strerror}") from None


def _person(text: str) -> Person:
    """`ann@example.com` or `Ann Smith <ann@example.com>`."""
    named = _NAMED.fullmatch(text)
    return Person(named["address"], named["name"]) if named else Person(text)


def _as_json(one: OutboxItem) -> dict[str, Any]:
    return {
        "sending_id": one.id,
        "sending_state": one.state.value,
        "trouble": one.reason,
        "contact_id": one.contact_id,
        "draft_id": one.draft_id,
        "message_id": one.sent_id,
        "tries": one.attempts,
        "asked_at": timestamp(one.created_at),
        "ended_at": timestamp(one.ended_at),
    }


def _report(one: SendReport) -> dict[str, Any]:
    return _as_json(one.item) | {"mailbox": one.mailbox, "user_id": one.user_id}


def _row(one: SendReport) -> dict[str, Any]:
    return {
        "number": one.item.id,
        "user": one.user_id,
        "contact": one.item.contact_id,
        "asked": f"{one.item.created_at:%Y-%m-%d %H:%M:%S} UTC",
        "state": one.item.state.value,
        "message": one.item.sent_id,
        "why": one.item.reason and reason_in_words(one.item.reason),
    }


def add_to(app: typer.Typer) -> None:
    app.command()(send)
    app.command("outbox")(show_outbox)
