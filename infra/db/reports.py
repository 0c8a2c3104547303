"""Reading for the operator: how all mailboxes stand, whosever they are."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, exists, func, select

from domain.comparisons import Compared
from domain.connections import ConnectionState
from domain.crm import Records
from domain.ledger import State
from domain.reports import MailboxReport, Totals
from infra.db.features import works
from infra.db.kept import DECISIONS, STEPS
from infra.db.mailboxes import watch_state
from infra.db.schema import (
    UNDONE,
    connections,
    deals,
    decisions,
    mailboxes,
    messages,
    organisations,
    outdated,
    settings,
    steps,
)
from infra.db.types import db_now

_WAITS = steps.c.state.in_([State.WAITING.value, State.BLOCKED.value])


class ReportRows:
    """Reports within one transaction; nothing here writes."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def totals(self, mailbox: str | None, due_after: float) -> Totals:
        """All mailboxes together, or one; each is due so many seconds after it was looked at, or has rested."""
        open_mail = _open_mail(mailbox).subquery()
        signed_in = exists().where(
            connections.c.mailbox_id == open_mail.c.mailbox_id,
            works(),
            mailboxes.c.id == open_mail.c.mailbox_id,
            mailboxes.c.paused_at.is_(None),
        )
        row = self._db.execute(
            select(
                func.coalesce(func.sum(open_mail.c.waiting), 0),
                func.coalesce(func.sum(open_mail.c.set_aside), 0),
                func.min(case((signed_in, open_mail.c.oldest))),
            )
        ).one()
        users = _sign_ins(mailbox).subquery()
        synced, rests = mailboxes.c.synced_at, mailboxes.c.resting_until
        watched = (users.c.signed_in == 1) & mailboxes.c.paused_at.is_(None)
        looked = func.min(case((watched & (rests > synced), rests), (watched, synced)))
        expired = watched & (mailboxes.c.watch_until <= db_now())
        counts = (
            *(func.count(), func.count(mailboxes.c.paused_at), func.count(users.c.unsorted)),
            func.count(case((expired, 1))),
            func.count(case((watched, mailboxes.c.refused_at))),
            func.coalesce(func.sum(mailboxes.c.mails_compared), 0),
            func.coalesce(func.sum(mailboxes.c.mails_late), 0),
            func.count(users.c.refused),
        )
        these = select(*counts, looked).select_from(mailboxes)
        these = these.join(users, users.c.mailbox_id == mailboxes.c.id, isouter=True)
        found = self._db.execute(these.where(*_named(mailbox))).one()
        known, paused, unsorted, unwatched, unusable, compared, late, refused, looked_at = found
        return Totals(
            known,
            paused,
            int(row[0]),
            int(row[1]),
            row[2],
            looked_at and looked_at + timedelta(seconds=due_after),
            unsorted,
            unwatched,
            unusable,
            Compared(int(compared), int(late)),
            refused,
        )

    def mailboxes(self, mailbox: str | None = None, limit: int | None = None) -> tuple[MailboxReport, ...]:
        """One mailbox, or all of them, those in trouble first."""
        open_mail = _open_mail(mailbox).subquery()
        users = _sign_ins(mailbox).subquery()
        waiting, set_aside = (func.coalesce(open_mail.c[name], 0) for name in ("waiting", "set_aside"))
        lost = func.coalesce(users.c.lost, 0)
        rows = self._db.execute(
            select(
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
            .join(users, users.c.mailbox_id == mailboxes.c.id, isouter=True)
            .join(open_mail, open_mail.c.mailbox_id == mailboxes.c.id, isouter=True)
            .where(*_named(mailbox))
            .order_by(
                lost.desc(),
                case((mailboxes.c.trouble.is_not(None) | users.c.unsorted.is_not(None), 0), else_=1),
                set_aside.desc(),
                waiting.desc(),
                mailboxes.c.address,
            )
            .limit(limit)
        )
        return tuple(
            MailboxReport(
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
            for row in rows
        )

    def changed_by_hand(
        self, since: datetime, mailbox_id: int | None = None
    ) -> Mapping[int, tuple[str, ...]]:
        """By mailbox: mail that sorting has changed since and the user after it, as far as history has told (I6)."""
        named = () if mailbox_id is None else (decisions.c.mailbox_id == mailbox_id,)
        rows = self._db.execute(
            select(decisions.c.mailbox_id, decisions.c.gmail_id)
            .join(
                messages,
                (messages.c.mailbox_id == decisions.c.mailbox_id)
                & (messages.c.gmail_id == decisions.c.gmail_id),
            )
            .where(
                decisions.c.changed.is_not(None),
                decisions.c.changed_at >= since,
                decisions.c.undone_at.is_(None),
                messages.c.touched,
                DECISIONS,
                *named,
            )
            .order_by(decisions.c.mailbox_id, decisions.c.gmail_id)
        )
        found: dict[int, list[str]] = {}
        for row in rows:
            found.setdefault(row.mailbox_id, []).append(row.gmail_id)
        return {mailbox_id: tuple(ids) for mailbox_id, ids in found.items()}

    def count_outdated(self) -> Mapping[Records, int]:
        """How many records of each kind are out of date, whosever they are."""
        rows = self._db.execute(select(outdated.c.kind, func.count()).group_by(outdated.c.kind))
        return {Records(kind): times for kind, times in rows}

    def zones(self, limit: int) -> Mapping[int, str | None]:
        """The time zones of the first so many organisations; None where none was set."""
        zone = and_(settings.c.organisation_id == organisations.c.id, settings.c.name == "time-zone")
        found = select(organisations.c.id, settings.c.value).outerjoin(settings, zone)
        rows = self._db.execute(found.order_by(organisations.c.id).limit(limit))
        return {row.id: row.value for row in rows}

    def uncategorised_stages(self, limit: int) -> tuple[Mapping[str, int], int]:
        """Stages that count as OPEN because they have no category, with the number of their deals, those with the most
        first; and how many such stages there are (E9)."""
        of = deals.c.uncategorised
        stages = self._db.scalar(select(func.count(deals.c.stage.distinct())).where(of)) or 0
        rows = self._db.execute(
            select(deals.c.stage, func.count())
            .where(of)
            .group_by(deals.c.stage)
            .order_by(func.count().desc(), deals.c.stage)
            .limit(limit)
        )
        return {row[0]: row[1] for row in rows}, stages


def _named(mailbox: str | None) -> Collection[ColumnElement[bool]]:
    return () if mailbox is None else (mailboxes.c.address == mailbox,)


def _open_mail(mailbox: str | None) -> Select[Any]:
    """By mailbox: mails that wait, mails set aside, and since when the longest waits."""
    waiting = case((_WAITS, steps.c.gmail_id))
    set_aside = case((steps.c.state == State.SET_ASIDE.value, steps.c.gmail_id))
    found = (
        select(
            steps.c.mailbox_id,
            func.count(waiting.distinct()).label("waiting"),
            func.count(set_aside.distinct()).label("set_aside"),
            func.min(case((_WAITS, messages.c.seen_at))).label("oldest"),
        )
        .join(
            messages,
            (messages.c.mailbox_id == steps.c.mailbox_id) & (messages.c.gmail_id == steps.c.gmail_id),
            isouter=True,
        )
        .where(UNDONE, STEPS)
        .group_by(steps.c.mailbox_id)
    )
    return found.where(steps.c.mailbox_id.in_(_ids(mailbox))) if mailbox else found


def _sign_ins(mailbox: str | None) -> Select[Any]:
    """By mailbox: is anybody signed in for whom there is something to do, has anybody's grant ended, has anybody
    lost the permission, why is mail of anybody no longer sorted (E67), or his service account not let in?"""
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
    return found.where(connections.c.mailbox_id.in_(_ids(mailbox))) if mailbox else found


def _ids(mailbox: str) -> Select[tuple[int]]:
    return select(mailboxes.c.id).where(mailboxes.c.address == mailbox)
