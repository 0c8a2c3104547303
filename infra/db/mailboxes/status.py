"""The state of mailboxes, in SQL: of all of them for the operator, or of those that a location has connected, as its
own connections have them.

The caller has named the location in the transaction's scope (T2).
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, case, exists, func, select

from domain.connections.connections import ConnectionState
from domain.crm.locations import Location
from domain.ledger import State
from domain.mailboxes.comparisons import Compared
from domain.reports import MailboxReport, Totals
from infra.db.features import works
from infra.db.mail.kept import STEPS, steps_of
from infra.db.mailboxes.mailboxes import watch_state
from infra.db.tables.connections import connections
from infra.db.tables.ledger import UNDONE, steps
from infra.db.tables.mail import messages
from infra.db.tables.mailboxes import mailboxes
from infra.db.types import db_now

_WAITS = steps.c.state.in_([State.WAITING.value, State.BLOCKED.value])


def all_mail(mailbox: str | None, location: Location | None = None) -> Select[Any]:
    """Over all mailboxes, or the one with this address: how many mails wait and are set aside, and since when the
    oldest waits, apart from mail that waits for its user or the operator."""
    open_mail = _open_mail(mailbox, location).subquery()
    signed_in = exists().where(
        connections.c.mailbox_id == open_mail.c.mailbox_id,
        works(),
        *_here(location),
        mailboxes.c.id == open_mail.c.mailbox_id,
        mailboxes.c.paused_at.is_(None),
    )
    return select(
        func.coalesce(func.sum(open_mail.c.waiting), 0),
        func.coalesce(func.sum(open_mail.c.set_aside), 0),
        func.min(case((signed_in, open_mail.c.oldest))),
    )


def all_mailboxes(mailbox: str | None, location: Location | None = None) -> Select[Any]:
    """The number of mailboxes, and of those with each trouble; and the last look at, or rest of, the mailbox for which
    that is longest ago."""
    users = _sign_ins(mailbox, location).subquery()
    synced, rests = mailboxes.c.synced_at, mailboxes.c.resting_until
    watched = (users.c.signed_in == 1) & mailboxes.c.paused_at.is_(None)
    looked = func.min(case((watched & (rests > synced), rests), (watched, synced)))
    none = mailboxes.c.watch_until.is_(None) & mailboxes.c.watch_trouble.is_not(None)
    expired = watched & ((mailboxes.c.watch_until <= db_now()) | none)
    counts = (
        *(func.count(), func.count(mailboxes.c.paused_at), func.count(users.c.unsorted)),
        func.count(case((expired, 1))),
        func.count(case((watched, mailboxes.c.refused_at))),
        func.coalesce(func.sum(mailboxes.c.mails_compared), 0),
        func.coalesce(func.sum(mailboxes.c.mails_late), 0),
        func.count(users.c.refused),
    )
    these = select(*counts, looked).select_from(mailboxes)
    these = these.join(users, users.c.mailbox_id == mailboxes.c.id, isouter=location is None)
    return these.where(*_named(mailbox))


def totals(mail: Any, counted: Any, due_after: float) -> Totals:
    """The totals of the rows of `all_mail` and `all_mailboxes`. A mailbox is due `due_after` seconds after its last
    look or its rest."""
    waiting, set_aside, oldest = mail
    known, paused, unsorted, unwatched, unusable, compared, late, refused, looked_at = counted
    return Totals(
        known,
        paused,
        int(waiting),
        int(set_aside),
        oldest,
        looked_at and looked_at + timedelta(seconds=due_after),
        unsorted,
        unwatched,
        unusable,
        Compared(int(compared), int(late)),
        refused,
    )


def each(mailbox: str | None, limit: int | None, location: Location | None = None) -> Select[Any]:
    """A row for each mailbox, those in trouble first."""
    open_mail = _open_mail(mailbox, location).subquery()
    users = _sign_ins(mailbox, location).subquery()
    waiting, set_aside = (func.coalesce(open_mail.c[name], 0) for name in ("waiting", "set_aside"))
    lost = func.coalesce(users.c.lost, 0)
    found = select(
        mailboxes,
        func.coalesce(users.c.signed_in, 0).label("signed_in"),
        lost.label("lost"),
        users.c.withdrawn,
        users.c.unsorted,
        users.c.refused,
        waiting.label("waiting"),
        set_aside.label("set_aside"),
        open_mail.c.oldest,
    )
    found = found.join(users, users.c.mailbox_id == mailboxes.c.id, isouter=location is None)
    found = found.join(open_mail, open_mail.c.mailbox_id == mailboxes.c.id, isouter=True)
    return (
        found.where(*_named(mailbox))
        .order_by(
            lost.desc(),
            case((mailboxes.c.trouble.is_not(None) | users.c.unsorted.is_not(None), 0), else_=1),
            set_aside.desc(),
            waiting.desc(),
            mailboxes.c.address,
        )
        .limit(limit)
    )


def report(row: Any) -> MailboxReport:
    """The report of a row of `each`."""
    return MailboxReport(
        address=row.address,
        signed_in=bool(row.signed_in),
        needs_sign_in=bool(row.lost),
        not_permitted=bool(row.withdrawn),
        paused_at=row.paused_at,
        resting_until=row.resting_until,
        trouble=row.trouble,
        sorting_trouble=row.unsorted,
        access_trouble=row.refused,
        synced_at=row.synced_at,
        watch_until=row.watch_until,
        pushed_at=row.pushed_at,
        swept_at=row.swept_at,
        waiting=row.waiting,
        set_aside=row.set_aside,
        oldest_waiting_at=row.oldest,
        history_refused_at=row.refused_at,
        compared=Compared(row.mails_compared, row.mails_late, row.compared_at),
        watch=watch_state(row),
    )


def _named(mailbox: str | None) -> Collection[ColumnElement[bool]]:
    return () if mailbox is None else (mailboxes.c.address == mailbox,)


def _here(location: Location | None) -> Collection[ColumnElement[bool]]:
    return () if location is None else (connections.c.location_id == location.id,)


def _open_mail(mailbox: str | None, location: Location | None) -> Select[Any]:
    """By mailbox: how many mails wait, how many are set aside, and since when the oldest waits."""
    waiting = case((_WAITS, steps.c.message_id))
    set_aside = case((steps.c.state == State.SET_ASIDE.value, steps.c.message_id))
    found = (
        select(
            steps.c.mailbox_id,
            func.count(waiting.distinct()).label("waiting"),
            func.count(set_aside.distinct()).label("set_aside"),
            func.min(case((_WAITS, messages.c.seen_at))).label("oldest"),
        )
        .join(
            messages,
            (messages.c.mailbox_id == steps.c.mailbox_id) & (messages.c.message_id == steps.c.message_id),
            isouter=True,
        )
        .where(UNDONE, STEPS if location is None else steps_of(location))
        .group_by(steps.c.mailbox_id)
    )
    return found.where(*_among(steps.c.mailbox_id, mailbox, location))


def _sign_ins(mailbox: str | None, location: Location | None) -> Select[Any]:
    """By mailbox: whether a user with a feature on is signed in, a grant has ended, or a permission is lost; why a
    user's mail is no longer sorted (E67), and why a service account is refused."""
    has_work = works()
    lost = connections.c.state == ConnectionState.REAUTH_NEEDED.value
    withdrawn = connections.c.state == ConnectionState.PAUSED.value
    found = select(
        connections.c.mailbox_id,
        func.max(case((has_work, 1), else_=0)).label("signed_in"),
        func.max(case((lost, 1), else_=0)).label("lost"),
        func.max(case((withdrawn, 1), else_=0)).label("withdrawn"),
        func.max(case((has_work, connections.c.sorting_trouble))).label("unsorted"),
        func.max(connections.c.access_trouble).label("refused"),
    ).group_by(connections.c.mailbox_id)
    return found.where(*_here(location), *_among(connections.c.mailbox_id, mailbox, None))


def _among(
    column: ColumnElement[int], mailbox: str | None, location: Location | None
) -> Collection[ColumnElement[bool]]:
    """Restrict to these mailboxes, by their index, however many others there are."""
    these: list[ColumnElement[bool]] = []
    if mailbox is not None:
        these.append(column.in_(select(mailboxes.c.id).where(mailboxes.c.address == mailbox)))
    if location is not None:
        these.append(column.in_(select(connections.c.mailbox_id).where(*_here(location))))
    return these
