"""A mail that a user writes in the CRM, as it would leave: who sends it, who gets it, what it answers (Z16, H45)."""

from dataclasses import dataclass, replace

from domain.connections import Connection, ConnectionState, MailboxState
from domain.crm.users import User
from domain.errors import AccessRevoked, Refused
from domain.mail.addresses import canonical
from domain.mail.composition import (
    MAX_NAME,
    MailKind,
    MailRequest,
    OutgoingMail,
    Person,
    Unsendable,
    answering,
    check,
)
from domain.outbox import NO_PERMISSION, SIGN_IN, hindrance, may_send
from handlers.context import Context
from handlers.crm.locations import Where, located
from handlers.outbox import answers
from handlers.outbox.answers import Answer
from handlers.ports.store import InLocation, Transaction

WAYS_OUT = {
    SIGN_IN: "sign in again: `lodestone connect --user {user}` (rule D15)",
    NO_PERMISSION: "user {user} has no permission for mail; the CRM's administrator gives it (rule Z6)",
}


@dataclass(frozen=True, slots=True)
class _Way:
    """Over which connection the mail goes, and who it is from and to."""

    connection: Connection
    sender: Person
    to: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A mail as it would leave: nothing of it is anywhere yet. `answers` is the Gmail id of the mail answered."""

    user_id: str
    contact_id: str | None
    connection: Connection
    mail: OutgoingMail
    answers: str | None = None

    @property
    def thread_id(self) -> str | None:
        return self.mail.answers.thread_id if self.mail.answers else None


def prepare(written: MailRequest, context: Context, location: Where = None) -> Prepared:
    """The mail with its recipients, and what it answers looked at in Gmail (H45). Raises as `ask` does."""
    with context.store.begin("sending.look", reads_only=True) as tx:
        way = _way(written, located(location, tx), tx)
    mail = OutgoingMail(
        way.sender, way.to, written.subject or "", written.text, written.cc, written.attachments
    )
    answer = None
    if written.reply_to is not None:
        try:
            answer = answers.prepare(written, way.connection, way.sender.address, context)
        except AccessRevoked:
            raise Refused(WAYS_OUT[SIGN_IN].format(user=written.user_id)) from None
    try:
        if answer is not None:
            mail = _as_answer(mail, answer, written.subject)
        check(mail)
    except Unsendable as error:
        raise Refused(str(error)) from None
    answered = answer.message_id if answer else None
    return Prepared(written.user_id, written.contact_id, way.connection, mail, answered)


def _as_answer(mail: OutgoingMail, answer: Answer, subject: str | None) -> OutgoingMail:
    """Whom the user has named himself counts instead. Nobody gets it twice."""
    to = mail.to or answer.to
    known = {canonical(one.address) for one in (*to, *mail.cc)}
    copies = (*mail.cc, *(one for one in answer.cc if one.address not in known))
    if not to:
        raise Unsendable("that mail names nobody to answer: name one with --to-address")
    return replace(
        mail,
        to=to,
        cc=copies,
        subject=answering(answer.original, subject),
        text=answer.text,
        answers=answer.original,
    )


def _way(written: MailRequest, here: InLocation, tx: Transaction) -> _Way:
    """Raises Refused for what may not be sent, or not by this user (D15, Z45)."""
    user_id = written.user_id
    if written.kind is not MailKind.INDIVIDUAL:
        raise Refused("only a mail that one user writes by hand goes through his mailbox (rule D15)")
    user = here.users.get(user_id)
    mine = [c for c in here.connections.of_user(user_id) if c.state is not ConnectionState.OFF]
    if not mine:
        raise Refused(
            f"user {user_id} has no mailbox connected: use the CRM's own provider, or `lodestone connect` (rule D15)"
        )
    if why := hindrance(mine[0], user):
        raise Refused(WAYS_OUT[why].format(user=user_id))
    if mine[0].grant is None or not may_send(mine[0].grant.scopes):
        raise Refused(
            f"Google lets us only read in this mailbox: `lodestone connect --user {user_id}` (rule Z9)"
        )
    mailbox = tx.mailboxes.get(mine[0].mailbox_id)
    if mailbox is None:
        raise Refused("the mailbox was disconnected meanwhile")
    return _Way(mine[0], _sender(mailbox, user), _recipients(written, here))


def _sender(mailbox: MailboxState, user: User | None) -> Person:
    """By the name that the CRM has for him, else by the one he shows in Gmail, which adds none by itself. Neither
    was written for this mail: what a header cannot hold is left out."""
    names = (_printable(name) for name in (user.name if user else "", mailbox.own_name))
    return Person(mailbox.address, next(filter(None, names), "")[:MAX_NAME])


def _printable(name: str) -> str:
    return "".join(char for char in name if char.isprintable()).strip()


def _recipients(written: MailRequest, here: InLocation) -> tuple[Person, ...]:
    """Addresses that the record has now (Z16); without a record any that the owner names (Z17a). Nobody yet where
    the mail that is answered has to say it (H45)."""
    if written.contact_id is None:
        return written.to
    if not here.contacts.may_open(written.contact_id, written.user_id):
        raise Refused(f"there is no contact {written.contact_id} that user {written.user_id} may open")
    if written.reply_to is not None and not written.to:
        return ()
    known = here.contacts.addresses_of(written.contact_id) or ()
    if not known:
        raise Refused(f"contact {written.contact_id} has no e-mail address")
    if not written.to and len(known) > 1:
        raise Refused(f"contact {written.contact_id} has {len(known)} addresses: name one with --to-address")
    for one in written.to:
        if canonical(one.address) not in known:
            raise Refused(f"contact {written.contact_id} does not have this address now")
    return written.to or (Person(known[0]),)
