"""The ledger's entries, the newest mail first, a page at a time."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, literal, select, tuple_

from domain.crm.locations import Location
from domain.ledger import State, Step
from domain.message_records import StepRecord
from domain.outcomes import Outcome
from domain.reports import Bookmark, LedgerEntry, LedgerQuery
from infra.db.mail.kept import DECISIONS, messages_of, steps_of
from infra.db.tables.connections import connections
from infra.db.tables.ledger import UNDONE, steps
from infra.db.tables.mail import decisions, messages
from infra.db.tables.mailboxes import mailboxes
from infra.db.types import Instant

_ORDER = (messages.c.seen_at, messages.c.mailbox_id, messages.c.message_id)
_FIRST = (State.SET_ASIDE, State.WAITING, State.BLOCKED)


def entries(
    db: Connection, location: Location, query: LedgerQuery, after: Bookmark | None, mails: int
) -> tuple[LedgerEntry, ...]:
    """The entries of up to `mails` mails, one for each connection. `after`: where the last page ended."""
    found = db.execute(page(location, query, after, mails)).all()
    keys = [(row.mailbox_id, row.message_id) for row in found]
    decided = _decided(db, location, keys, query.outcomes)
    unfinished = _unfinished(db, location, keys)
    return tuple(
        _entry(row, one, unfinished)
        for row in found
        for one in decided.get((row.mailbox_id, row.message_id), (None,))
    )


def step_taken(row: Row[Any]) -> StepRecord:
    """The record of a row of `steps`."""
    return StepRecord(
        step=Step(row.step),
        connection_id=row.connection_id,
        state=State(row.state),
        outcome=Outcome(row.outcome) if row.outcome else None,
        tries=row.attempts,
        units=row.units,
        seconds=row.seconds,
        shared_by=row.shared_by,
        ready_at=row.ready_at,
    )


def page(location: Location, query: LedgerQuery, after: Bookmark | None, mails: int) -> Select[Any]:
    """The mails of a page, the newest first."""
    found = select(messages, mailboxes.c.address).join(mailboxes, mailboxes.c.id == messages.c.mailbox_id)
    found = found.where(messages_of(location))
    if query.mailbox is not None:
        named = select(mailboxes.c.id).where(mailboxes.c.address == query.mailbox)
        found = found.where(messages.c.mailbox_id == named.scalar_subquery())
    if query.since is not None:
        found = found.where(messages.c.seen_at >= query.since)
    if query.until is not None:
        found = found.where(messages.c.seen_at < query.until)
    if query.outcomes:
        same = (
            decisions.c.mailbox_id == messages.c.mailbox_id,
            decisions.c.message_id == messages.c.message_id,
        )
        its = (connections.c.id == decisions.c.connection_id, connections.c.location_id == location.id)
        found = found.where(exists().where(*same, *its, decisions.c.outcome.in_(query.outcomes), DECISIONS))
    if query.states:
        open_mail = select(steps.c.mailbox_id, steps.c.message_id).where(
            UNDONE, steps.c.state.in_(query.states), steps_of(location)
        )
        found = found.where(tuple_(messages.c.mailbox_id, messages.c.message_id).in_(open_mail))
    if after is not None:
        seen_at = literal(after.seen_at, Instant())
        place = tuple_(seen_at, literal(after.mailbox_id), literal(after.message_id))
        found = found.where(messages.c.seen_at <= after.seen_at, tuple_(*_ORDER) < place)
    return found.order_by(*(column.desc() for column in _ORDER)).limit(mails)


def _decided(
    db: Connection, location: Location, keys: Sequence[tuple[int, str]], outcomes: Collection[Outcome]
) -> dict[tuple[int, str], list[Row[Any]]]:
    """By mail its decisions, with the user of each; with `outcomes` only those with one of them."""
    found = (
        select(decisions, connections.c.user_id)
        .join(connections, connections.c.id == decisions.c.connection_id)
        .where(connections.c.location_id == location.id)
        .where(tuple_(decisions.c.mailbox_id, decisions.c.message_id).in_(keys), DECISIONS)
        .order_by(decisions.c.connection_id)
    )
    rows = db.execute(found.where(decisions.c.outcome.in_(outcomes)) if outcomes else found)
    by_mail: dict[tuple[int, str], list[Row[Any]]] = {}
    for row in rows:
        by_mail.setdefault((row.mailbox_id, row.message_id), []).append(row)
    return by_mail


def _unfinished(
    db: Connection, location: Location, keys: Sequence[tuple[int, str]]
) -> dict[tuple[int, str, int], StepRecord]:
    """By mail and connection (0 before it is matched) its first unfinished step, one that was set aside before
    others."""
    these = tuple_(steps.c.mailbox_id, steps.c.message_id).in_(keys)
    rows = db.execute(select(steps).where(these, UNDONE, steps_of(location))).all()
    found: dict[tuple[int, str, int], StepRecord] = {}
    for row in sorted(rows, key=lambda row: _FIRST.index(State(row.state))):
        found.setdefault((row.mailbox_id, row.message_id, row.connection_id), step_taken(row))
    return found


def _entry(
    mail: Row[Any], decided: Row[Any] | None, unfinished: dict[tuple[int, str, int], StepRecord]
) -> LedgerEntry:
    mailbox_id, message_id = mail.mailbox_id, mail.message_id
    unmatched = unfinished.get((mailbox_id, message_id, 0))
    return LedgerEntry(
        bookmark=Bookmark(mail.seen_at, mailbox_id, message_id),
        mailbox=mail.address,
        came_by=mail.came_by,
        user_id=decided.user_id if decided else None,
        outcome=Outcome(decided.outcome) if decided and decided.outcome else None,
        author=decided.author if decided else None,
        received_at=decided.received_at if decided else None,
        unfinished=unfinished.get((mailbox_id, message_id, decided.connection_id), unmatched)
        if decided
        else unmatched,
        via_list=decided is not None and decided.via_list,
    )
