"""A mail that a user writes in the CRM, as it would leave: who sends it, who gets it, what it answers (Z16, H45)."""

from dataclasses import dataclass, replace

from domain.connections.connections import Connection, ConnectionState
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
    check,
    reply_subject,
)
from domain.mailboxes.state import MailboxState
from domain.outbox import MAY_NOT_CONNECT, SIGN_IN, hindrance, may_send
from domain.providers import Provider
from handlers.context import Context
from handlers.crm.locations import Where, located
from handlers.outbox import replies
from handlers.outbox.replies import Reply
from handlers.ports.store import InLocation, Transaction

WAYS_OUT = {
    SIGN_IN: "sign in again: `lodestone connect --user {user}` (rule D15)",
    MAY_NOT_CONNECT: "user {user} has no permission for mail; the CRM's administrator gives it (rule Z6)",
}


@dataclass(frozen=True, slots=True)
class _Way:
    """Over which connection the mail goes, by which provider, and who it is from and to."""

    connection: Connection
    provider: Provider
    sender: Person
    to: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A mail as it would leave: nothing of it is anywhere yet. `answers` is the mail of a conversation that it answers,
    where the user has named one."""

    user_id: str
    contact_id: str | None
    connection: Connection
    provider: Provider
    mail: OutgoingMail
    answers: str | None = None


def prepare(request: MailRequest, context: Context, location: Where = None) -> Prepared:
    """The mail with its recipients. What it answers is read in the mailbox, or from the copy that is kept of it (H45).
    Raises as `drafts.ask` does."""
    with context.store.begin("sending.look", reads_only=True) as tx:
        way = _way(request, located(location, tx), tx, context)
    mail = OutgoingMail(
        way.sender, way.to, request.subject or "", request.text, request.cc, request.attachments
    )
    reply = None
    if request.reply_to is not None or request.conversation_id is not None:
        try:
            reply = replies.prepare(request, way.connection, way.sender.address, context)
        except AccessRevoked:
            raise Refused(WAYS_OUT[SIGN_IN].format(user=request.user_id)) from None
    try:
        if reply is not None:
            mail = _as_reply(mail, reply, request.subject)
        check(mail, way.provider, kept=way.connection.keeps_copies)
    except Unsendable as error:
        raise Refused(str(error)) from None
    kept = reply.kept if reply else None
    return Prepared(
        request.user_id,
        kept.contact_id if kept else request.contact_id,
        way.connection,
        way.provider,
        mail,
        kept.id if kept else None,
    )


def _as_reply(mail: OutgoingMail, reply: Reply, subject: str | None) -> OutgoingMail:
    """Recipients whom the user has named count before those of the mail answered. Each gets it once."""
    to = mail.to or reply.to
    known = {canonical(one.address) for one in (*to, *mail.cc)}
    copies = (*mail.cc, *(one for one in reply.cc if one.address not in known))
    if not to:
        raise Unsendable("that mail names nobody to answer: name one with --to-address")
    return replace(
        mail,
        to=to,
        cc=copies,
        subject=reply_subject(reply.original, subject),
        text=reply.text,
        replies_to=reply.original,
    )


def _way(request: MailRequest, here: InLocation, tx: Transaction, context: Context) -> _Way:
    """Raises Refused for what may not be sent, or not by this user (D15, Z45)."""
    user_id = request.user_id
    if request.kind is not MailKind.INDIVIDUAL:
        raise Refused("only a mail that one user writes by hand goes through his mailbox (rule D15)")
    user = here.users.get(user_id)
    mine = [c for c in here.connections.of_user(user_id) if c.state is not ConnectionState.OFF]
    if not mine:
        raise Refused(
            f"user {user_id} has no mailbox connected: use the CRM's own provider, or `lodestone connect` (rule D15)"
        )
    if why := hindrance(mine[0], user):
        raise Refused(WAYS_OUT[why].format(user=user_id))
    grant = mine[0].grant
    if grant is None:
        raise Refused(WAYS_OUT[SIGN_IN].format(user=user_id))
    provider = context.about(grant)
    if not may_send(context.providers[grant.provider].permissions(grant)):
        raise Refused(
            f"{provider.company} lets us only read in this mailbox: `lodestone connect --user {user_id}` (rule Z9)"
        )
    mailbox = tx.mailboxes.get(mine[0].mailbox_id)
    if mailbox is None:
        raise Refused("the mailbox was disconnected meanwhile")
    return _Way(mine[0], provider, _sender(mailbox, user), _recipients(request, here))


def _sender(mailbox: MailboxState, user: User | None) -> Person:
    """By the name that the CRM has for him, else by the one that the provider shows beside his address. Neither was
    written for this mail: what a header cannot hold is left out."""
    names = (_printable(name) for name in (user.name if user else "", mailbox.own_name))
    return Person(mailbox.address, next(filter(None, names), "")[:MAX_NAME])


def _printable(name: str) -> str:
    return "".join(char for char in name if char.isprintable()).strip()


def _recipients(request: MailRequest, here: InLocation) -> tuple[Person, ...]:
    """Addresses that the record has now (Z16); without a record any that the owner names (Z17a). Empty where the mail
    that is answered is to say it (H45)."""
    if request.contact_id is None:
        return request.to
    if not here.contacts.may_open(request.contact_id, request.user_id):
        raise Refused(f"there is no contact {request.contact_id} that user {request.user_id} may open")
    if request.reply_to is not None and not request.to:
        return ()
    known = here.contacts.addresses_of(request.contact_id) or ()
    if not known:
        raise Refused(f"contact {request.contact_id} has no e-mail address")
    if not request.to and len(known) > 1:
        raise Refused(f"contact {request.contact_id} has {len(known)} addresses: name one with --to-address")
    for one in request.to:
        if canonical(one.address) not in known:
            raise Refused(f"contact {request.contact_id} does not have this address now")
    return request.to or (Person(known[0]),)
