"""Catching up with a mailbox: from our cursor to now, every mail into the ledger (W8)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil

import structlog

from domain.connections import Connection, MailboxState
from domain.errors import CursorExpired, GiveUp, LodestoneError, Slowed, TryAgain
from domain.events import MailboxChanged, MailFound
from domain.ledger import SLICE
from domain.locks import LockKind
from domain.mailboxes import Cursors, Found, HistoryPage, digest, listed
from domain.quota import Purpose
from domain.watches import Ended
from handlers.context import Context, Lease, back_off, exclusively, with_mailbox
from handlers.mailboxes import watches
from handlers.ports.providers import Mailbox
from handlers.ports.store import Transaction

log = structlog.get_logger()

SIDE_BY_SIDE = 4
"""Slices of one mailbox worked on at once: more would meet the provider's limit on concurrent requests."""

LOOK_BACK = timedelta(hours=1)
LONGEST_LOOK_BACK = timedelta(days=30)


class CursorLost(LodestoneError):
    """Another run has moved the cursor: it does our work."""


def catch_up(mailbox_id: int, came_by: str, context: Context) -> None:
    """Everything since our cursor goes into the ledger; one run at a time (W1)."""
    exclusively(
        LockKind.SYNC,
        mailbox_id,
        MailboxChanged(mailbox_id),
        context,
        lambda keep: _catch_up(mailbox_id, came_by, context, keep),
    )


def _catch_up(mailbox_id: int, came_by: str, context: Context, keep: Callable[[], bool]) -> bool:
    with context.store.begin("mailboxes.enter", reads_only=True) as tx:
        mailbox = tx.mailboxes.get(mailbox_id)
        connections = tx.connections.working(mailbox_id)
    if mailbox is None:
        return True
    if mailbox.cursors is None or not connections:
        with context.store.begin("mailboxes.stop_scheduling") as tx:
            if not tx.connections.working(mailbox_id):
                tx.mailboxes.stop_scheduling(mailbox_id)
        return True
    if mailbox.rests(mailbox.read_at):
        return False
    walk = _Walk(mailbox, mailbox.cursors, connections, came_by, context, keep)
    try:
        purpose = Purpose.SWEEP if came_by == "sweep" else Purpose.PUSH
        with_mailbox(
            connections, context, walk.to_the_end, Lease(context.timing.lease, keep), purpose=purpose
        )
    except CursorLost:
        log.info("cursor.lost", mailbox_id=mailbox_id)
        return True
    except (TryAgain, GiveUp) as error:
        if isinstance(error, Slowed) and came_by == "sweep":  # it is due again in a minute
            return True
        back_off(mailbox, error, context)
        return False
    return walk.ended


class _Walk:
    """One run through a mailbox's history. The cursors are ours alone; nothing else is kept between pages."""

    def __init__(
        self,
        mailbox: MailboxState,
        cursors: Cursors,
        connections: Sequence[Connection],
        came_by: str,
        context: Context,
        keep: Callable[[], bool],
    ) -> None:
        self._mailbox = mailbox
        self._connection_ids = [connection.id for connection in connections]
        self._crm_labels = frozenset(mailbox.labels.values())
        self._came_by = came_by
        self._pushed = came_by == "push"
        self._began_at = mailbox.read_at
        self._cursors = cursors
        self._context = context
        self._keep = keep
        self._woken = 0
        self._new = 0
        self.ended = False

    def to_the_end(self, mailbox: Mailbox) -> None:
        refused_at = self._cursors.refused_at
        again_after = timedelta(seconds=self._context.timing.compare_every)
        if refused_at is not None and self._began_at - refused_at < again_after:
            self._list(mailbox, self._cursors)
            return
        if self._may_be_idle() and self._cursors.has_seen(mailbox.cursor_now(), mailbox.position):
            self._stay()
            return
        try:
            for page in mailbox.changes_since(self._cursors.at):
                self._read(mailbox, page)
                if self.ended or self._context.stopping():
                    return
                self._keep()
        except CursorExpired:
            self._list_again(mailbox)

    def _may_be_idle(self) -> bool:
        """Not at the look that follows a push: there something has happened."""
        looked_at = self._mailbox.synced_at
        settle_after = timedelta(seconds=self._context.timing.settle_after)
        swept = self._came_by == "sweep" and looked_at and self._began_at - looked_at >= settle_after
        return bool(swept) and self._cursors.is_settled

    def _stay(self) -> None:
        """Nothing has happened since the last look: history need not be asked."""
        with self._context.store.begin("mailboxes.stay") as tx:
            due_after = self._context.timing.sync_due_after
            self.ended = tx.history.stays(self._mailbox.id, self._cursors.at, self._began_at, due_after)
        if not self.ended:
            raise CursorLost

    def _read(self, mailbox: Mailbox, page: HistoryPage) -> None:
        """What it tells that the ledger does not know yet. At the end of a walk the cursor goes back to where its
        history has settled (E108)."""
        settle_after = timedelta(seconds=self._context.timing.settle_after)

        def find(tx: Transaction) -> Found:
            news = tx.history.news(self._mailbox.id, page.changes, self._crm_labels)
            return digest(news, self._crm_labels)

        def move(now: datetime) -> Cursors:
            if page.last:
                return self._cursors.ended(page.cursor, self._began_at, now, settle_after, mailbox.position)
            return self._cursors.reached(page.cursor, self._began_at)

        self._record(mailbox, find, move, last=page.last)

    def _list_again(self, mailbox: Mailbox) -> None:
        """History is gone: list what came since the last success, then go on from before the listing (E84, W8).

        Some mailboxes refuse every cursor, the one just got too: they are listed every time, and history is tried again
        a day later. The cursor of before is kept, in case it is good again then.
        """
        cursor_then = mailbox.cursor_now()
        if _takes(mailbox, cursor_then):
            log.warning("history.expired", mailbox_id=self._mailbox.id, since=self._since().isoformat())
            self._list(mailbox, Cursors.anew(cursor_then, self._began_at))
        else:
            log.warning("history.refused", mailbox_id=self._mailbox.id)
            self._list(mailbox, replace(self._cursors, refused_at=self._began_at))

    def _list(self, mailbox: Mailbox, cursors: Cursors) -> None:
        """Nobody tells what has left Spam, but what is listed is in neither Spam nor Trash (E36, W9). Lists are late
        too, and nobody looks back from here: the comparison does, as soon as all has settled (E108). Where history
        stays refused the next list looks back itself."""
        self._came_by = "relist"
        for message_ids in mailbox.listed_since(self._since()):
            self._listed(mailbox, message_ids, self._cursors)
            self._keep()
        self._listed(mailbox, (), cursors, last=True)

    def _since(self) -> datetime:
        since = (self._mailbox.synced_at or self._began_at) - LOOK_BACK
        return max(since, self._began_at - LONGEST_LOOK_BACK)

    def _listed(
        self, mailbox: Mailbox, message_ids: tuple[str, ...], cursors: Cursors, *, last: bool = False
    ) -> None:
        self._record(mailbox, lambda _: listed(message_ids), lambda _: cursors, last=last)

    def _record(
        self,
        mailbox: Mailbox,
        find: Callable[[Transaction], Found],
        move: Callable[[datetime], Cursors],
        *,
        last: bool,
    ) -> None:
        """Ledger rows and the cursor that covers them, in one transaction (I1)."""
        mailbox_id, context = self._mailbox.id, self._context
        ended, deaf = None, False
        with context.store.begin("mailboxes.advance") as tx:
            now = tx.history.stand(mailbox_id, self._cursors.at)
            if now is None:
                raise CursorLost
            cursors = move(now)
            found = find(tx)
            waiting = tx.messages.record(
                mailbox_id, found, self._came_by, self._connection_ids, self._mailbox.labels
            )
            self._new += len(waiting)
            if last:
                ended, deaf = self._end(cursors, tx)
            newly = cursors.has_settled_since(self._cursors)
            tx.history.keep(
                mailbox_id,
                cursors,
                settled=mailbox.position(cursors.settled) if newly else None,
                ended=ended,
                redrive_within=context.timing.redrive_after if waiting else None,
            )
        if self._cursors.refused_at is not None and cursors.refused_at is None:
            log.info("history.returned", mailbox_id=mailbox_id)
        self._cursors = cursors
        self.ended = last
        for message_id in waiting:
            log.info("message.found", mailbox_id=mailbox_id, message_id=message_id, came_by=self._came_by)
        for message_id, outcome in found.dropped:
            log.info("message.dropped", mailbox_id=mailbox_id, message_id=message_id, outcome=outcome.value)
        if waiting:
            copies = min(ceil(len(waiting) / SLICE), max(SIDE_BY_SIDE - self._woken, 1))
            self._woken += copies
            context.queue.emit(MailFound(mailbox_id), copies)
        if deaf:
            watches.hasten_watch(mailbox_id, context)

    def _end(self, cursors: Cursors, tx: Transaction) -> tuple[Ended, bool]:
        """What the mailbox's row is to say of this walk, and whether push is to be mended."""
        timing, recall, deaf = self._context.timing, None, False
        if self._came_by == "relist" and cursors.refused_at is None:
            tx.history.hasten_comparison(self._mailbox.id, timing.sync_due_after + timing.settle_after)
        elif self._new:
            recall, deaf = watches.judge_push(self._mailbox, self._new, self._began_at, self._context)
        again = self._pushed or self._mailbox.watch.has_just_told(self._began_at)
        due_after = timing.echo_after if again else timing.sync_due_after
        counts = (self._mailbox.watch.recall, recall) if recall else None
        return Ended(self._began_at, due_after, counts), deaf


def _takes(mailbox: Mailbox, cursor: str) -> bool:
    """Whether history can be read from there."""
    try:
        next(iter(mailbox.changes_since(cursor)), None)
    except CursorExpired:
        return False
    return True
