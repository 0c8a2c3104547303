"""`lodestone status`: how the mailboxes stand."""

from datetime import datetime
from typing import Annotated, Any

import typer

from domain.reports import MailboxReport
from handlers import reports
from handlers.operations import NO_MAILBOX
from handlers.reports import Status
from workers.cli import histories
from workers.cli.terminal.arguments import mailbox_address
from workers.cli.terminal.opening import Location, open_app
from workers.cli.terminal.output import Json, fail, say, show_json
from workers.cli.terminal.tables import SHOWN, plain, show_table
from workers.cli.terminal.times import timestamp


def status(
    mailbox: Annotated[str | None, typer.Argument(help="Only this mailbox, by its address.")] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="End with 1 when a mail has waited for over 10 minutes, or a mailbox was not looked into in time. "
            "Mailboxes that are paused or wait for a sign-in do not count.",
        ),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=0, help=f"At most this many mailboxes [{SHOWN} in tables, all in JSON]."),
    ] = None,
    location: Location = None,
    as_json: Json = False,
) -> None:
    """Show how the mailboxes stand, those in trouble first; with --location only those that it has connected.

    Example: `lodestone status --check`; `lodestone status --location acme/berlin --json`
    """
    address = mailbox_address(mailbox)
    shown = limit if limit is not None or as_json else SHOWN
    found = reports.status(address, shown, open_app().context, location)
    if address is not None and not found.totals.mailboxes:
        fail(NO_MAILBOX, code=2)
    if as_json:
        show_json(_status_as_json(found))
    else:
        _show_status(found)
    if check and found.totals.late(found.now):
        raise typer.Exit(1)


def _status_as_json(found: Status) -> dict[str, Any]:
    totals = found.totals
    return {
        "totals": {
            "mailbox_count": totals.mailboxes,
            "paused_mailboxes": totals.paused,
            "sorting_stopped_mailboxes": totals.unsorted,
            "watch_expired_mailboxes": totals.unwatched,
            "history_refused_mailboxes": totals.unusable,
            "access_refused_mailboxes": totals.refused,
            **histories.as_json(totals.compared),
            "waiting_mails": totals.waiting,
            "set_aside_mails": totals.set_aside,
            "oldest_waiting_seconds": _age(totals.oldest_waiting_at, found.now),
            "look_due_at": timestamp(totals.look_due_at),
            "overdue": totals.late(found.now),
            "outdated_record_count": sum(found.outdated.values()),
        },
        "mailboxes": [_mailbox(one, found.now) for one in found.mailboxes],
    }


def _mailbox(one: MailboxReport, now: datetime) -> dict[str, Any]:
    recall = one.watch.recall
    share = recall.share
    return {
        "mailbox": one.address,
        "mailbox_state": one.state(now).value,
        "paused_at": timestamp(one.paused_at),
        "resting_until": timestamp(one.resting_until) if one.is_resting(now) else None,
        "trouble": one.trouble if one.is_resting(now) else None,
        "sorting_trouble": one.sorting_trouble,
        "access_trouble": one.access_trouble,
        "cursor_age_seconds": _age(one.synced_at, now),
        "watch_expires_at": timestamp(one.watch_until),
        "watch_renewed_at": timestamp(one.watch.renewed_at),
        "watch_failed_at": timestamp(one.watch.failed_at),
        "watch_trouble": one.watch.trouble,
        "push_recall": share if share is None else round(share, 3),
        "push_recall_of": recall.pushed + recall.missed,
        "history_refused_at": timestamp(one.history_refused_at),
        **histories.as_json(one.compared),
        "compared_at": timestamp(one.compared.at),
        "last_push_at": timestamp(one.pushed_at),
        "last_sweep_at": timestamp(one.swept_at),
        "waiting_mails": one.waiting,
        "set_aside_mails": one.set_aside,
        "oldest_waiting_seconds": _age(one.oldest_waiting_at, now),
    }


def _show_status(found: Status) -> None:
    rows = [
        {
            "mailbox": one.address,
            "state": one.state_in_words(found.now),
            "cursor_age": _span(one.synced_at, found.now),
            "watch_expires": _span(found.now, one.watch_until, before="in "),
            "renewed": _span(one.watch.renewed_at, found.now, after=" ago"),
            "push_recall": histories.share(one.watch.recall),
            "recall": histories.in_words(one.compared),
            "last_push": _span(one.pushed_at, found.now, after=" ago"),
            "last_sweep": _span(one.swept_at, found.now, after=" ago"),
            "waiting": one.waiting,
            "set_aside": one.set_aside,
        }
        for one in found.mailboxes
    ]
    show_table(rows)
    totals = found.totals
    more = totals.mailboxes - len(rows)
    if more:
        say(f"... and {more} more: name one, or raise --limit")
    if totals.paused:
        say(f"paused: {totals.paused}; their mail waits for `lodestone resume` and does not count as late")
    if totals.unsorted:
        say(
            f"mailboxes in which sorting is stopped: {totals.unsorted}; Gmail makes no more labels there: the user "
            "deletes some, then `lodestone connect --user USER --sorting` and `lodestone retry --all-set-aside`"
        )
    if totals.refused:
        say(
            f"mailboxes that the service account is not let into: {totals.refused}; `lodestone doctor` says more"
        )
    for one in found.mailboxes:
        if one.watch.trouble:
            when = _span(one.watch.failed_at, found.now)
            say(f"{one.address}: its watch could not be renewed {when} ago ({plain(one.watch.trouble)})")
    histories.show(totals, found.mailboxes)
    if totals.unwatched:
        say(
            f"mailboxes without a watch: {totals.unwatched}; the sweep carries on, `lodestone doctor` says "
            "more"
        )
    if totals.overlooked(found.now):
        due = _span(totals.look_due_at, found.now)
        say(f"a mailbox should have been looked into {due} ago: does a worker run, and the sweep?")
    if found.outdated:
        records = ", ".join(f"{times} {kind.value}" for kind, times in sorted(found.outdated.items()))
        say(
            f"out of date, because a change from the CRM was refused: {records}; have it send them again, mended"
        )
    oldest = _span(totals.oldest_waiting_at, found.now)
    say(
        f"{totals.mailboxes} {'mailbox' if totals.mailboxes == 1 else 'mailboxes'}, mails waiting: {totals.waiting}"
        f"{f' (the oldest for {oldest})' if oldest else ''}, set aside: {totals.set_aside}"
    )


def _age(since: datetime | None, now: datetime) -> float | None:
    return None if since is None else round(max((now - since).total_seconds(), 0), 1)


def _span(start: datetime | None, end: datetime | None, before: str = "", after: str = "") -> str | None:
    """The time between two moments in words; None when one is missing."""
    if start is None or end is None:
        return None
    seconds = round((end - start).total_seconds())
    if seconds < 0:
        return "expired" if before else f"0 s{after}"
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{before}{seconds // length} {unit}{after}"
    return f"{before}{seconds} s{after}"


def add_to(app: typer.Typer) -> None:
    app.command()(status)
