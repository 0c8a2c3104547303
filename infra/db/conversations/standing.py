"""Whether a conversation goes on: a connection that has brought a mail of it is on (Part A, "active, dormant")."""

from typing import Any

from sqlalchemy import ColumnElement, and_, case, literal, select

from domain.conversations.standings import Standing
from infra.db.features import keeps_copies
from infra.db.sql import there_is
from infra.db.tables.connections import connections
from infra.db.tables.conversations import mail_sources, mails


def goes_on(location_id: Any, conversation_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Condition on a conversation. A connection that was ended leaves no row."""
    on = there_is(
        connections.c.id,
        connections.c.id == mail_sources.c.connection_id,
        connections.c.location_id == location_id,
        keeps_copies(),
    )
    return _lies(location_id, conversation_id, on)


def shown_state(
    location_id: Any, conversation_id: ColumnElement[str], state: ColumnElement[str]
) -> ColumnElement[str]:
    """The state that people are shown: one that is stored as active is dormant where it does not go on. What lies in no
    mailbox yet, because its first mail is being sent, is not."""
    ended = and_(
        state == Standing.ACTIVE.value,
        _lies(location_id, conversation_id),
        ~goes_on(location_id, conversation_id),
    )
    return case((ended, literal(Standing.DORMANT.value)), else_=state)


def _lies(
    location_id: Any, conversation_id: ColumnElement[str], *where: ColumnElement[bool]
) -> ColumnElement[bool]:
    """A mail of it lies in a mailbox. The newest are looked at first: of a long conversation that was woken, those of
    the connections before are all older."""
    source = there_is(
        mail_sources.c.mail_id,
        mail_sources.c.location_id == location_id,
        mail_sources.c.mail_id == mails.c.id,
        *where,
    )
    its = (mails.c.location_id == location_id, mails.c.conversation_id == conversation_id)
    newest = select(mails.c.id).where(*its, source).order_by(mails.c.received_at.desc(), mails.c.id.desc())
    return newest.limit(1).scalar_subquery().is_not(None)
