"""`lodestone ledger`: what became of each mail, line by line."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any

import typer

from domain import explanations
from domain.errors import Refused
from domain.ledger import State
from domain.outcomes import Outcome
from domain.reports import LedgerEntry, LedgerQuery
from handlers import reports
from handlers.operations import NO_MAILBOX
from workers.cli.terminal.arguments import mailbox_address
from workers.cli.terminal.opening import Location, open_app
from workers.cli.terminal.output import Json, say
from workers.cli.terminal.tables import SHOWN, plain
from workers.cli.terminal.times import moment, timestamp

HEADER = f"{'seen at (UTC)':19}  {'message id':16}  {'came by':7}  {'outcome':19}  user: what else is known"


def ledger(
    mailbox: Annotated[str | None, typer.Argument(help="Only this mailbox, by its address.")] = None,
    outcome: Annotated[
        str | None, typer.Option("--outcome", help="Only with these outcomes (Part J), separated by commas.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Only mail seen since: 2026-11-22T08:00, 30min, 2h, 3d.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="Only mail seen before.")] = None,
    set_aside: Annotated[
        bool, typer.Option("--set-aside", help="Only mail that was set aside after too many tries.")
    ] = False,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only mail that waits for a step.")] = False,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help=f"At most this many lines [{SHOWN} in tables, all in JSON]."),
    ] = None,
    location: Location = None,
    as_json: Json = False,
) -> None:
    """Show what became of each mail of the last 35 days, the newest first, a line per mail and user.

    Of mail that matched no contact only id and outcome are kept.

    Example: `lodestone ledger uwe@firm.example --outcome match.failed,label.failed --since 2d`
    """
    now = datetime.now(UTC)
    query = LedgerQuery(
        mailbox=mailbox_address(mailbox),
        outcomes=_outcomes(outcome),
        since=moment(since, now) if since else None,
        until=moment(until, now) if until else None,
        states=_states(set_aside=set_aside, waiting=waiting),
    )
    if query.since and query.until and query.since >= query.until:
        raise Refused("--until is not after --since")
    app = open_app()
    if query.mailbox:
        with app.store.begin("reports.look", reads_only=True) as tx:
            if not tx.mailboxes.ids(query.mailbox):
                raise Refused(NO_MAILBOX)
    found = reports.ledger(query, app.context, location)
    if as_json:
        _stream(islice(found, limit))
    else:
        _show(found, SHOWN if limit is None else limit, all_mailboxes=mailbox is None)


def _outcomes(text: str | None) -> frozenset[Outcome]:
    words = {word.strip() for word in text.split(",")} if text else set()
    final = {one.value for one in Outcome if not one.value.startswith("magnet.")}
    if words - final:
        raise Refused(f"{min(words - final)} is no final outcome; these are: {', '.join(sorted(final))}")
    return frozenset(map(Outcome, words))


def _states(*, set_aside: bool, waiting: bool) -> frozenset[State]:
    return frozenset({State.SET_ASIDE} if set_aside else set()) | (
        frozenset({State.WAITING, State.BLOCKED}) if waiting else frozenset()
    )


def _stream(found: Iterator[LedgerEntry]) -> None:
    """Print one JSON array, a line for each entry as it is read: there may be millions."""
    sys.stdout.write("[")
    for number, one in enumerate(found):
        sys.stdout.write((",\n" if number else "\n") + json.dumps(_as_json(one), ensure_ascii=False))
    sys.stdout.write("\n]\n")


def _show(found: Iterator[LedgerEntry], limit: int, *, all_mailboxes: bool) -> None:
    shown = 0
    for shown, one in enumerate(islice(found, limit), start=1):
        if shown == 1:
            say(HEADER)
        say(plain(_in_words(one, all_mailboxes=all_mailboxes)))
    if next(found, None) is not None:
        say("... and more: raise --limit, or ask for less")
    elif not shown:
        say("no such mail in the ledger")


def _in_words(one: LedgerEntry, *, all_mailboxes: bool) -> str:
    facts = []
    if one.unfinished:
        facts.append(explanations.unfinished(one.unfinished))
        if one.unfinished.state is State.WAITING:
            facts.append(f"next try {one.unfinished.ready_at:%Y-%m-%d %H:%M:%S}")
    if one.author:
        facts.append(f"from {one.author}{' via a list' if one.via_list else ''}")
    if all_mailboxes:
        facts.append(f"in {one.mailbox}")
    known = ", ".join(facts)
    outcome = one.outcome.value if one.outcome else "-"
    return (
        f"{one.seen_at:%Y-%m-%d %H:%M:%S}  {one.message_id:16}  {one.came_by:7}  {outcome:19}  "
        f"{one.user_id or '-'}{f': {known}' if known else ''}"
    )


def _as_json(one: LedgerEntry) -> dict[str, Any]:
    step = one.unfinished
    return {
        "mailbox": one.mailbox,
        "message_id": one.message_id,
        "user_id": one.user_id,
        "seen_at": timestamp(one.seen_at),
        "came_by": one.came_by,
        "outcome": one.outcome and one.outcome.value,
        "from": one.author,
        "via_list": one.via_list,
        "received_at": timestamp(one.received_at),
        "unfinished_step": step
        and {
            "step": step.step.value,
            "step_state": step.state.value,
            "tries": step.tries,
            "next_try_at": timestamp(step.ready_at) if step.state is State.WAITING else None,
        },
    }


def add_to(app: typer.Typer) -> None:
    app.command()(ledger)
