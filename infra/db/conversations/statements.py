"""The statements of `ConversationRepository`, built once: see infra/db/ledger/statements.py."""

from typing import Any

from sqlalchemy import BigInteger, bindparam, case, delete, exists, func, or_, select, union, update

from domain.conversations.states import MailState
from infra.db.conversations.standing import goes_on
from infra.db.crm.merges import is_merge_of, person_of
from infra.db.tables.conversations import (
    conversations,
    files,
    mail_links,
    mail_sources,
    mails,
    participants,
    readings,
)
from infra.db.tables.crm import contacts, merges
from infra.db.tables.ledger import outbox

_HERE = bindparam("here", type_=BigInteger())
_OF_MAIL = (mails.c.location_id == _HERE) & (mails.c.id == mail_links.c.mail_id)
_OF_SOURCE = (mails.c.location_id == _HERE) & (mails.c.id == mail_sources.c.mail_id)
_OF_THREADS = (
    mail_sources.c.location_id == _HERE,
    mail_sources.c.mailbox_id == bindparam("mailbox"),
    mail_sources.c.thread_id.in_(bindparam("threads")),
)
SAME = select(mails.c.identity, mails.c.id, mails.c.conversation_id).where(
    mails.c.location_id == _HERE, mails.c.identity.in_(bindparam("identities"))
)
NAMED = select(mails.c.id, mails.c.conversation_id, mails.c.rfc_message_id).where(
    mails.c.location_id == _HERE, mails.c.rfc_message_id.in_(bindparam("ids"))
)
NAMING = (
    select(
        mails.c.id,
        mails.c.conversation_id,
        mails.c.rfc_message_id,
        mail_links.c.rfc_message_id.label("named"),
    )
    .select_from(mail_links)
    .join(mails, _OF_MAIL)
    .where(mail_links.c.location_id == _HERE, mail_links.c.rfc_message_id.in_(bindparam("ids")))
)
THREADS = (
    select(mail_sources.c.thread_id, mails.c.conversation_id, mails.c.subject)
    .select_from(mail_sources)
    .join(mails, _OF_SOURCE)
    .where(*_OF_THREADS)
    .distinct()
)
LOCK = (
    select(conversations.c.id)
    .where(conversations.c.location_id == _HERE, conversations.c.id.in_(bindparam("ids")))
    .order_by(conversations.c.id)
    .with_for_update()
)
_ROOT = mails.alias("root")
CONVERSATIONS = (
    select(
        conversations.c.id,
        conversations.c.state,
        conversations.c.root_id,
        conversations.c.answered_here,
        func.coalesce(_ROOT.c.received_at, conversations.c.started_at).label("root_at"),
        contacts.c.id.is_not(None).label("has_owner"),
        goes_on(_HERE, conversations.c.id).label("goes_on"),
    )
    .select_from(conversations)
    .outerjoin(_ROOT, (_ROOT.c.location_id == _HERE) & (_ROOT.c.id == conversations.c.root_id))
    .outerjoin(merges, is_merge_of(_HERE, conversations.c.contact_id))
    .outerjoin(contacts, person_of(_HERE, conversations.c.contact_id))
    .where(conversations.c.location_id == _HERE, conversations.c.id.in_(bindparam("ids")))
)
PEOPLE_OF_THREAD = (
    select(participants.c.address)
    .select_from(mail_sources)
    .join(mails, _OF_SOURCE)
    .join(
        participants,
        (participants.c.location_id == _HERE) & (participants.c.mail_id == mail_sources.c.mail_id),
    )
    .where(*_OF_THREADS, mails.c.conversation_id == bindparam("conversation"))
    .distinct()
)
THREAD_OF = select(mail_sources.c.thread_id).where(
    mail_sources.c.location_id == _HERE,
    mail_sources.c.mailbox_id == bindparam("mailbox"),
    mail_sources.c.message_id == bindparam("message"),
)
PARTICIPANTS = (
    select(participants.c.address)
    .select_from(mails)
    .join(participants, (participants.c.location_id == _HERE) & (participants.c.mail_id == mails.c.id))
    .where(mails.c.location_id == _HERE, mails.c.conversation_id == bindparam("conversation"))
    .distinct()
)
_NAMES_MAIL = mails.alias("named")
NAMES = (
    select(mail_links.c.mail_id, _NAMES_MAIL.c.id.label("named_id"))
    .select_from(mails)
    .join(mail_links, (mail_links.c.location_id == _HERE) & (mail_links.c.mail_id == mails.c.id))
    .join(
        _NAMES_MAIL,
        (_NAMES_MAIL.c.location_id == _HERE)
        & (_NAMES_MAIL.c.rfc_message_id == mail_links.c.rfc_message_id)
        & (_NAMES_MAIL.c.conversation_id == mails.c.conversation_id),
    )
    .where(mails.c.location_id == _HERE, mails.c.conversation_id.in_(bindparam("ids")))
)
CONTACTS_ON = (
    select(mails.c.direction, participants.c.role, participants.c.position, participants.c.contact_id)
    .select_from(mails)
    .join(participants, (participants.c.location_id == _HERE) & (participants.c.mail_id == mails.c.id))
    .where(
        mails.c.location_id == _HERE,
        mails.c.id == bindparam("mail"),
        participants.c.contact_id.is_not(None),
    )
)
NOT_SENT = (MailState.SENDING.value, MailState.FAILED.value)
OF_COPY = ("identity", "rfc_message_id", "sent_at", "received_at")
COMPLETE = (
    update(mails)
    .where(mails.c.location_id == _HERE, mails.c.id == bindparam("its"))
    .values({name: bindparam(f"new_{name}", type_=mails.c[name].type) for name in OF_COPY})
    .values(state=case((mails.c.state.in_(NOT_SENT), MailState.SENT.value), else_=mails.c.state), reason=None)
)
"""The sent copy is there, so it was sent, whatever was thought of it."""
SENT_AS = (
    select(mails.c.identity, mails.c.id, mails.c.conversation_id, outbox.c.key)
    .select_from(outbox)
    .join(mails, (mails.c.location_id == _HERE) & (mails.c.outbox_id == outbox.c.id))
    .where(outbox.c.key.in_(bindparam("keys")))
)
_OTHERS = conversations.alias("others")
_OF_OTHERS = (_OTHERS.c.location_id == _HERE) & _OTHERS.c.id.in_(bindparam("ids"))


def _over_others(value: Any) -> Any:
    return select(value).where(_OF_OTHERS).scalar_subquery()


_LATEST = _over_others(func.max(_OTHERS.c.last_mail_at))
_FIRST = _over_others(func.min(_OTHERS.c.started_at))
ABSORB = (
    update(conversations)
    .where(conversations.c.location_id == _HERE, conversations.c.id == bindparam("into"))
    .values(
        mails=conversations.c.mails + _over_others(func.sum(_OTHERS.c.mails)),
        last_mail_at=case(
            (conversations.c.last_mail_at < _LATEST, _LATEST), else_=conversations.c.last_mail_at
        ),
        started_at=case((conversations.c.started_at > _FIRST, _FIRST), else_=conversations.c.started_at),
        answered_here=or_(conversations.c.answered_here, exists().where(_OF_OTHERS, _OTHERS.c.answered_here)),
    )
)
_ONE_LESS = (
    update(conversations)
    .where(
        conversations.c.location_id == _HERE,
        conversations.c.id
        == select(mails.c.conversation_id)
        .where(mails.c.location_id == _HERE, mails.c.id == bindparam("its"))
        .scalar_subquery(),
    )
    .values(mails=conversations.c.mails - 1)
)
_LIES_THERE = (
    update(mail_sources)
    .where(mail_sources.c.location_id == _HERE, mail_sources.c.mail_id == bindparam("its"))
    .values(mail_id=bindparam("into"))
)
OBJECTS_OF = union(
    *(
        select(table.c.object).where(
            table.c.location_id == _HERE, its == bindparam("its"), table.c.object.is_not(None)
        )
        for table, its in ((mails, mails.c.id), (files, files.c.mail_id))
    )
)
UNITE = (
    _ONE_LESS,
    _LIES_THERE,
    *(
        delete(table).where(table.c.location_id == _HERE, table.c.mail_id == bindparam("its"))
        for table in (mail_links, participants, files, readings)
    ),
    delete(mails).where(mails.c.location_id == _HERE, mails.c.id == bindparam("its")),
)
MOVE = (
    update(mails)
    .where(mails.c.location_id == _HERE, mails.c.conversation_id.in_(bindparam("ids")))
    .values(conversation_id=bindparam("into"))
)
END = delete(conversations).where(
    conversations.c.location_id == _HERE, conversations.c.id.in_(bindparam("ids"))
)
_AT = bindparam("at", type_=conversations.c.last_mail_at.type)
GROW = (
    update(conversations)
    .where(conversations.c.location_id == _HERE, conversations.c.id == bindparam("its"))
    .values(
        root_id=bindparam("root"),
        mails=conversations.c.mails + bindparam("more"),
        last_mail_at=case((conversations.c.last_mail_at < _AT, _AT), else_=conversations.c.last_mail_at),
        contact_id=func.coalesce(bindparam("owner"), conversations.c.contact_id),
    )
)
