"""The conversations of a location as one of its users finds them: statements that ask for pages of them (D1, H52)."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    union,
    union_all,
)

from domain.connections.connections import ConnectionState
from domain.conversations.lists import Bookmark, Choice, ListedConversation
from domain.mail.messages import Direction
from infra.db.conversations.standing import shown_state
from infra.db.crm.contacts import may_be_opened_by
from infra.db.crm.merges import is_merge_of, is_merged, person_of, same_as
from infra.db.sql import there_is
from infra.db.tables.connections import connections
from infra.db.tables.conversations import HAS_FAILED, conversations, mail_sources, mails, readings
from infra.db.tables.crm import contacts, merges
from infra.db.types import Instant


def page(
    location_id: int,
    viewer_id: str,
    choice: Choice,
    contact_id: str | None,
    before: Bookmark | None,
    limit: int,
) -> Select[Any]:
    """A row for each conversation that the viewer may open, the newest first."""
    found = visible(location_id, viewer_id)
    last_mail_at: ColumnElement[Any] = conversations.c.last_mail_at
    if contact_id is not None:
        found = found.where(conversations.c.contact_id.in_(same_as(location_id, contact_id)))
        last_mail_at = last_mail_at + literal_column(
            "0"
        )  # its few are sorted: SQLite would walk all by their time
    match choice:
        case Choice.MINE:
            found = found.where(
                conversations.c.id.in_(
                    union(_owned(location_id, viewer_id), _brought(location_id, viewer_id))
                )
            )
        case Choice.NEW:
            found = found.where(conversations.c.id.in_(_with_new(location_id, viewer_id)))
        case Choice.FAILED:
            failed = select(mails.c.conversation_id).where(mails.c.location_id == location_id, HAS_FAILED)
            found = found.where(conversations.c.id.in_(failed))
    if before is not None:
        moment = literal(before.last_mail_at, Instant())
        place = tuple_(moment, literal(before.conversation_id))
        found = found.where(last_mail_at <= moment, tuple_(last_mail_at, conversations.c.id) < place)
    newest = (last_mail_at.desc(), conversations.c.id.desc())
    return _described(found.order_by(*newest).limit(limit).subquery("these"), location_id, viewer_id)


def visible(location_id: int, viewer_id: str) -> Select[Any]:
    """The conversations whose owner the viewer may open (D1), as `contact_id` the record that the owner counts for."""
    return (
        select(
            *(column for column in conversations.c if column.name != "contact_id"),
            contacts.c.id.label("contact_id"),
            contacts.c.name.label("contact_name"),
            contacts.c.assigned_to,
        )
        .select_from(conversations)
        .outerjoin(merges, is_merge_of(conversations.c.location_id, conversations.c.contact_id))
        .join(contacts, person_of(conversations.c.location_id, conversations.c.contact_id))
        .where(conversations.c.location_id == location_id, may_be_opened_by(viewer_id))
    )


def read(row: Any) -> ListedConversation:
    """The conversation of a row of `page`."""
    return ListedConversation(
        id=row.id,
        contact_id=row.contact_id,
        contact_name=row.contact_name,
        state=row.shown_state,
        subject=row.subject,
        author=row.author_name or row.author or "",
        direction=row.direction or "",
        preview=row.preview or "",
        mails=row.mails,
        new_mails=row.new_mails,
        failed_mails=row.failed_mails,
        started_at=row.started_at,
        last_mail_at=row.last_mail_at,
    )


def unread(viewer_id: str) -> ColumnElement[bool]:
    """Condition on `mails`: it came in, and the viewer has neither opened nor answered it."""
    its = (readings.c.location_id == mails.c.location_id, readings.c.mail_id == mails.c.id)
    return (mails.c.direction == Direction.INBOUND.value) & ~there_is(
        readings.c.mail_id, *its, readings.c.user_id == viewer_id
    )


def concerns(location_id: int, viewer_id: str, assigned_to: ColumnElement[Any]) -> ColumnElement[bool]:
    """Condition on `mails`: the viewer is the one whom its conversation's owner is assigned to, or has connected a
    mailbox in which it lies."""
    lies = (mail_sources.c.location_id == location_id, mail_sources.c.mail_id == mails.c.id)
    his = mail_sources.c.mailbox_id.in_(_mailboxes(location_id, viewer_id))
    return or_(assigned_to == viewer_id, there_is(mail_sources.c.mail_id, *lies, his))


def _mailboxes(location_id: int, viewer_id: str) -> Select[Any]:
    return select(connections.c.mailbox_id).where(
        connections.c.location_id == location_id,
        connections.c.user_id == viewer_id,
        connections.c.state != ConnectionState.OFF.value,
    )


def _owned(location_id: int, viewer_id: str) -> Select[Any]:
    """Ids of the conversations of contacts that are assigned to the viewer, and of records merged into them."""
    assigned = (
        contacts.c.location_id == location_id,
        contacts.c.assigned_to == viewer_id,
        ~is_merged().correlate(contacts),
    )
    merged = (merges.c.location_id == location_id) & (merges.c.counts_for == contacts.c.id)
    owners = union_all(
        select(contacts.c.id).where(*assigned),
        select(merges.c.record_id).select_from(contacts).join(merges, merged).where(*assigned),
    )
    return select(conversations.c.id).where(
        conversations.c.location_id == location_id, conversations.c.contact_id.in_(owners)
    )


def _brought(location_id: int, viewer_id: str) -> Select[Any]:
    """Ids of the conversations of which a mail lies in the viewer's own mailbox."""
    return (
        select(mails.c.conversation_id)
        .select_from(mail_sources)
        .join(mails, (mails.c.location_id == location_id) & (mails.c.id == mail_sources.c.mail_id))
        .where(mail_sources.c.location_id == location_id)
        .where(mail_sources.c.mailbox_id.in_(_mailboxes(location_id, viewer_id)))
    )


def _with_new(location_id: int, viewer_id: str) -> CompoundSelect[Any]:
    """Ids of the conversations with a mail that is new for the viewer: what it costs grows with what is his, not with
    the location."""
    owned = select(mails.c.conversation_id).where(
        mails.c.location_id == location_id, mails.c.conversation_id.in_(_owned(location_id, viewer_id))
    )
    return union(*(one.where(unread(viewer_id)) for one in (owned, _brought(location_id, viewer_id))))


def _described(these: Any, location_id: int, viewer_id: str) -> Select[Any]:
    """Each of these with its newest mail and its counts: for one page only."""
    its = (mails.c.location_id == location_id, mails.c.conversation_id == these.c.id)
    for_him = concerns(location_id, viewer_id, these.c.assigned_to)
    new = select(func.count()).select_from(mails).where(*its, unread(viewer_id), for_him)
    failed = select(func.count()).select_from(mails).where(*its, HAS_FAILED)
    last = mails.alias("last")
    newest = (
        select(mails.c.id)
        .where(*its)
        .order_by(mails.c.received_at.desc(), mails.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(
            these,
            shown_state(location_id, these.c.id, these.c.state).label("shown_state"),
            last.c.author,
            last.c.author_name,
            last.c.direction,
            last.c.preview,
            new.correlate(these).scalar_subquery().label("new_mails"),
            failed.correlate(these).scalar_subquery().label("failed_mails"),
        )
        .select_from(these)
        .outerjoin(last, (last.c.location_id == location_id) & (last.c.id == newest))
        .order_by(these.c.last_mail_at.desc(), these.c.id.desc())
    )
