"""Labels in Gmail: taking back what sorting did."""

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

import typer
from redis.exceptions import RedisError

from domain.connections import MailboxState
from domain.labels import Left
from handlers.brakes import NO_MAILBOX
from handlers.connections import Refused
from handlers.undoing import Busy, Undoing, Undone, labelled
from workers.cli.opening import open_app
from workers.cli.output import Json, fail, say, show_json
from workers.cli.progress import bar
from workers.cli.reports import mailbox_address
from workers.cli.times import moment

WORDS = {
    Left.LABEL_GONE: "our label is gone",
    Left.OTHER_LABEL: "another CRM label is on it",
    Left.IN_INBOX: "it is back in the Inbox",
    Left.SPAM_OR_TRASH: "it is in Spam or Trash",
    Left.GONE: "Gmail has it no more",
}
"""Why a mail is left as it is."""


def undo(
    since: Annotated[
        str, typer.Option("--since", help="Only what was changed from then on: 2h, 30min, 2026-11-22T08:00.")
    ],
    mailbox: Annotated[
        str | None, typer.Option("--mailbox", help="Only in this mailbox, by its address.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look at the mails and say what would be done; change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Take our labels off again and put mails back into the Inbox, where sorting took them out of it.

    What the user has changed since stays as he has it; what is undone is never sorted again. When wrong deals
    are the cause, `lodestone pause` first, or new mail goes on being sorted by them.

    Example: `lodestone labels undo --since 2h --mailbox uwe@firm.example --dry-run`
    """
    address = mailbox_address(mailbox)
    app = open_app()
    with app.store.begin("undoing.look", reads_only=True) as tx:
        start = moment(since, tx.now())
        if address and tx.mailboxes.id_of(address) is None:
            fail(NO_MAILBOX, code=2)
    found = [(box, number) for box, number in labelled(start, app.work) if address in (None, box.address)]
    total = sum(number for _, number in found)
    if not (yes or dry_run or not total):
        _ask(total, len(found), as_json=as_json)

    def one(box: MailboxState, told: Callable[[int], None]) -> Undone:
        return Undoing(box, start, app.work, dry_run, time.sleep, told).undo()

    results: list[tuple[str, Undone | None]] = []
    with bar() as progress:
        task = progress.add_task("mails", total=total)
        for box, _ in found:
            try:
                results.append((box.address, one(box, partial(progress.advance, task))))
            except Busy:
                results.append((box.address, None))
            except RedisError:
                fail("Redis cannot be reached: check LODESTONE_REDIS_URL", code=1)
    if as_json:
        show_json({"dry_run": dry_run, "mailboxes": [_as_json(*result) for result in results]})
    else:
        _show(results, dry_run=dry_run)
    if any(done is None or done.failed or done.needs_sign_in for _, done in results):
        raise typer.Exit(1)


def _ask(mails: int, mailboxes: int, *, as_json: bool) -> None:
    them = f"{mails} {'mail' if mails == 1 else 'mails'} in {mailboxes} {_mailboxes(mailboxes)}"
    if as_json or not sys.stdin.isatty():
        raise Refused(f"{them} would be restored: add --yes if that is meant, or --dry-run to look first")
    if not typer.confirm(f"Restore {them}?"):
        raise typer.Exit(1)


def _as_json(address: str, done: Undone | None) -> dict[str, Any]:
    done, busy = done or Undone(), done is None
    return {
        "mailbox": address,
        "restored": done.restored,
        "left": {reason.value: number for reason, number in done.left.items()},
        "failed": done.failed,
        "needs_sign_in": done.needs_sign_in,
        "busy": busy,
    }


def _show(results: Sequence[tuple[str, Undone | None]], *, dry_run: bool) -> None:
    verb = "would be restored" if dry_run else "restored"
    for address, done in results:
        if done is None:
            say(f"{address}: nothing done, it is being sorted all the time: pause it, then try again")
            continue
        parts = [f"{done.restored} {verb}"]
        parts += [f"{number} left: {WORDS[reason]}" for reason, number in done.left.most_common()]
        parts += [f"{done.failed} failed: see the log, then try again"] if done.failed else []
        parts += ["the user has to sign in again, then try again"] if done.needs_sign_in else []
        say(f"{address}: {'; '.join(parts)}")
    restored = sum(done.restored for _, done in results if done)
    say(f"{len(results)} {_mailboxes(len(results))}, mails {verb}: {restored}")


def _mailboxes(number: int) -> str:
    return "mailbox" if number == 1 else "mailboxes"


def add_to(app: typer.Typer) -> None:
    labels = typer.Typer(help="The labels that sorting puts on mail in Gmail.", no_args_is_help=True)
    labels.command("undo")(undo)
    labels.callback()(lambda: None)
    app.add_typer(labels, name="labels")
