"""Mail that a user writes in the CRM: handed to his mailbox as a draft at once, sent from there once (Z16, D15)."""

from collections.abc import Callable

import structlog

from domain.connections.connections import Connection
from domain.errors import AccessRevoked, GiveUp, Refused, TryAgain, Unanswered
from domain.events import OutboxDue
from domain.ids import ChannelId, MailboxId
from domain.locks import LockKind
from domain.mail.composition import EncodedMail, MailRequest, Unsendable
from domain.outbox import SIGN_IN, DailyQuota, NewItem, OutboxItem, SendState, hindrance, key_of
from domain.quota import Purpose
from handlers.channels import wake_channels
from handlers.context import Context
from handlers.crm.locations import Where
from handlers.outbox import conversation
from handlers.outbox.conversation import Copy
from handlers.outbox.preparing import WAYS_OUT, Prepared, prepare
from handlers.ports.capabilities import Mailbox
from handlers.ports.store import Transaction
from handlers.sessions import with_mailbox

log = structlog.get_logger()

Progress = Callable[[int, int], None]
"""Told of bytes that have gone, and of bytes in all."""


def _ignore(sent: int, total: int) -> None:
    pass


def ask(
    request: MailRequest,
    context: Context,
    *,
    key: str | None = None,
    progress: Progress = _ignore,
    location: Where = None,
) -> OutboxItem:
    """Write a mail into the mailbox's drafts; the sending itself follows. Returns its row in the outbox.

    With the same `key` of the same user it is handed over once, however often it is asked for: the row is that of
    the first time. Raises Refused before anything leaves, and what `Mailbox` raises; then nothing will be sent. To
    see first whom an answer goes to, call `prepare` and `hand_over` one after the other.
    """
    return hand_over(prepare(request, context, location), context, key=key, progress=progress)


def hand_over(
    prepared: Prepared, context: Context, *, key: str | None = None, progress: Progress = _ignore
) -> OutboxItem:
    """Write it into the mailbox's drafts; from then on it will be sent."""
    key = key_of(prepared.connection.location, prepared.user_id, key)
    encoded = _encoded(prepared, key, context)
    item, is_new = _reserve(prepared, conversation.keep(prepared, context), key, context)
    if is_new:
        _draft(item, prepared, encoded, context, progress)
        item = _now(item, context)
    if item.state is SendState.WAITING:
        _wake(item.mailbox_id, context)
    return item


def _encoded(prepared: Prepared, key: str, context: Context) -> EncodedMail:
    """Before anything is written down: what the provider cannot take has not been asked for."""
    try:
        return context.providers[prepared.provider.name].encode(prepared.mail, key)
    except Unsendable as error:
        raise Refused(str(error)) from None


def _reserve(prepared: Prepared, copy: Copy | None, key: str, context: Context) -> tuple[OutboxItem, bool]:
    """A row of the outbox, and whether it is new; it counts against the daily limit from now on.

    A mail that never became a draft may be asked for again with its key.
    """
    connection, channels = prepared.connection, frozenset[ChannelId]()
    with context.store.begin("sending.reserve") as tx:
        quota = tx.outbox.daily_quota(connection.mailbox_id)
        known = tx.outbox.by_key(key)
        if known and known.state is SendState.DRAFTING:
            raise Refused("this mail is being handed over, or was interrupted: ask again in a few minutes")
        if known and (known.state is not SendState.FAILED or known.draft_id is not None):
            return known, False
        now = tx.connections.get(connection.id)
        if quota is None or now is None or _changed(now, prepared, copy, tx):
            raise Refused("the connection was changed meanwhile: ask again")
        _check_quota(quota, context.daily_limit)
        place = conversation.find_place(prepared, now, tx.of(now.location)) if copy else None
        asked = NewItem(connection.mailbox_id, connection.id, prepared.contact_id, key)
        lease = context.timing.hand_over
        if known:
            added = tx.outbox.reopen(known.id, asked, context.me(), lease)
        else:
            added = tx.outbox.add(asked, context.me(), lease)
        if added is None:
            raise Refused("this key is in use: choose another")
        if copy and place:
            channels = conversation.enter(prepared, copy, added, now, place, tx)
    wake_channels(channels, context)
    return added, True


def _changed(now: Connection, prepared: Prepared, copy: Copy | None, tx: Transaction) -> bool:
    """Whether the mail may not be sent any more, or is to be kept now, or is not."""
    why = hindrance(now, tx.of(now.location).users.get(prepared.user_id))
    return why is not None or now.keeps_copies != (copy is not None)


def _check_quota(quota: DailyQuota, limit: int) -> None:
    """Above the limit a mail fails visibly: it is not queued for tomorrow, and not sent another way (D15)."""
    if quota.paused:
        raise Refused("the mailbox is paused: `lodestone resume` ends that")
    if quota.used >= limit:
        free = f"{quota.free_at:%Y-%m-%d %H:%M} UTC" if quota.free_at else "never"
        raise Refused(
            f"this mailbox has sent its {limit} mails of 24 hours; the next may go at: {free} (rule D15)"
        )


def _draft(
    item: OutboxItem, prepared: Prepared, encoded: EncodedMail, context: Context, progress: Progress
) -> None:
    """The draft is written and its id recorded. Whatever goes wrong, nothing is sent after the caller was told so."""

    def write(mailbox: Mailbox) -> bool:
        _write(item, prepared, encoded, mailbox, context, progress)
        return True

    if not with_mailbox((prepared.connection,), context, write, purpose=Purpose.SEND):
        raise Refused(WAYS_OUT[SIGN_IN].format(user=prepared.user_id))


def _write(
    item: OutboxItem,
    prepared: Prepared,
    encoded: EncodedMail,
    mailbox: Mailbox,
    context: Context,
    progress: Progress,
) -> None:
    me = context.me()
    try:
        draft = mailbox.drafts.create(encoded, progress)
    except Unanswered:
        # `delivery` looks for the draft once it can be seen, deletes it and calls the mail failed
        with context.store.begin("sending.abandon") as tx:
            tx.outbox.release(item, me, context.timing.redrive_after, SendState.DRAFTING, None, 0)
        raise
    except (TryAgain, GiveUp, AccessRevoked) as error:
        reason = SIGN_IN if isinstance(error, AccessRevoked) else error.reason
        with context.store.begin("sending.not_drafted") as tx:
            _, channels = conversation.finish(
                item, me, SendState.FAILED, prepared.connection, tx, reason=reason
            )
        wake_channels(channels, context)
        raise
    with context.store.begin("sending.drafted") as tx:
        in_time = tx.outbox.drafted(item, me, draft.id)
    if not in_time:
        mailbox.drafts.delete(draft.id)
        raise Refused(
            f"the mail took too long on its way to {prepared.provider.title} and was not sent: ask again"
        )
    log.info(
        "sending.accepted",
        sending_id=item.id,
        mailbox_id=item.mailbox_id,
        connection_id=item.connection_id,
        location_id=prepared.connection.location.id,
        contact_id=item.contact_id,
        bytes=draft.size,
    )


def _now(item: OutboxItem, context: Context) -> OutboxItem:
    with context.store.begin("sending.read", reads_only=True) as tx:
        return tx.outbox.get(item.id) or item


def _wake(mailbox_id: MailboxId, context: Context) -> None:
    """No error is raised here: the caller would ask again, and what is drafted will be sent. The sweep finds it."""
    try:
        context.queue.mark_dirty(LockKind.SEND, mailbox_id)
        context.queue.emit(OutboxDue(mailbox_id))
    except Exception as error:
        log.warning("sending.unannounced", mailbox_id=mailbox_id, error=type(error).__name__)
