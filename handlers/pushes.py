"""The dispatcher's reaction to one Pub/Sub message: mark the mailbox and wake one catch_up (W1).

Our own labels are pushed too. Just after a look, and the sorting that followed, a push most likely tells of these, and
the look that is due in a moment finds whatever else it tells of.
"""

import structlog

from domain.events import MailboxChanged
from domain.pushes import pushed_address
from handlers.work import Work

log = structlog.get_logger()


def take(data: bytes, work: Work) -> None:
    """Malformed, foreign and forged messages, and those for mailboxes we do not know, are logged and no more."""
    address = pushed_address(data)
    if address is None:
        log.warning("push.rejected", reason="malformed", size=len(data))
        return
    with work.store.begin("pushes.look") as tx:
        pushed = tx.mailboxes.pushed(address, work.pace.echo_after)
    if pushed is None:
        log.warning("push.rejected", reason="unknown_mailbox", size=len(data))
        return
    mailbox_id = pushed.mailbox_id
    marked = work.queue.pushed(mailbox_id, may_wait=pushed.may_wait)
    if marked is None:
        log.debug("push.postponed", mailbox_id=mailbox_id)
    elif marked:
        work.queue.emit(MailboxChanged(mailbox_id))
        log.info("push.received", mailbox_id=mailbox_id)
    else:
        log.debug("push.coalesced", mailbox_id=mailbox_id)
