"""Mail that a user writes in the CRM: handed to his Gmail as a draft at once, sent from there once (Z16, D15)."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from domain.addresses import canonical
from domain.connections import Connection, ConnectionState, MailboxState
from domain.errors import AccessRevoked, GiveUp, TryAgain, Unanswered
from domain.events import SendingDue
from domain.outbox import (
    NO_PERMISSION,
    SIGN_IN,
    Room,
    Sending,
    SendState,
    hindrance,
    key_of,
    may_send,
)
from domain.outgoing import (
    MAX_NAME,
    MailKind,
    Original,
    Outgoing,
    Person,
    Unsendable,
    Written,
    answering,
    encode,
)
from domain.users import User
from handlers.connections import Refused
from handlers.ports import Mailbox, Transaction
from handlers.work import Work, enter

log = structlog.get_logger()

_WAYS_OUT = {
    SIGN_IN: "sign in again: `lodestone connect --user {user}` (rule D15)",
    NO_PERMISSION: "user {user} has no permission for mail; the CRM's administrator gives it (rule Z6)",
}


def _nobody_looks(sent: int, total: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class _Way:
    """Over which connection the mail goes, and who it is from and to."""

    connection: Connection
    sender: Person
    to: tuple[Person, ...]


def ask(
    written: Written,
    work: Work,
    *,
    key: str | None = None,
    progress: Callable[[int, int], None] = _nobody_looks,
) -> Sending:
    """Hand a mail to Gmail's drafts; the sending itself follows. Returns its row in the outbox.

    With the same `key` of the same user it is handed over once, however often it is asked for: the row is that of
    the first time. `progress` is told how many bytes of how many have gone. Raises Refused before anything leaves,
    and what `Mailbox` raises; then nothing will be sent.
    """
    with work.store.begin("sending.look", reads_only=True) as tx:
        way = _way(written, tx)
    own_key = key_of(written.user_id, key)
    asked = enter((way.connection,), work, lambda gmail: _ask(written, way, own_key, gmail, work, progress))
    if asked is None:
        raise Refused(_WAYS_OUT[SIGN_IN].format(user=written.user_id))
    if asked.state is SendState.WAITING:
        _wake(asked.mailbox_id, work)
    return asked


def _way(written: Written, tx: Transaction) -> _Way:
    """Raises Refused for what may not be sent, or not by this user (D15, Z45)."""
    user_id = written.user_id
    if written.kind is not MailKind.INDIVIDUAL:
        raise Refused("only a mail that one user writes by hand goes through his mailbox (rule D15)")
    user = tx.users.get(user_id)
    mine = [c for c in tx.connections.of_user(user_id) if c.state is not ConnectionState.OFF]
    if not mine:
        raise Refused(
            f"user {user_id} has no mailbox connected: use the CRM's own provider, or `lodestone connect` (rule D15)"
        )
    if why := hindrance(mine[0], user):
        raise Refused(_WAYS_OUT[why].format(user=user_id))
    if mine[0].grant is None or not may_send(mine[0].grant.scopes):
        raise Refused(
            f"Google lets us only read in this mailbox: `lodestone connect --user {user_id}` (rule Z9)"
        )
    mailbox = tx.mailboxes.get(mine[0].mailbox_id)
    if mailbox is None:
        raise Refused("the mailbox was disconnected meanwhile")
    return _Way(mine[0], _sender(mailbox, user), _recipients(written, tx))


def _sender(mailbox: MailboxState, user: User | None) -> Person:
    """By the name that the CRM has for him, else by the one he shows in Gmail, which adds none by itself. Neither
    was written for this mail: what a header cannot hold is left out."""
    names = (_printable(name) for name in (user.name if user else "", mailbox.own_name))
    return Person(mailbox.address, next(filter(None, names), "")[:MAX_NAME])


def _printable(name: str) -> str:
    return "".join(char for char in name if char.isprintable()).strip()


def _recipients(written: Written, tx: Transaction) -> tuple[Person, ...]:
    """Addresses that the record has now (Z16); without a record any that the owner names (Z17a)."""
    if written.contact_id is None:
        return written.to
    if not tx.contacts.may_open(written.contact_id, written.user_id):
        raise Refused(f"there is no contact {written.contact_id} that user {written.user_id} may open")
    known = tx.contacts.addresses_of(written.contact_id) or ()
    if not known:
        raise Refused(f"contact {written.contact_id} has no e-mail address")
    if not written.to and len(known) > 1:
        raise Refused(f"contact {written.contact_id} has {len(known)} addresses: name one with --to-address")
    for one in written.to:
        if canonical(one.address) not in known:
            raise Refused(f"contact {written.contact_id} does not have this address now")
    return written.to or (Person(known[0]),)


def _ask(
    written: Written,
    way: _Way,
    key: str,
    gmail: Mailbox,
    work: Work,
    progress: Callable[[int, int], None],
) -> Sending:
    answers = _original(written, gmail)
    try:
        subject = answering(answers, written.subject) if answers else written.subject or ""
        raw = encode(
            Outgoing(way.sender, way.to, subject, written.text, written.cc, written.attachments, answers), key
        )
    except Unsendable as error:
        raise Refused(str(error)) from None
    sending, is_new = _reserve(written, way.connection, key, work)
    if is_new:
        _hand_over(sending, raw, answers.thread_id if answers else None, gmail, work, progress)
        return _now(sending, work)
    return sending


def _original(written: Written, gmail: Mailbox) -> Original | None:
    if written.reply_to is None:
        return None
    found = gmail.original(written.reply_to)
    if found is None:
        raise Refused(f"there is no mail {written.reply_to} in the mailbox to answer")
    return found


def _reserve(written: Written, connection: Connection, key: str, work: Work) -> tuple[Sending, bool]:
    """A row of the outbox, and whether it is new; it counts against the daily limit from now on.

    What Gmail has never had may be asked for again with its key.
    """
    with work.store.begin("sending.reserve") as tx:
        room = tx.outbox.room(connection.mailbox_id)
        known = tx.outbox.by_key(key)
        if known and known.state is SendState.DRAFTING:
            raise Refused("this mail is being handed over, or was interrupted: ask again in a few minutes")
        if known and (known.state is not SendState.FAILED or known.draft_id is not None):
            return known, False
        if known:
            tx.outbox.remove(known)
        now = tx.connections.get(connection.id)
        if room is None or now is None or hindrance(now, tx.users.get(written.user_id)):
            raise Refused("the connection was changed meanwhile: ask again")
        _check_room(room, work.daily_limit)
        added = tx.outbox.add(
            connection.mailbox_id, connection.id, written.contact_id, key, work.pace.hand_over
        )
        if added is None:
            raise Refused("this key is in use: choose another")
    return added, True


def _check_room(room: Room, limit: int) -> None:
    """Above the limit a mail fails visibly: it is not queued for tomorrow, and not sent another way (D15)."""
    if room.paused:
        raise Refused("the mailbox is paused: `lodestone resume` ends that")
    if room.used >= limit:
        free = f"{room.free_at:%Y-%m-%d %H:%M} UTC" if room.free_at else "never"
        raise Refused(
            f"this mailbox has sent its {limit} mails of 24 hours; the next may go at: {free} (rule D15)"
        )


def _hand_over(
    sending: Sending,
    raw: bytes,
    thread_id: str | None,
    gmail: Mailbox,
    work: Work,
    progress: Callable[[int, int], None],
) -> None:
    """The draft is written and its id recorded. Whatever goes wrong, nothing is sent after the caller was told so."""
    try:
        draft_id = gmail.create_draft(raw, thread_id, progress)
    except Unanswered:
        with work.store.begin("sending.abandon") as tx:
            tx.outbox.abandon(sending.id)
        raise
    except (TryAgain, GiveUp, AccessRevoked) as error:
        reason = SIGN_IN if isinstance(error, AccessRevoked) else error.reason
        with work.store.begin("sending.not_drafted") as tx:
            tx.outbox.not_drafted(sending.id, reason)
        raise
    with work.store.begin("sending.drafted") as tx:
        in_time = tx.outbox.drafted(sending.id, draft_id)
    if not in_time:
        gmail.delete_draft(draft_id)
        raise Refused("the mail took too long on its way to Gmail and was not sent: ask again")
    log.info(
        "sending.accepted",
        sending_id=sending.id,
        mailbox_id=sending.mailbox_id,
        connection_id=sending.connection_id,
        contact_id=sending.contact_id,
        bytes=len(raw),
    )


def _now(sending: Sending, work: Work) -> Sending:
    with work.store.begin("sending.read", reads_only=True) as tx:
        return tx.outbox.get(sending.id) or sending


def _wake(mailbox_id: int, work: Work) -> None:
    """Nobody may be told of an error now: he would ask again, and what is drafted will be sent. The sweep finds it."""
    try:
        work.queue.mark("send", mailbox_id)
        work.queue.emit(SendingDue(mailbox_id))
    except Exception as error:
        log.warning("sending.unannounced", mailbox_id=mailbox_id, error=type(error).__name__)
