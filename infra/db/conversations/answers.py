"""Who has answered a mail from the CRM, in SQL. The rule is that of `domain.conversations.states`."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, and_, or_, select

from domain.mail.classes import MailClass
from domain.mail.messages import Direction
from infra.db.tables.conversations import mail_links, mail_sources, mails

_answer = mails.alias("answer")
_named = mails.alias("named")
_lies = mail_sources.alias("lies")


def answered_by(location_id: int, mail_ids: Sequence[str]) -> Select[Any]:
    """Of those of these mails that were written in the CRM, who from outside has answered them by hand (H41): mail and
    author."""
    names_it = (
        select(mail_links.c.mail_id)
        .join(
            _named,
            (_named.c.location_id == location_id) & (_named.c.rfc_message_id == mail_links.c.rfc_message_id),
        )
        .where(
            mail_links.c.location_id == location_id,
            mail_links.c.mail_id == _answer.c.id,
            _named.c.conversation_id == mails.c.conversation_id,
            _named.c.received_at >= mails.c.received_at,
        )
        .correlate(mails, _answer)
        .limit(1)
        .scalar_subquery()
    )
    in_its_thread = (
        select(mail_sources.c.mail_id)
        .join(
            _lies,
            (_lies.c.location_id == location_id)
            & (_lies.c.mailbox_id == mail_sources.c.mailbox_id)
            & (_lies.c.thread_id == mail_sources.c.thread_id),
        )
        .where(
            mail_sources.c.location_id == location_id,
            mail_sources.c.mail_id == _answer.c.id,
            _lies.c.mail_id == mails.c.id,
        )
        .correlate(mails, _answer)
        .limit(1)
        .scalar_subquery()
    )
    its_answers = and_(
        _answer.c.location_id == location_id,
        _answer.c.conversation_id == mails.c.conversation_id,
        _answer.c.received_at > mails.c.received_at,
        _answer.c.direction == Direction.INBOUND.value,
        _answer.c.mail_class == MailClass.HUMAN.value,
    )
    return (
        select(mails.c.id, _answer.c.author)
        .join(_answer, its_answers)
        .where(mails.c.location_id == location_id, mails.c.id.in_(mail_ids), mails.c.outbox_id.is_not(None))
        .where(or_(names_it.is_not(None), in_its_thread.is_not(None)))
        .distinct()
    )
