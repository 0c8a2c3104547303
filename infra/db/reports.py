"""Reading for people: how the mailboxes stand, what became of a mail, who has written (Z25)."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, case, exists, func, select, union

from domain.addresses import loose
from domain.connections import ConnectionState
from domain.contacts import Kind, MatchedBy
from domain.labels import LABEL_NAMES, Category, Deal, DealCategory, LabelChange
from domain.ledger import State, Step
from domain.notifications import NoticeKind
from domain.outcomes import Outcome
from domain.reports import Bookmark, Entry, MailboxReport, Notice, Query, Totals
from domain.trails import Decided, DecidingDeal, Person, StepTaken, Trail
from infra.db.entries import UNDONE, entries, step_taken
from infra.db.schema import (
    connections,
    contact_addresses,
    contacts,
    deal_contacts,
    deals,
    decisions,
    mailboxes,
    messages,
    notifications,
    steps,
)

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
            connections.c.state == ConnectionState.ACTIVE.value,
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
        these = select(func.count(), func.count(mailboxes.c.paused_at), looked).select_from(mailboxes)
        these = these.join(users, users.c.mailbox_id == mailboxes.c.id, isouter=True)
        known, paused, looked_at = self._db.execute(these.where(*_named(mailbox))).one()
        due_at = looked_at and looked_at + timedelta(seconds=due_after)
        return Totals(known, paused, int(row[0]), int(row[1]), row[2], due_at)

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
                waiting.label("waiting"),
                set_aside.label("set_aside"),
                open_mail.c.oldest,
            )
            .join(users, users.c.mailbox_id == mailboxes.c.id, isouter=True)
            .join(open_mail, open_mail.c.mailbox_id == mailboxes.c.id, isouter=True)
            .where(*_named(mailbox))
            .order_by(
                lost.desc(),
                case((mailboxes.c.trouble.is_not(None), 0), else_=1),
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
                paused_at=row.paused_at,
                resting_until=row.resting_until,
                trouble=row.trouble,
                synced_at=row.synced_at,
                watch_until=row.watch_until,
                pushed_at=row.pushed_at,
                swept_at=row.swept_at,
                waiting=row.waiting,
                set_aside=row.set_aside,
                oldest_waiting_at=row.oldest,
            )
            for row in rows
        )

    def notices(self, user_id: str, after: int, limit: int | None = None) -> tuple[Notice, ...]:
        """The user's notifications with a higher id, in the order of their ids."""
        rows = self._db.execute(
            select(notifications, contacts.c.name)
            .join(contacts, contacts.c.id == notifications.c.contact_id, isouter=True)
            .where(notifications.c.user_id == user_id, notifications.c.id > after)
            .order_by(notifications.c.id)
            .limit(limit)
        )
        return tuple(
            Notice(
                row.id,
                NoticeKind(row.kind),
                row.late,
                row.name,
                row.author,
                row.received_at,
                row.gmail_id,
                row.contact_id,
            )
            for row in rows
        )

    def entries(self, query: Query, after: Bookmark | None, mails: int) -> tuple[Entry, ...]:
        """A page of the ledger: so many mails at most, the newest first, from after a place on."""
        return entries(self._db, query, after, mails)

    def trails(self, gmail_id: str, mailbox: str | None = None) -> tuple[Trail, ...]:
        """What the ledger holds of the mail, in every mailbox that has one of this id."""
        known = union(
            select(mailboxes.c.id)
            .join(messages, (messages.c.mailbox_id == mailboxes.c.id) & (messages.c.gmail_id == gmail_id))
            .where(*_named(mailbox)),
            select(mailboxes.c.id)
            .join(connections, connections.c.mailbox_id == mailboxes.c.id)
            .join(
                decisions,
                (decisions.c.connection_id == connections.c.id) & (decisions.c.gmail_id == gmail_id),
            )
            .where(*_named(mailbox)),
        )
        rows = self._db.execute(
            select(mailboxes, messages.c.came_by, messages.c.seen_at, messages.c.touched, messages.c.missing)
            .join(
                messages,
                (messages.c.mailbox_id == mailboxes.c.id) & (messages.c.gmail_id == gmail_id),
                isouter=True,
            )
            .where(mailboxes.c.id.in_(known))
            .order_by(mailboxes.c.address)
        ).all()
        return tuple(self._trail(row, gmail_id) for row in rows)

    def _trail(self, row: Row[Any], gmail_id: str) -> Trail:
        return Trail(
            mailbox_id=row.id,
            mailbox=row.address,
            gmail_id=gmail_id,
            label_names={
                label_id: LABEL_NAMES[Category(name)]
                for name, label_id in row.labels.items()
                if Category(name) in LABEL_NAMES
            },
            came_by=row.came_by,
            seen_at=row.seen_at,
            touched=bool(row.touched),
            missing=row.missing or 0,
            steps=self._steps(row.id, gmail_id),
            decided=self._decided(row.id, gmail_id),
            paused_at=row.paused_at,
        )

    def _steps(self, mailbox_id: int, gmail_id: str) -> tuple[StepTaken, ...]:
        rows = self._db.execute(
            select(steps).where(steps.c.mailbox_id == mailbox_id, steps.c.gmail_id == gmail_id)
        ).all()
        order = list(Step)
        return tuple(
            step_taken(row)
            for row in sorted(rows, key=lambda row: (row.connection_id, order.index(Step(row.step))))
        )

    def _decided(self, mailbox_id: int, gmail_id: str) -> tuple[Decided, ...]:
        rows = self._db.execute(
            select(
                decisions,
                connections.c.user_id,
                connections.c.dry_run,
                connections.c.sorting_trouble,
                contacts.c.kind,
                contacts.c.name,
                notifications.c.id.label("notification_id"),
            )
            .join(connections, connections.c.id == decisions.c.connection_id)
            .join(contacts, contacts.c.id == decisions.c.contact_id, isouter=True)
            .join(
                notifications,
                (notifications.c.connection_id == decisions.c.connection_id)
                & (notifications.c.gmail_id == decisions.c.gmail_id),
                isouter=True,
            )
            .where(connections.c.mailbox_id == mailbox_id, decisions.c.gmail_id == gmail_id)
            .order_by(decisions.c.connection_id)
        ).all()
        return tuple(self._read(row) for row in rows)

    def _read(self, row: Row[Any]) -> Decided:
        return Decided(
            connection_id=row.connection_id,
            user_id=row.user_id,
            dry_run=row.dry_run,
            outcome=Outcome(row.outcome) if row.outcome else None,
            person=Person(row.contact_id, Kind(row.kind) if row.kind else None, row.name)
            if row.contact_id
            else None,
            address=row.contact_address,
            matched_by=MatchedBy(row.matched_by) if row.matched_by else None,
            author=row.author,
            received_at=row.received_at,
            category=Category(row.category) if row.category else None,
            deal=self._deal(row) if row.deal_id else None,
            changed=_change(row.changed),
            notification_id=row.notification_id,
            undone_at=row.undone_at,
            sorting_trouble=row.sorting_trouble,
        )

    def _deal(self, row: Row[Any]) -> DecidingDeal:
        """The deal as it is now, and which of the records with the author's address it belongs to (E11)."""
        deal = self._db.execute(select(deals).where(deals.c.id == row.deal_id)).one_or_none()
        same_address = select(contact_addresses.c.contact_id).where(
            contact_addresses.c.loose == loose(row.contact_address or "")
        )
        key = deal_contacts.c.contact_id
        on_it = self._db.scalars(
            select(key)
            .where(deal_contacts.c.deal_id == row.deal_id, key.in_(same_address))
            .order_by(case((key == row.contact_id, 0), else_=1), key)
        ).first()
        now = Deal(deal.id, DealCategory(deal.category), deal.closing_date) if deal else None
        return DecidingDeal(row.deal_id, on_it, now)


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
        .where(UNDONE)
        .group_by(steps.c.mailbox_id)
    )
    return found.where(steps.c.mailbox_id.in_(_ids(mailbox))) if mailbox else found


def _sign_ins(mailbox: str | None) -> Select[Any]:
    """By mailbox: is anybody signed in for whom there is something to do, and has anybody's grant ended?"""
    works = (connections.c.state == ConnectionState.ACTIVE.value) & connections.c.magnet_since.is_not(None)
    lost = connections.c.state == ConnectionState.REAUTH_NEEDED.value
    found = select(
        connections.c.mailbox_id,
        func.max(case((works, 1), else_=0)).label("signed_in"),
        func.max(case((lost, 1), else_=0)).label("lost"),
    ).group_by(connections.c.mailbox_id)
    return found.where(connections.c.mailbox_id.in_(_ids(mailbox))) if mailbox else found


def _ids(mailbox: str) -> Select[tuple[int]]:
    return select(mailboxes.c.id).where(mailboxes.c.address == mailbox)


def _change(found: Mapping[str, list[str]] | None) -> LabelChange | None:
    return LabelChange(frozenset(found["added"]), frozenset(found["removed"])) if found else None
