"""What a location's users read of its conversations (D1, H41, H52)."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, literal, select, tuple_

from domain.conversations.lists import Bookmark, Choice, ListedConversation
from domain.conversations.reading import (
    KeptFile,
    KeptMail,
    KeptParticipant,
    OpenConversation,
    in_written_order,
)
from domain.conversations.states import MailState
from domain.crm.locations import Location
from domain.mail.classes import MailClass
from domain.mail.copied import FileState, Role
from domain.mail.delivery_reports import Action
from domain.mail.messages import Direction
from infra.db.conversations import lists
from infra.db.conversations.answers import answered_by
from infra.db.conversations.standing import shown_state
from infra.db.crm.merges import is_merge_of, person_of, whose
from infra.db.sql import insert_new
from infra.db.tables.conversations import conversations, files, mails, participants, readings
from infra.db.tables.crm import contacts, merges
from infra.db.types import Instant, db_now


class ConversationReadRepository:
    """The conversations of one location within one transaction."""

    def __init__(self, db: Connection, location: Location) -> None:
        self._db = db
        self._location = location

    def page(
        self, viewer_id: str, choice: Choice, contact_id: str | None, before: Bookmark | None, limit: int
    ) -> tuple[ListedConversation, ...]:
        these = lists.page(self._location.id, viewer_id, choice, contact_id, before, limit)
        return tuple(map(lists.read, self._db.execute(these)))

    def get(self, conversation_id: str, viewer_id: str) -> OpenConversation | None:
        state = shown_state(self._location.id, conversations.c.id, conversations.c.state)
        this = lists.visible(self._location.id, viewer_id).add_columns(state.label("shown_state"))
        this = this.where(conversations.c.id == conversation_id)
        row = self._db.execute(this).one_or_none()
        return None if row is None else _conversation(row)

    def mails(
        self, conversation_id: str, viewer_id: str, after: KeptMail | None, limit: int
    ) -> tuple[KeptMail, ...]:
        here = self._location.id
        for_him = lists.concerns(here, viewer_id, contacts.c.assigned_to)
        found = (
            select(mails, (lists.unread(viewer_id) & for_him).label("is_new"))
            .join(
                conversations,
                (conversations.c.location_id == here) & (conversations.c.id == mails.c.conversation_id),
            )
            .outerjoin(merges, is_merge_of(here, conversations.c.contact_id))
            .join(contacts, person_of(here, conversations.c.contact_id))
            .where(mails.c.location_id == here, mails.c.conversation_id == conversation_id)
        )
        if after is not None:
            place = tuple_(literal(after.received_at, Instant()), literal(after.id))
            found = found.where(tuple_(mails.c.received_at, mails.c.id) > place)
        rows = self._db.execute(found.order_by(mails.c.received_at, mails.c.id).limit(limit)).all()
        ids = [row.id for row in rows]
        people, attached, answers = self._participants(ids), self._files(ids), self._answered_by(ids)
        return tuple(
            _mail(row, people.get(row.id, ()), attached.get(row.id, ()), answers.get(row.id, ()))
            for row in rows
        )

    def keep_read(self, mail_ids: Collection[str], user_id: str) -> None:
        rows = [
            {"location_id": self._location.id, "mail_id": one, "user_id": user_id} for one in sorted(mail_ids)
        ]
        insert_new(self._db, readings, rows, read_at=db_now())

    def _participants(self, mail_ids: Sequence[str]) -> dict[str, list[KeptParticipant]]:
        """By mail, in the order of its headers."""
        found: dict[str, list[KeptParticipant]] = {}
        its = (participants.c.location_id == self._location.id, participants.c.mail_id.in_(mail_ids))
        whose_it_is = whose(participants.c.contact_id)
        rows = self._db.execute(
            select(participants, whose_it_is.label("whose"))
            .outerjoin(merges, is_merge_of(self._location.id, participants.c.contact_id))
            .where(*its)
            .order_by(participants.c.mail_id, participants.c.position)
        )
        for row in rows:
            found.setdefault(row.mail_id, []).append(
                KeptParticipant(
                    Role(row.role), row.address, row.name, row.whose, row.delivery and Action(row.delivery)
                )
            )
        return found

    def _answered_by(self, mail_ids: Sequence[str]) -> dict[str, list[str | None]]:
        """By mail from the CRM the authors of its answers."""
        found: dict[str, list[str | None]] = {}
        for row in self._db.execute(answered_by(self._location.id, mail_ids)):
            found.setdefault(row.id, []).append(row.author)
        return found

    def _files(self, mail_ids: Sequence[str]) -> dict[str, list[KeptFile]]:
        """By mail, in written order."""
        found: dict[str, list[KeptFile]] = {}
        its = (files.c.location_id == self._location.id, files.c.mail_id.in_(mail_ids))
        rows = self._db.execute(select(files).where(*its)).all()
        for row in sorted(rows, key=lambda row: in_written_order(row.part)):
            found.setdefault(row.mail_id, []).append(
                KeptFile(
                    part=row.part,
                    name=row.name,
                    claimed_type=row.claimed_type,
                    sniffed_type=row.sniffed_type,
                    size=row.size,
                    inline=row.inline,
                    state=FileState(row.state),
                    object=row.object,
                )
            )
        return found


def _conversation(row: Any) -> OpenConversation:
    return OpenConversation(
        id=row.id,
        contact_id=row.contact_id,
        contact_name=row.contact_name,
        state=row.shown_state,
        subject=row.subject,
        mails=row.mails,
        started_at=row.started_at,
        last_mail_at=row.last_mail_at,
    )


def _mail(
    row: Any,
    people: Sequence[KeptParticipant],
    attached: Sequence[KeptFile],
    answers: Sequence[str | None],
) -> KeptMail:
    return KeptMail(
        id=row.id,
        author=row.author,
        author_name=row.author_name,
        user_id=row.user_id,
        direction=Direction(row.direction),
        mail_class=MailClass(row.mail_class),
        automatic=row.automatic,
        via_list=row.via_list,
        subject=row.subject,
        preview=row.preview,
        rfc_message_id=row.rfc_message_id,
        object=row.object,
        state=row.state and MailState(row.state),
        reason=row.reason,
        answered_by=tuple(answers),
        sent_at=row.sent_at,
        received_at=row.received_at,
        is_new=bool(row.is_new),
        participants=tuple(people),
        files=tuple(attached),
    )
