"""The mail that is answered: read in its mailbox when it is needed, kept nowhere. It says who gets the answer (H45)."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC

from domain.connections.connections import Connection
from domain.crm.contacts import hits
from domain.crm.organisations import zone
from domain.errors import AccessRevoked, GiveUp, Refused, TryAgain
from domain.mail.composition import NEWEST, MailRequest, Person, RepliedMail
from domain.mail.content import MailContent
from domain.mail.folders import Folder
from domain.mail.messages import Direction, MailClass, people
from domain.mail.replies import quoted, reply_recipients
from handlers.context import Context
from handlers.live_view import live
from handlers.live_view.mailbox_mail import VisibleMail
from handlers.live_view.views import SIGN_IN_NEEDED
from handlers.outbox import kept_mail
from handlers.outbox.kept_mail import AnsweredMail
from handlers.sessions import with_mailbox

_PAGE = 10
_MOST_PAGES = 5


@dataclass(frozen=True, slots=True)
class Reply:
    """Which mail is answered, who gets the answer, and what it says with that mail quoted below. `kept` is that mail
    where it is one of a conversation that the user has named."""

    original: RepliedMail
    to: tuple[Person, ...] = field(repr=False)
    cc: tuple[Person, ...] = field(repr=False)
    text: str = field(repr=False)
    kept: AnsweredMail | None = None


def prepare(request: MailRequest, connection: Connection, address: str, context: Context) -> Reply:
    """`address` is the mailbox's own. Raises Refused, and what `Mailbox` raises."""
    with context.store.begin("answers.look", reads_only=True) as tx:
        own = tx.mailboxes.own_addresses(connection.mailbox_id)
        organisation = tx.of(connection.location).settings.get()
    kept = None
    if request.conversation_id is not None:
        kept = kept_mail.read(request, request.conversation_id, connection, context)
        mail = kept.content
    elif request.reply_to == NEWEST:
        mail = _newest(request, connection, address, own, context)
    else:
        mail = _named(request, connection, own, context)
    fields = mail.fields()
    recipients = reply_recipients(mail.message(own), fields, own, to_all=request.to_all)
    first = {name: fields.get(name, ("",))[0] for name in ("message-id", "references", "subject")}
    text = request.text
    if request.quote:
        moment = mail.received_at.astimezone(zone(organisation.time_zone) or UTC)
        text = quoted(text, mail.text(), mail.header("From"), moment)
    original = RepliedMail(
        mail.message_id, mail.thread_id, first["message-id"], first["references"], first["subject"]
    )
    return Reply(original, tuple(map(Person, recipients.to)), tuple(map(Person, recipients.cc)), text, kept)


def _named(
    request: MailRequest, connection: Connection, own: frozenset[str], context: Context
) -> MailContent:
    """The mail that was chosen. Where a contact is named it must be one that he takes part in."""
    message_id = request.reply_to or ""
    mail = _read(message_id, connection, context)
    if mail is None:
        raise Refused(f"there is no mail {message_id} in the mailbox to answer")
    if mail.folder is Folder.DRAFTS:
        raise Refused(f"mail {message_id} is a draft: there is nothing to answer yet")
    if request.contact_id and not _theirs(people(mail.message(own)), request.contact_id, connection, context):
        raise Refused(f"contact {request.contact_id} takes no part in mail {message_id}: leave --to out")
    return mail


def _newest(
    request: MailRequest, connection: Connection, address: str, own: frozenset[str], context: Context
) -> MailContent:
    """The newest mail that a person of the contact has written (D16), as the contact's page would show it."""
    if request.contact_id is None:
        raise Refused("name the contact whose mail this answers: --to CONTACT")
    start = None
    for _ in range(_MOST_PAGES):
        page = live.show(
            request.contact_id,
            request.user_id,
            context,
            limit=_PAGE,
            start=start,
            mailbox=address,
            location=connection.location,
        )
        for one in page.mailboxes:
            if one.trouble:
                raise (
                    AccessRevoked(SIGN_IN_NEEDED) if one.trouble == SIGN_IN_NEEDED else TryAgain(one.trouble)
                )
        for shown in _candidates(page.mails, request.contact_id, connection, own, context):
            mail = _read(shown.content.message_id, connection, context)
            if mail is not None and mail.message(own).mail_class is MailClass.HUMAN:
                return mail
        start = page.next_page
        if start is None:
            break
    raise Refused(
        f"contact {request.contact_id} has written nothing lately that could be answered: name a mail with --reply-to"
    )


def _candidates(
    mails: Collection[VisibleMail],
    contact_id: str,
    connection: Connection,
    own: frozenset[str],
    context: Context,
) -> list[VisibleMail]:
    """A preview does not show all that tells a mail's class, but enough to pass over most automatic mail."""
    found = []
    for shown in mails:
        message = shown.content.message(own)
        if (
            shown.direction is Direction.INBOUND
            and message.mail_class is MailClass.HUMAN
            and message.author
            and _theirs([message.author], contact_id, connection, context)
        ):
            found.append(shown)
    return found


def _theirs(addresses: Collection[str], contact_id: str, connection: Connection, context: Context) -> bool:
    """Whether one of the addresses is the contact's now (D5, Z45)."""
    with context.store.begin("answers.look", reads_only=True) as tx:
        known = tx.of(connection.location).contacts.candidates(addresses)
    return any(hit.contact.id == contact_id for address in addresses for hit in hits(address, known))


def _read(message_id: str, connection: Connection, context: Context) -> MailContent | None:
    answer = with_mailbox((connection,), context, lambda mailbox: [mailbox.content(message_id)])
    if answer is None:
        raise AccessRevoked(SIGN_IN_NEEDED)
    [mail] = answer
    if isinstance(mail, TryAgain | GiveUp):
        raise mail
    return mail
