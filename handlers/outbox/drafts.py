"""Mail that a user writes in the CRM: handed to his Gmail as a draft at once, sent from there once (Z16, D15)."""

from collections.abc import Callable

import structlog

from domain.errors import AccessRevoked, GiveUp, Refused, TryAgain, Unanswered
from domain.events import OutboxDue
from domain.locks import LockKind
from domain.mail.composition import MailRequest, Unsendable, encode
from domain.outbox import SIGN_IN, DailyQuota, OutboxItem, SendState, hindrance, key_of
from domain.quota import Purpose
from handlers.context import Context, with_mailbox
from handlers.crm.locations import Where
from handlers.outbox.preparing import WAYS_OUT, Prepared, prepare
from handlers.ports.providers import Mailbox

log = structlog.get_logger()


def _nobody_looks(sent: int, total: int) -> None:
    pass


def ask(
    written: MailRequest,
    context: Context,
    *,
    key: str | None = None,
    progress: Callable[[int, int], None] = _nobody_looks,
    location: Where = None,
) -> OutboxItem:
    """Hand a mail to Gmail's drafts; the sending itself follows. Returns its row in the outbox.

    With the same `key` of the same user it is handed over once, however often it is asked for: the row is that of
    the first time. `progress` is told how many bytes of how many have gone. Raises Refused before anything leaves,
    and what `Mailbox` raises; then nothing will be sent. Who wants to see first whom an answer goes to takes the
    two steps one by one.
    """
    return hand_over(prepare(written, context, location), context, key=key, progress=progress)


def hand_over(
    prepared: Prepared,
    context: Context,
    *,
    key: str | None = None,
    progress: Callable[[int, int], None] = _nobody_looks,
) -> OutboxItem:
    """Write it into Gmail's drafts; from then on it will be sent."""
    own_key = key_of(prepared.connection.location, prepared.user_id, key)
    try:
        raw = encode(prepared.mail, own_key)
    except Unsendable as error:
        raise Refused(str(error)) from None
    asked, is_new = _reserve(prepared, own_key, context)
    if is_new:
        _draft(asked, raw, prepared, context, progress)
        asked = _now(asked, context)
    if asked.state is SendState.WAITING:
        _wake(asked.mailbox_id, context)
    return asked


def _reserve(prepared: Prepared, key: str, context: Context) -> tuple[OutboxItem, bool]:
    """A row of the outbox, and whether it is new; it counts against the daily limit from now on.

    What Gmail has never had may be asked for again with its key.
    """
    connection = prepared.connection
    with context.store.begin("sending.reserve") as tx:
        room = tx.outbox.room(connection.mailbox_id)
        known = tx.outbox.by_key(key)
        if known and known.state is SendState.DRAFTING:
            raise Refused("this mail is being handed over, or was interrupted: ask again in a few minutes")
        if known and (known.state is not SendState.FAILED or known.draft_id is not None):
            return known, False
        if known:
            tx.outbox.remove(known)
        now = tx.connections.get(connection.id)
        if room is None or now is None or hindrance(now, tx.of(now.location).users.get(prepared.user_id)):
            raise Refused("the connection was changed meanwhile: ask again")
        _check_room(room, context.daily_limit)
        added = tx.outbox.add(
            connection.mailbox_id,
            connection.id,
            prepared.contact_id,
            key,
            context.me(),
            context.timing.hand_over,
        )
        if added is None:
            raise Refused("this key is in use: choose another")
    return added, True


def _check_room(room: DailyQuota, limit: int) -> None:
    """Above the limit a mail fails visibly: it is not queued for tomorrow, and not sent another way (D15)."""
    if room.paused:
        raise Refused("the mailbox is paused: `lodestone resume` ends that")
    if room.used >= limit:
        free = f"{room.free_at:%Y-%m-%d %H:%M} UTC" if room.free_at else "never"
        raise Refused(
            f"this mailbox has sent its {limit} mails of 24 hours; the next may go at: {free} (rule D15)"
        )


def _draft(
    sending: OutboxItem,
    raw: bytes,
    prepared: Prepared,
    context: Context,
    progress: Callable[[int, int], None],
) -> None:
    """The draft is written and its id recorded. Whatever goes wrong, nothing is sent after the caller was told so."""

    def write(gmail: Mailbox) -> bool:
        _write(sending, raw, prepared, gmail, context, progress)
        return True

    if not with_mailbox((prepared.connection,), context, write, purpose=Purpose.SEND):
        raise Refused(WAYS_OUT[SIGN_IN].format(user=prepared.user_id))


def _write(
    sending: OutboxItem,
    raw: bytes,
    prepared: Prepared,
    gmail: Mailbox,
    context: Context,
    progress: Callable[[int, int], None],
) -> None:
    me = context.me()
    try:
        draft_id = gmail.create_draft(raw, prepared.thread_id, progress)
    except Unanswered:  # whoever takes it up once what may have come to be can be seen says that it failed
        with context.store.begin("sending.abandon") as tx:
            tx.outbox.release(sending, me, context.timing.redrive_after, SendState.DRAFTING, None, 0)
        raise
    except (TryAgain, GiveUp, AccessRevoked) as error:
        reason = SIGN_IN if isinstance(error, AccessRevoked) else error.reason
        with context.store.begin("sending.not_drafted") as tx:
            tx.outbox.finish(sending, me, SendState.FAILED, sent_id=None, reason=reason)
        raise
    with context.store.begin("sending.drafted") as tx:
        in_time = tx.outbox.drafted(sending, me, draft_id)
    if not in_time:
        gmail.delete_draft(draft_id)
        raise Refused("the mail took too long on its way to Gmail and was not sent: ask again")
    log.info(
        "sending.accepted",
        sending_id=sending.id,
        mailbox_id=sending.mailbox_id,
        connection_id=sending.connection_id,
        location_id=prepared.connection.location.id,
        contact_id=sending.contact_id,
        bytes=len(raw),
    )


def _now(sending: OutboxItem, context: Context) -> OutboxItem:
    with context.store.begin("sending.read", reads_only=True) as tx:
        return tx.outbox.get(sending.id) or sending


def _wake(mailbox_id: int, context: Context) -> None:
    """Nobody may be told of an error now: he would ask again, and what is drafted will be sent. The sweep finds it."""
    try:
        context.queue.mark_dirty(LockKind.SEND, mailbox_id)
        context.queue.emit(OutboxDue(mailbox_id))
    except Exception as error:
        log.warning("sending.unannounced", mailbox_id=mailbox_id, error=type(error).__name__)
