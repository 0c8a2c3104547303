"""The mail of a conversation that is answered: read from the copy that is kept of it (H45)."""

from dataclasses import dataclass, replace

from domain.connections.connections import Connection
from domain.conversations.sent_mails import AnswerableMail
from domain.errors import Refused, UnreadableObject
from domain.mail.composition import NEWEST, MailRequest
from domain.mail.content import MailContent, MimePart
from domain.mail.copies import UnreadableCopy, from_bytes
from domain.mail.folders import Folder
from handlers import copies
from handlers.context import Context


@dataclass(frozen=True, slots=True)
class AnsweredMail:
    """The mail, whole, as the mailbox has it that answers; `id` is ours. `contact_id` owns its conversation."""

    content: MailContent
    id: str
    contact_id: str


def read(
    request: MailRequest, conversation_id: str, connection: Connection, context: Context
) -> AnsweredMail:
    """The mail that the user has chosen, else the newest that came in and that a person has written. Raises Refused,
    also where its content cannot be read, and ObjectsAway."""
    chosen = None if request.reply_to in (None, NEWEST) else request.reply_to
    with context.store.begin("answers.look", reads_only=True) as tx:
        here = tx.of(connection.location)
        conversation = here.conversation_reading.get(conversation_id, request.user_id)
        if conversation is None:
            raise Refused(f"there is no conversation {conversation_id} that user {request.user_id} may open")
        mail = here.sent_mails.answerable(conversation_id, chosen, connection.mailbox_id)
    if mail is None and chosen is None:
        raise Refused(
            f"nobody has written in conversation {conversation_id} whom to answer: name a mail with --reply-to"
        )
    if mail is None:
        raise Refused(f"conversation {conversation_id} has no mail {chosen} that can be answered")
    body = _body(mail, connection, context)
    content = MailContent(mail.message_id, mail.thread_id, Folder.OTHER, mail.received_at, "", body)
    return AnsweredMail(content, mail.id, conversation.contact_id)


def _body(mail: AnswerableMail, connection: Connection, context: Context) -> MimePart:
    """A mail from the CRM got its Message-ID from the provider, which its copy may not have."""
    try:
        copy = mail.object and copies.read(connection.location.organisation_id, mail.object, context)
        body = from_bytes(copy) if copy else None
    except (UnreadableObject, UnreadableCopy):
        body = None
    if body is None:
        raise Refused(f"what mail {mail.id} says cannot be read now: answer another one, or try again later")
    if mail.rfc_message_id and not body.fields().get("message-id"):
        body = replace(body, headers=(*body.headers, ("Message-ID", f"<{mail.rfc_message_id}>")))
    return body
