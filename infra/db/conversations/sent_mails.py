"""Mail from the CRM in the conversations of a location (H7, H40, H45)."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, case, delete, literal, select, update

from domain.conversations.mails import JoiningMail, Source
from domain.conversations.sent_mails import AnswerableMail, ReportedMail, WrittenMail
from domain.conversations.standings import Standing
from domain.conversations.states import MailState
from domain.crm.locations import Location
from domain.ids import ConnectionId, MailboxId
from domain.mail.classes import MailClass
from domain.mail.copied import FileState, Role
from domain.mail.delivery_reports import Action
from domain.mail.messages import Direction
from infra.db.conversations import rows
from infra.db.conversations.statements import NOT_SENT, OBJECTS_OF
from infra.db.sql import insert_new, lock
from infra.db.tables.conversations import (
    conversations,
    files,
    mail_sources,
    mails,
    participants,
)
from infra.db.tables.ledger import outbox
from infra.db.types import NOW

_LOOKS = 4
"""Looks for a conversation: one that ends between a look and its lock has gone into another one."""


class SentMailRepository:
    """Within one transaction."""

    def __init__(self, db: Connection, location: Location) -> None:
        self._db = db
        self._id = location.id

    def answerable(
        self, conversation_id: str, mail_id: str | None, mailbox_id: MailboxId
    ) -> AnswerableMail | None:
        its = (
            (mail_sources.c.location_id == self._id)
            & (mail_sources.c.mail_id == mails.c.id)
            & (mail_sources.c.mailbox_id == mailbox_id)
        )
        came_in = mails.c.direction == Direction.INBOUND.value
        row = self._db.execute(
            select(
                mails.c.id,
                mails.c.rfc_message_id,
                mails.c.object,
                mails.c.received_at,
                mail_sources.c.message_id,
                mail_sources.c.thread_id,
            )
            .select_from(mails)
            .outerjoin(mail_sources, its)
            .where(
                mails.c.location_id == self._id,
                mails.c.conversation_id == conversation_id,
                came_in & (mails.c.mail_class == MailClass.HUMAN.value)
                if mail_id is None
                else mails.c.id == mail_id,
                mails.c.taken_out_at.is_(None),
                mails.c.state.is_(None) | mails.c.state.not_in(NOT_SENT),
            )
            .order_by(mails.c.received_at.desc(), mails.c.id.desc())
            .limit(1)
        ).one_or_none()
        if row is None:
            return None
        where = (row.message_id or "", row.thread_id or "")
        return AnswerableMail(row.id, row.rfc_message_id, row.object, row.received_at, *where)

    def lying_as(self, mailbox_id: MailboxId, message_id: str) -> str | None:
        found: str | None = self._db.scalar(
            select(mail_sources.c.mail_id).where(
                mail_sources.c.location_id == self._id,
                mail_sources.c.mailbox_id == mailbox_id,
                mail_sources.c.message_id == message_id,
            )
        )
        return found

    def conversation_of(self, mail_id: str) -> str | None:
        return self._locked(mails.c.id == mail_id, conversations.c.state == Standing.ACTIVE.value)

    def written(self, sending_id: int) -> WrittenMail | None:
        its = (mails.c.location_id == self._id, mails.c.outbox_id == sending_id)
        if self._locked(*its) is None:
            return None
        row = self._db.execute(_WRITTEN.where(*its)).one_or_none()
        return _written(row) if row else None

    def _locked(self, *where: Any) -> str | None:
        """The conversation of a mail. Locked, then looked at again: in one statement PostgreSQL would read what was
        there before the wait."""
        look = (
            select(conversations.c.id)
            .join(
                mails,
                (mails.c.location_id == self._id) & (mails.c.conversation_id == conversations.c.id),
            )
            .where(conversations.c.location_id == self._id, *where)
        )
        for _ in range(_LOOKS):
            found: str | None = self._db.scalar(look)
            if found is None:
                return None
            lock(
                self._db, conversations, conversations.c.location_id == self._id, conversations.c.id == found
            )
            if self._db.scalar(look) == found:
                return found
        return None

    def add(self, mail: JoiningMail, user_id: str, sending_id: int) -> None:
        row = {**_row(self._id, mail, user_id), "outbox_id": sending_id}
        insert_new(self._db, mails, [row], added_at=NOW)
        self._add_parts(mail)
        at = literal(mail.sought.source.received_at, conversations.c.last_mail_at.type)
        last = case((conversations.c.last_mail_at < at, at), else_=conversations.c.last_mail_at)
        grown = update(conversations).where(
            conversations.c.location_id == self._id, conversations.c.id == mail.conversation_id
        )
        self._db.execute(grown.values(mails=conversations.c.mails + 1, last_mail_at=last, answered_here=True))

    def ask_again(self, mail: JoiningMail, user_id: str) -> frozenset[str]:
        named = self._db.scalars(OBJECTS_OF, {"here": self._id, "its": mail.sought.mail_id}).all()
        for table in (participants, files):
            its = (table.c.location_id == self._id, table.c.mail_id == mail.sought.mail_id)
            self._db.execute(delete(table).where(*its))
        row = _row(self._id, mail, user_id) | {"reason": None, "object": None}
        this = (mails.c.location_id == self._id, mails.c.id == mail.sought.mail_id)
        self._db.execute(update(mails).where(*this).values(row))
        self._add_parts(mail)
        return frozenset(named)

    def _add_parts(self, mail: JoiningMail) -> None:
        insert_new(self._db, participants, [*rows.of_people(self._id, mail)])
        insert_new(self._db, files, [*rows.of_files(self._id, mail)])

    def sent(self, mail: WrittenMail, source: Source | None) -> None:
        if source is not None:
            row = rows.of_source(self._id, source, mail.id)
            insert_new(self._db, mail_sources, [row])
        state = {"state": MailState.SENT.value, "reason": None}
        self._end(mails.c.id == mail.id, mails.c.state.in_(NOT_SENT), **state)

    def failed(self, mail: WrittenMail, reason: str | None) -> bool:
        state = {"state": MailState.FAILED.value, "reason": reason}
        if self._end(mails.c.id == mail.id, mails.c.state == MailState.SENDING.value, **state) == 0:
            return False
        its = (files.c.location_id == self._id, files.c.mail_id == mail.id)
        waiting = (*its, files.c.state == FileState.WAITING.value)
        self._db.execute(update(files).where(*waiting).values(state=FileState.GONE.value))
        return True

    def _end(self, *where: Any, **values: Any) -> int:
        this = (mails.c.location_id == self._id, *where)
        return self._db.execute(update(mails).where(*this).values(values)).rowcount

    def give_up(self, connection_id: ConnectionId, reason: str) -> tuple[WrittenMail, ...]:
        asked_for = select(outbox.c.id).where(outbox.c.connection_id == connection_id)
        on_its_way = self._db.scalars(asked_for.where(outbox.c.ended_at.is_(None))).all()
        its = (
            mails.c.location_id == self._id,
            mails.c.outbox_id.in_(on_its_way),
            mails.c.state == MailState.SENDING.value,
        )
        ids = select(mails.c.conversation_id).where(*its)
        lock(self._db, conversations, conversations.c.location_id == self._id, conversations.c.id.in_(ids))
        found = [_written(row) for row in self._db.execute(_WRITTEN.where(*its).order_by(mails.c.id))]
        return tuple(one for one in found if self.failed(one, reason))

    def reported(
        self, mailbox_id: MailboxId, keys: Collection[str], rfc_message_ids: Collection[str]
    ) -> tuple[ReportedMail, ...]:
        lies = select(mail_sources.c.mail_id).where(
            mail_sources.c.location_id == self._id,
            mail_sources.c.mail_id == mails.c.id,
            mail_sources.c.mailbox_id == mailbox_id,
        )
        its = outbox.c.mailbox_id == mailbox_id
        ours = self._db.scalars(select(outbox.c.id).where(outbox.c.key.in_(list(keys)), its)).all()
        named = (mails.c.rfc_message_id.in_(list(rfc_message_ids)), lies.exists())
        here = (mails.c.location_id == self._id, mails.c.direction == Direction.OUTBOUND.value)
        ids = select(mails.c.conversation_id).where(*here)
        either = (ids.where(mails.c.outbox_id.in_(ours)), ids.where(*named))
        wanted = {its for one in either for its in self._db.scalars(one)}
        these = (conversations.c.location_id == self._id, conversations.c.id.in_(sorted(wanted)))
        lock(self._db, conversations, *these)
        found = {
            row.id: row
            for where in ((mails.c.outbox_id.in_(ours),), named)
            for row in self._db.execute(_WRITTEN.where(*here, *where))
        }
        return tuple(self._reported(row) for _, row in sorted(found.items()))

    def _reported(self, row: Any) -> ReportedMail:
        recipients = self._db.scalars(
            select(participants.c.address)
            .where(participants.c.location_id == self._id, participants.c.mail_id == row.id)
            .where(participants.c.role != Role.FROM.value)
            .distinct()
        )
        its = (row.id, row.conversation_id, row.user_id, row.outbox_id)
        return ReportedMail(*its, tuple(sorted(recipients)))

    def mark(self, mail: ReportedMail, outcomes: Mapping[str, Action]) -> MailState | None:
        its = (
            participants.c.location_id == self._id,
            participants.c.mail_id == mail.id,
            participants.c.role != Role.FROM.value,
        )
        changed = 0
        for address, action in sorted(outcomes.items()):
            now = participants.c.delivery
            worse = now.in_([Action.DELAYED.value] if action is Action.FAILED else [])
            marked = update(participants).where(
                *its, participants.c.address == address, now.is_(None) | worse
            )
            changed += self._db.execute(marked.values(delivery=action.value)).rowcount
        if not changed:
            return None
        state = MailState.NOT_DELIVERED if Action.FAILED in outcomes.values() else MailState.DELAYED
        other = mails.c.state.is_distinct_from(MailState.NOT_DELIVERED.value)
        self._end(mails.c.id == mail.id, other, state=state.value)
        return state


_WRITTEN = select(mails.c.id, mails.c.conversation_id, mails.c.user_id, mails.c.outbox_id)


def _written(row: Any) -> WrittenMail:
    return WrittenMail(row.id, row.conversation_id, row.user_id, row.outbox_id)


def _row(location_id: int, mail: JoiningMail, user_id: str) -> dict[str, Any]:
    return rows.of_mail(location_id, mail) | {"user_id": user_id, "state": MailState.SENDING.value}
