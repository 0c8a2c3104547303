"""The mail that is answered: read in Gmail when it is needed, kept nowhere; it says who gets the answer (H45)."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC

from domain.connections import Connection
from domain.crm.contacts import hits
from domain.errors import AccessRevoked, GiveUp, Refused, TryAgain
from domain.mail.answers import answered, quoted
from domain.mail.composition import NEWEST, MailRequest, Person, RepliedMail
from domain.mail.content import MailContent
from domain.mail.folders import Folder
from domain.mail.messages import Direction, MailClass, people
from domain.sorting import zone
from handlers.context import Context, with_mailbox
from handlers.live_view import live
from handlers.live_view.merged import SIGN_IN_NEEDED, VisibleMail

_PAGE = 10
_MOST_PAGES = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """Which mail is answered, who gets the answer, and what it says with that mail quoted below."""

    message_id: str
    original: RepliedMail
    to: tuple[Person, ...] = field(repr=False)
    cc: tuple[Person, ...] = field(repr=False)
    text: str = field(repr=False)


def prepare(written: MailRequest, connection: Connection, address: str, context: Context) -> Answer:
    """`address` is the mailbox's own. Raises Refused, and what `Mailbox` raises."""
    with context.store.begin("answers.look", reads_only=True) as tx:
        own = tx.mailboxes.own_addresses(connection.mailbox_id)
        organisation = tx.of(connection.location).settings.get()
    if written.reply_to == NEWEST:
        letter = _newest(written, connection, address, own, context)
    else:
        letter = _named(written, connection, own, context)
    fields = letter.fields()
    whom = answered(letter.message(own), fields, own, everybody=written.to_all)
    first = {name: fields.get(name, ("",))[0] for name in ("message-id", "references", "subject")}
    text = written.text
    if written.quote:
        moment = letter.received_at.astimezone(zone(organisation.time_zone) or UTC)
        text = quoted(text, letter.text(), letter.header("From"), moment)
    return Answer(
        letter.message_id,
        RepliedMail(letter.thread_id, first["message-id"], first["references"], first["subject"]),
        tuple(map(Person, whom.to)),
        tuple(map(Person, whom.cc)),
        text,
    )


def _named(
    written: MailRequest, connection: Connection, own: frozenset[str], context: Context
) -> MailContent:
    """The mail that was chosen. Where a contact is named it must be one that he takes part in."""
    message_id = written.reply_to or ""
    letter = _read(message_id, connection, context)
    if letter is None:
        raise Refused(f"there is no mail {message_id} in the mailbox to answer")
    if letter.folder is Folder.DRAFTS:
        raise Refused(f"mail {message_id} is a draft: there is nothing to answer yet")
    if written.contact_id and not _theirs(
        people(letter.message(own)), written.contact_id, connection, context
    ):
        raise Refused(f"contact {written.contact_id} takes no part in mail {message_id}: leave --to out")
    return letter


def _newest(
    written: MailRequest, connection: Connection, address: str, own: frozenset[str], context: Context
) -> MailContent:
    """The newest mail that a person of the contact has written (D16), as the contact's page would show it."""
    if written.contact_id is None:
        raise Refused("name the contact whose mail this answers: --to CONTACT")
    place = None
    for _ in range(_MOST_PAGES):
        page = live.show(
            written.contact_id,
            written.user_id,
            context,
            limit=_PAGE,
            place=place,
            mailbox=address,
            location=connection.location,
        )
        for asked in page.asked:
            if asked.trouble:
                raise (
                    AccessRevoked(SIGN_IN_NEEDED)
                    if asked.trouble == SIGN_IN_NEEDED
                    else TryAgain(asked.trouble)
                )
        for shown in _candidates(page.mails, written.contact_id, connection, own, context):
            letter = _read(shown.letter.message_id, connection, context)
            if letter is not None and letter.message(own).mail_class is MailClass.HUMAN:
                return letter
        place = page.place
        if place is None:
            break
    raise Refused(
        f"contact {written.contact_id} has written nothing lately that could be answered: name a mail with --reply-to"
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
        message = shown.letter.message(own)
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
    answer = with_mailbox((connection,), context, lambda gmail: [gmail.letter(message_id)])
    if answer is None:
        raise AccessRevoked(SIGN_IN_NEEDED)
    [letter] = answer
    if isinstance(letter, TryAgain | GiveUp):
        raise letter
    return letter
