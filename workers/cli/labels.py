"""The CRM labels: taking back what sorting did."""

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

import typer

from domain.errors import GiveUp, Refused, TryAgain
from domain.mailboxes.state import MailboxState
from domain.providers import Provider
from domain.sorting.label_changes import LeftBecause
from domain.sorting.undoing import Undone
from handlers.operations import NO_MAILBOX
from handlers.sorting.undo import Busy, Undoing, sorted_mailboxes
from workers.cli.terminal.arguments import mailbox_address
from workers.cli.terminal.opening import open_app
from workers.cli.terminal.output import Json, fail, say, show_json
from workers.cli.terminal.progress import bar
from workers.cli.terminal.times import moment

WORDS = {
    LeftBecause.LABEL_GONE: "our label is gone",
    LeftBecause.OTHER_LABEL: "another CRM label is on it",
    LeftBecause.IN_INBOX: "it is back in the Inbox",
    LeftBecause.SPAM_OR_TRASH: "it is in Spam or Trash",
}
"""Why a mail is left as it is, where it is there still."""

NAMED = 3
"""Ids named in words; JSON has all."""

AWAY_IN_A_ROW = 3
"""Mailboxes without any answer, one after the other: the provider is away, and the rest is not tried."""


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
    are the cause, `lodestone pause` first, or new mail goes on being sorted by them. When the provider cannot
    be reached or limits a mailbox, the rest of it is left for when the command is given again. Ends with 1 when not
    all was done.

    Example: `lodestone labels undo --since 2h --mailbox uwe@firm.example --dry-run`
    """
    from redis.exceptions import RedisError

    address = mailbox_address(mailbox)
    app = open_app()
    with app.store.begin("undoing.look", reads_only=True) as tx:
        start = moment(since, tx.now())
        if address and not tx.mailboxes.ids(address):
            fail(NO_MAILBOX, code=2)
    found = [
        (box, number)
        for box, number in sorted_mailboxes(start, app.context)
        if address in (None, box.address)
    ]
    total = sum(number for _, number in found)
    if not (yes or dry_run or not total):
        _ask(total, sum(number > 0 for _, number in found), as_json=as_json)

    def one(box: MailboxState, told: Callable[[int], None]) -> Undone | None:
        try:
            return Undoing(box, start, app.context, dry_run, time.sleep, told).undo()
        except Busy:
            return None
        except RedisError:
            fail("Redis cannot be reached: check LODESTONE_REDIS_URL", code=1)

    results: list[tuple[MailboxState, Undone | None]] = []
    with bar() as progress:
        task = progress.add_task("mails", total=total)
        for box, _ in found:
            results.append((box, one(box, partial(progress.advance, task))))
            if _away([done for _, done in results[-AWAY_IN_A_ROW:]]):
                break
    not_begun = [box.address for box, _ in found[len(results) :]]
    if as_json:
        mailboxes = [_as_json(box.address, done) for box, done in results]
        show_json({"dry_run": dry_run, "mailboxes": mailboxes, "mailboxes_not_begun": not_begun})
    else:
        about = {name: provider.about for name, provider in app.context.providers.items()}
        shown = [(box.address, done, about[box.account.provider]) for box, done in results]
        _show(shown, dry_run=dry_run)
        _show_sums(shown, len(not_begun), dry_run=dry_run)
    if not_begun or any(done is None or done.failed or done.ended for _, done in results):
        raise typer.Exit(1)


def _away(last: Sequence[Undone | None]) -> bool:
    """Whether none of so many mailboxes got an answer."""
    return len(last) == AWAY_IN_A_ROW and all(
        done is not None and isinstance(done.stopped, TryAgain) and not (done.restored or done.left)
        for done in last
    )


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
        "restored_mails": done.restored,
        "left_alone": {reason.value: ids for reason, ids in done.left.items()},
        "changed_by_user": list(done.by_hand),
        "failed_mails": done.failed,
        "trouble": done.stopped and done.stopped.reason,
        "needs_sign_in": done.needs_sign_in,
        "busy": busy,
    }


def _show(results: Sequence[tuple[str, Undone | None, Provider]], *, dry_run: bool) -> None:
    for address, done, provider in results:
        if done is None:
            say(f"{address}: nothing done, it is being sorted all the time: pause it, then try again")
            continue
        parts = [f"{done.restored} {_verb(dry_run)}"]
        parts += [
            f"{_named(ids)} left: {_because(reason, provider)}"
            for reason, ids in sorted(done.left.items(), key=lambda item: -len(item[1]))
        ]
        parts += [f"{_named(done.by_hand)} left: the user has changed it since"] if done.by_hand else []
        parts += [f"{done.failed} failed: see `messages.not_restored`, then try again"] if done.failed else []
        parts += [_stopped(done.stopped, provider)] if done.stopped else []
        parts += ["the user has to sign in again, then try again"] if done.needs_sign_in else []
        say(f"{address}: {'; '.join(parts)}")


def _show_sums(
    results: Sequence[tuple[str, Undone | None, Provider]], not_begun: int, *, dry_run: bool
) -> None:
    """The mailbox before those not begun was the last that got no answer."""
    if not_begun:
        away = results[-1][2].title
        say(f"{not_begun} more {_mailboxes(not_begun)} not begun: {away} seems to be away, try again later")
    restored = sum(done.restored for _, done, _ in results if done)
    say(f"{len(results)} {_mailboxes(len(results))}, mails {_verb(dry_run)}: {restored}")


def _verb(dry_run: bool) -> str:
    return "would be restored" if dry_run else "restored"


def _because(reason: LeftBecause, provider: Provider) -> str:
    return WORDS.get(reason) or f"{provider.title} has it no more"


def _named(ids: Sequence[str]) -> str:
    """How many, and which, or the first of them."""
    more = len(ids) - NAMED
    return f"{len(ids)} ({', '.join(ids[:NAMED])}{f' and {more} more' if more > 0 else ''})"


def _stopped(error: TryAgain | GiveUp, provider: Provider) -> str:
    """Why the walk through a mailbox has ended early, and how to go on."""
    if isinstance(error, TryAgain):
        return (
            f"stopped, {provider.title} cannot be reached or limits us ({error.reason}): "
            "give the command again later"
        )
    return (
        f"stopped, {provider.title} refuses ({error.reason}): see {provider.company}'s admin console, "
        "then give the command again"
    )


def _mailboxes(number: int) -> str:
    return "mailbox" if number == 1 else "mailboxes"


def add_to(app: typer.Typer) -> None:
    labels = typer.Typer(
        help="The labels that sorting puts on mail in Gmail. Example: `lodestone labels undo --since 2h --dry-run`",
        no_args_is_help=True,
    )
    labels.command("undo")(undo)
    labels.callback()(lambda: None)
    app.add_typer(labels, name="labels")
