"""A mail from the CRM has its place in a conversation as soon as it is asked for, and shows what became of it there
(D6 row 2, D7 row 1a, H7, H40)."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from domain.connections.connections import Connection
from domain.conversations.correspondents import correspondents
from domain.conversations.events import EventKind, NewEvent
from domain.conversations.mails import CopiedFile, JoiningMail, NewConversation, Sought, Source
from domain.conversations.owner import owner
from domain.conversations.sent_mails import WrittenMail, identity_of
from domain.crm.contacts import ContactKind, best
from domain.errors import Refused
from domain.ids import ChannelId, ConnectionId, sortable_id
from domain.mail.content import MailContent
from domain.mail.copied import FileState, copied
from domain.mail.copies import to_bytes
from domain.mail.file_types import sniffed
from domain.mail.messages import Direction, Message
from domain.mail.outgoing import as_content
from domain.objects import Reserved
from domain.outbox import SWITCHED_OFF, OutboxItem, SendState, Sent
from handlers import copies
from handlers.context import Context
from handlers.outbox.preparing import Prepared
from handlers.people import People, look_up
from handlers.ports.store import InLocation, Transaction

_NOBODY: frozenset[ChannelId] = frozenset()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mail that is asked for goes: the mail of ours that it answers, and the conversation that one is in."""

    answers: str | None = None
    conversation_id: str | None = None


def find_place(prepared: Prepared, connection: Connection, here: InLocation) -> Place:
    """Its place, the conversation locked: to be called before its row in the outbox is written. Raises Refused where
    the conversation that the user has answered in is no more."""
    answers, original = prepared.answers, prepared.mail.replies_to
    if answers is None and original is not None:  # the user has named it as his mailbox knows it
        answers = here.sent_mails.lying_as(connection.mailbox_id, original.message_id)
    if answers is None:
        return Place()
    conversation_id = here.sent_mails.conversation_of(answers)
    if prepared.answers and conversation_id is None:
        raise Refused("the conversation was changed meanwhile: ask again")
    return Place(answers, conversation_id)


@dataclass(frozen=True, slots=True)
class Copy:
    """The mail as it is kept, and the objects that hold its text and its files, in written order."""

    content: MailContent
    objects: tuple[Reserved, ...]


def keep(prepared: Prepared, context: Context) -> Copy | None:
    """Put what the mail holds into the object store, before any row names it; None where no copies are kept. Raises
    ObjectsAway."""
    if not prepared.connection.keeps_copies:
        return None
    content = as_content(prepared.mail, datetime.now(UTC))
    those = (to_bytes(content.body), *(file.content for file in prepared.mail.attachments))
    organisation_id = prepared.connection.location.organisation_id
    return Copy(content, copies.keep(organisation_id, those, context))


def enter(
    prepared: Prepared, copy: Copy, item: OutboxItem, connection: Connection, place: Place, tx: Transaction
) -> frozenset[ChannelId]:
    """Add the mail to its conversation, or to a new one of the contact; to none where nobody on it is a contact. Asked
    for again it takes the place of the one that was not sent. Returns the channels that are to be woken."""
    here, now = tx.of(connection.location), tx.now()
    content = replace(copy.content, received_at=now)
    message = content.message(tx.mailboxes.own_addresses(connection.mailbox_id))
    people = look_up(connection.mailbox_id, connection.location, [message], tx, everybody=True)
    if place.answers:
        here.conversation_reading.keep_read([place.answers], prepared.user_id)
    before = here.sent_mails.written(item.id)
    if before:
        mail = _joining(before.id, before.conversation_id, content, message, people, item, connection)
        here.objects.released(here.sent_mails.ask_again(mail, prepared.user_id))
        _name(copy, mail, here)
        return _NOBODY
    contact_id = _owner(prepared, message, people)
    if place.conversation_id is None and contact_id is None:
        return _NOBODY
    conversation_id = place.conversation_id or sortable_id(now)
    mail = _joining(sortable_id(now), conversation_id, content, message, people, item, connection)
    kinds = [EventKind.MESSAGE_ADDED]
    if place.conversation_id is None and contact_id is not None:
        here.conversations.start(
            [NewConversation(conversation_id, contact_id, mail.sought.mail_id, mail.copied.subject, now)]
        )
        kinds.insert(0, EventKind.STARTED)
    here.sent_mails.add(mail, prepared.user_id, item.id)
    _name(copy, mail, here)
    its = WrittenMail(mail.sought.mail_id, conversation_id, prepared.user_id, item.id)
    return here.events.add(*(_event(kind, its) for kind in kinds))


def _joining(
    mail_id: str,
    conversation_id: str,
    content: MailContent,
    message: Message,
    people: People,
    item: OutboxItem,
    connection: Connection,
) -> JoiningMail:
    """Until its sent copy says more it is found by our key alone (H47)."""
    source = Source(connection.mailbox_id, "", connection.id, "", content.received_at)
    itself = identity_of(connection.mailbox_id, item.key)
    return JoiningMail(
        conversation_id,
        Sought(mail_id, itself, None, (), source, item.key),
        copied(content, message, is_own=True),
        message.author,
        Direction.OUTBOUND,
        message.mail_class,
        automatic=False,
        via_list=False,
        contacts={address: hit.contact.id for address, found in people.hits.items() if (hit := best(found))},
    )


def _name(copy: Copy, mail: JoiningMail, here: InLocation) -> None:
    """From now on the mail names what the store has of it."""
    here.objects.mark_used(copy.objects)
    text, *files = copy.objects
    mail_id = mail.sought.mail_id
    here.conversations.keep_contents({mail_id: text.name})
    for part, file, object_ in zip(copy.content.body.parts[1:], mail.copied.files, files, strict=False):
        kept = CopiedFile(
            file.place, FileState.KEPT, object_.name, sniffed(part.content or b""), len(part.content or b"")
        )
        here.conversations.keep_file(mail_id, kept)


def _owner(prepared: Prepared, message: Message, people: People) -> str | None:
    """Who is written to from his own page (D6 row 2), else the first contact in To, then Cc (row 5). A lead has no
    conversations."""
    contacts = {
        hit.contact.id
        for found in people.hits.values()
        for hit in found
        if hit.contact.kind is ContactKind.CONTACT
    }
    if prepared.contact_id in contacts:
        return prepared.contact_id
    found = owner(
        Direction.OUTBOUND, correspondents(message, people.hits, people.insiders, people.exclusions)
    )
    return found.contact.id if found else None


def finish(
    item: OutboxItem,
    me: str,
    state: SendState,
    connection: Connection | None,
    tx: Transaction,
    *,
    sent: Sent | None = None,
    reason: str | None = None,
) -> tuple[bool, frozenset[ChannelId]]:
    """It is sent, or has failed for good, and is shown so (H40). Returns whether it still belonged to the owner, and
    the channels that are to be woken."""
    here = tx.of(connection.location) if connection else None
    mail = here.sent_mails.written(item.id) if here else None
    sent_id = sent.message_id if sent else None
    if not tx.outbox.finish(item, me, state, sent_id=sent_id, reason=reason):
        return False, _NOBODY
    if here is None or mail is None:
        return True, _NOBODY
    if state is SendState.FAILED and here.sent_mails.failed(mail, reason):
        return True, here.events.add(_event(EventKind.FAILED, mail, reason))
    if state is SendState.SENT:
        here.sent_mails.sent(mail, _source(item, sent, tx))
    return True, here.events.add(_event(EventKind.SENT, mail))


def _source(item: OutboxItem, sent: Sent | None, tx: Transaction) -> Source | None:
    """Where it lies. Where the thread is not known the sent copy tells."""
    if sent is None or sent.thread_id is None:
        return None
    return Source(item.mailbox_id, sent.message_id, item.connection_id, sent.thread_id, tx.now())


def give_up(connection_id: ConnectionId, here: InLocation) -> None:
    """Nothing is sent over this connection any more: to be called before its rows in the outbox are deleted."""
    failed = here.sent_mails.give_up(connection_id, SWITCHED_OFF)
    here.events.add(*(_event(EventKind.FAILED, mail, SWITCHED_OFF) for mail in failed))


def _event(kind: EventKind, mail: WrittenMail, reason: str | None = None) -> NewEvent:
    way = Direction.OUTBOUND
    return NewEvent(kind, mail.conversation_id, mail.id, way, mail.user_id, mail.sending_id, reason)
