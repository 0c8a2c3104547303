"""Catching up with a mailbox: everything from our cursor to now goes into the ledger (W8)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil

import structlog

from domain.connections.connections import Connection
from domain.errors import CursorExpired, GiveUp, LodestoneError, Slowed, TryAgain
from domain.events import MailboxChanged, MailFound
from domain.ids import MailboxId
from domain.ledger import BATCH_SIZE
from domain.locks import LockKind
from domain.mailboxes.history import Cursors, Found, HistoryPage, digest, listed
from domain.mailboxes.state import MailboxState
from domain.mailboxes.watches import WalkEnd
from domain.quota import Purpose
from handlers.context import Context
from handlers.locks import exclusively
from handlers.mailboxes import watches
from handlers.ports.capabilities import Mailbox
from handlers.ports.store import Transaction
from handlers.sessions import Lease, with_mailbox
from handlers.troubles import back_off

log = structlog.get_logger()

SIDE_BY_SIDE = 4
"""Batches of one mailbox that are worked on at once. More would meet the provider's limit on concurrent requests."""

LOOK_BACK = timedelta(hours=1)
LONGEST_LOOK_BACK = timedelta(days=30)


class CursorLost(LodestoneError):
    """Another run has moved the cursor, and does our work."""


def catch_up(mailbox_id: MailboxId, came_by: str, context: Context) -> None:
    """Take everything since our cursor into the ledger. One run at a time for a mailbox (W1).

    `came_by` says what has asked for it: "push", "sweep" or another job.
    """
    exclusively(
        LockKind.SYNC,
        mailbox_id,
        MailboxChanged(mailbox_id),
        context,
        lambda keep: _catch_up(mailbox_id, came_by, context, keep),
    )


def _catch_up(mailbox_id: MailboxId, came_by: str, context: Context, keep: Callable[[], bool]) -> bool:
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
    """One run through a mailbox's history. Between two pages only the cursors are kept."""

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

    def to_the_end(self, session: Mailbox) -> None:
        refused_at = self._cursors.refused_at
        again_after = timedelta(seconds=self._context.timing.compare_every)
        if refused_at is not None and self._began_at - refused_at < again_after:
            self._list(session, self._cursors)
            return
        if self._may_be_idle() and self._cursors.has_seen(session.cursor_now(), session.position):
            self._stay()
            return
        try:
            for page in session.changes_since(self._cursors.at):
                self._read(session, page)
                if self.ended or self._context.stopping():
                    return
                self._keep()
        except CursorExpired:
            self._list_again(session)

    def _may_be_idle(self) -> bool:
        """Only a sweep may find nothing new: after a push something has happened."""
        looked_at = self._mailbox.synced_at
        settle_after = timedelta(seconds=self._context.timing.settle_after)
        swept = self._came_by == "sweep" and looked_at and self._began_at - looked_at >= settle_after
        return bool(swept) and self._cursors.is_settled

    def _stay(self) -> None:
        """Nothing has happened since the last look: the walk ends without reading history."""
        with self._context.store.begin("mailboxes.stay") as tx:
            due_after = self._context.timing.sync_due_after
            self.ended = tx.history.stay(self._mailbox.id, self._cursors.at, self._began_at, due_after)
        if not self.ended:
            raise CursorLost

    def _read(self, session: Mailbox, page: HistoryPage) -> None:
        """Record what of a page the ledger does not know yet. At the end of a walk the cursor goes back to where
        history has settled (E108)."""
        settle_after = timedelta(seconds=self._context.timing.settle_after)

        def find(tx: Transaction) -> Found:
            news = tx.history.news(self._mailbox.id, page.changes, self._crm_labels)
            return digest(news, self._crm_labels)

        def move(now: datetime) -> Cursors:
            if page.last:
                return self._cursors.ended(page.cursor, self._began_at, now, settle_after, session.position)
            return self._cursors.reached(page.cursor, self._began_at)

        self._record(session, find, move, last=page.last)

    def _list_again(self, session: Mailbox) -> None:
        """The cursor has expired: list what came since the last success, then go on from before the listing (E84, W8).

        Some mailboxes refuse every cursor, even a new one. They are listed at every look, and history is tried again a
        day later. The old cursor is kept, as it may be good again by then.
        """
        cursor_then = session.cursor_now()
        if _takes(session, cursor_then):
            log.warning("history.expired", mailbox_id=self._mailbox.id, since=self._since().isoformat())
            self._list(session, Cursors.start(cursor_then, self._began_at))
        else:
            log.warning("history.refused", mailbox_id=self._mailbox.id)
            self._list(session, replace(self._cursors, refused_at=self._began_at))

    def _list(self, session: Mailbox, cursors: Cursors) -> None:
        """A list does not tell what has left Spam, but what it names is in neither Spam nor Trash (E36, W9).

        Lists are late too. What they miss the comparison finds, which is due as soon as all has settled (E108); where
        history stays refused, the next list does.
        """
        self._came_by = "relist"
        for message_ids in session.listed_since(self._since()):
            self._listed(session, message_ids, self._cursors)
            self._keep()
        self._listed(session, (), cursors, last=True)

    def _since(self) -> datetime:
        since = (self._mailbox.synced_at or self._began_at) - LOOK_BACK
        return max(since, self._began_at - LONGEST_LOOK_BACK)

    def _listed(
        self, session: Mailbox, message_ids: tuple[str, ...], cursors: Cursors, *, last: bool = False
    ) -> None:
        self._record(session, lambda _: listed(message_ids), lambda _: cursors, last=last)

    def _record(
        self,
        session: Mailbox,
        find: Callable[[Transaction], Found],
        move: Callable[[datetime], Cursors],
        *,
        last: bool,
    ) -> None:
        """Write ledger rows and the cursor that covers them in one transaction (I1)."""
        mailbox_id, context = self._mailbox.id, self._context
        ended, deaf = None, False
        with context.store.begin("mailboxes.advance") as tx:
            now = tx.history.lock_at(mailbox_id, self._cursors.at)
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
            tx.history.advance(
                mailbox_id,
                cursors,
                settled=session.position(cursors.settled) if newly else None,
                ended=ended,
                redrive_within=context.timing.redrive_after if waiting else None,
            )
        if self._cursors.refused_at is not None and cursors.refused_at is None:
            log.info("history.returned", mailbox_id=mailbox_id)
        self._cursors = cursors
        self.ended = last
        self._say(waiting, found)
        if waiting:
            copies = min(ceil(len(waiting) / BATCH_SIZE), max(SIDE_BY_SIDE - self._woken, 1))
            self._woken += copies
            context.queue.emit(MailFound(mailbox_id), copies)
        if deaf:
            watches.hasten_watch(mailbox_id, context)

    def _say(self, waiting: Sequence[str], found: Found) -> None:
        mailbox_id = self._mailbox.id
        for message_id in waiting:
            log.info("message.found", mailbox_id=mailbox_id, message_id=message_id, came_by=self._came_by)
        for message_id, outcome in found.dropped:
            log.info("message.dropped", mailbox_id=mailbox_id, message_id=message_id, outcome=outcome.value)

    def _end(self, cursors: Cursors, tx: Transaction) -> tuple[WalkEnd, bool]:
        """Returns what the mailbox's row is to say of this walk, and whether its watch is to be restarted."""
        timing, recall, deaf = self._context.timing, None, False
        if self._came_by == "relist" and cursors.refused_at is None:
            tx.history.hasten_comparison(self._mailbox.id, timing.sync_due_after + timing.settle_after)
        elif self._new:
            recall, deaf = watches.judge_push(self._mailbox, self._new, self._began_at, self._context)
        again = self._pushed or self._mailbox.watch.has_just_told(self._began_at)
        due_after = timing.echo_after if again else timing.sync_due_after
        counts = (self._mailbox.watch.recall, recall) if recall else None
        return WalkEnd(self._began_at, due_after, counts), deaf


def _takes(session: Mailbox, cursor: str) -> bool:
    """Whether history can be read from there."""
    try:
        next(iter(session.changes_since(cursor)), None)
    except CursorExpired:
        return False
    return True
