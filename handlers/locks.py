"""Locks: one run at a time for a mailbox or a channel."""

from collections.abc import Callable

import structlog

from domain.events import Event
from domain.ids import ChannelId, MailboxId
from domain.locks import LockKind
from handlers.context import Context

log = structlog.get_logger()


def exclusively(
    kind: LockKind,
    of: MailboxId | ChannelId,
    again: Event,
    context: Context,
    run: Callable[[Callable[[], bool]], bool],
) -> None:
    """One run at a time per mailbox; a mark that comes while it is on causes exactly one more (W1).

    `run` is given what it calls between two pieces of work to keep its lock, which is False when it has lost it,
    and says whether it dealt with everything. A run that dies leaves a marked mailbox dirty.
    """
    lock = context.queue.acquire(kind, of, context.timing.lease)
    if lock is None:
        log.debug("lock.refused", kind=kind.value, of=of)
        return
    done = False
    try:
        done = run(lambda: context.queue.extend(lock, context.timing.lease))
    finally:
        dirty = context.queue.release(lock, done=done)
    if done and dirty:
        context.queue.emit(again)
