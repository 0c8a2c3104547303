"""The dispatcher's reaction to one push: mark the mailbox and wake one catch_up (W1)."""

import structlog

from domain.events import MailboxChanged
from domain.locks import LockKind
from domain.mailboxes.accounts import AccountKey
from handlers.context import Context

log = structlog.get_logger()


def take(data: bytes, provider: str, context: Context) -> None:
    """Malformed, foreign and forged messages, and those for mailboxes we do not know, are logged and no more."""
    key = context.providers[provider].decode_push(data)
    if key is None:
        log.warning("push.rejected", reason="malformed", size=len(data))
        return
    with context.store.begin("pushes.look") as tx:
        mailbox_id = tx.mailboxes.note_push(AccountKey(provider, key))
    if mailbox_id is None:
        log.warning("push.rejected", reason="unknown_mailbox", size=len(data))
        return
    if context.queue.mark_dirty(LockKind.SYNC, mailbox_id):
        context.queue.emit(MailboxChanged(mailbox_id))
        log.info("push.received", mailbox_id=mailbox_id)
    else:
        log.debug("push.coalesced", mailbox_id=mailbox_id)
