"""Undoing what sorting changed since a moment, after wrong deals or a mistake of ours; the user's hand wins (I6)."""

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import structlog

from domain.connections.connections import Connection
from domain.errors import GiveUp, LabelUnknown, LodestoneError, TryAgain
from domain.events import MailAnnounced
from domain.ledger import wait_before
from domain.locks import LockKind
from domain.mailboxes.state import MailboxState
from domain.sorting.label_changes import LabelChange, LabelledMail, LeftBecause, restoring_change
from domain.sorting.plans import SortedMail
from domain.sorting.undoing import NEAR, Restoring, Undone, of_whole_mailbox, undone
from handlers.context import Context
from handlers.ports.capabilities import Mailbox
from handlers.sessions import Lease, with_mailbox
from handlers.sorting.editor import label_editor

log = structlog.get_logger()

AT_ONCE = 100
"""Mails looked at, changed and recorded together: few enough for what a provider takes of one mailbox in a minute."""

LOCK_WAIT = 1.0
LOCK_TRIES = 60
"""Seconds between two tries to get the mailbox from whoever sorts it, and how many there are."""

EXTEND_EVERY = 15.0
"""Seconds after which the lock is extended while the provider wants us to wait."""

TRIES = 3
"""Of one batch: somebody waits for the answer, and may give the command again."""


class Busy(LodestoneError):
    """The mailbox is being sorted all the time, or by somebody else meanwhile."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """What one try came to, mail by mail; `stopped`: the provider refuses the mailbox for good."""

    mails: Mapping[SortedMail, Restoring]
    stopped: GiveUp | None = None
    needs_sign_in: bool = False

    @property
    def again(self) -> dict[SortedMail, TryAgain]:
        return {one: found for one, found in self.mails.items() if isinstance(found, TryAgain)}


def sorted_mailboxes(since: datetime, context: Context) -> Sequence[tuple[MailboxState, int]]:
    """The mailboxes with mail that sorting has changed since, and how much of it nobody has changed after it."""
    with context.store.begin("undoing.look", reads_only=True) as tx:
        numbers = dict.fromkeys(tx.reports.changed_by_hand(since), 0) | dict(
            tx.decisions.count_labelled(since)
        )
        return [(mailbox, n) for i, n in sorted(numbers.items()) if (mailbox := tx.mailboxes.get(i))]


@dataclass(frozen=True, slots=True)
class Undoing:
    """One mailbox, while we have its lock: nobody sorts it meanwhile (W10). `wait` sleeps, `progress` is called
    with how many mails were dealt with. A dry run looks and changes nothing."""

    mailbox: MailboxState
    since: datetime
    context: Context
    dry_run: bool
    wait: Callable[[float], None]
    progress: Callable[[int], None]
    at_once: int = AT_ONCE

    def undo(self) -> Undone:
        """Batch by batch, oldest id first, to the first answer that all the rest would get too; whoever is
        stopped or killed half-way begins again without harm. Raises Busy."""
        with self.context.store.begin("undoing.look", reads_only=True) as tx:
            by_hand = tx.reports.changed_by_hand(self.since, self.mailbox.id)
        done, last = Undone(by_hand=by_hand.get(self.mailbox.id, ())), ""
        with self._locked() as lease:
            while not self.context.stopping():
                with self.context.store.begin("undoing.look", reads_only=True) as tx:
                    connections = tx.connections.of_mailbox(self.mailbox.id)
                    mails = tx.decisions.labelled_since(self.mailbox.id, self.since, last, self.at_once)
                if not mails:
                    break
                done += self._undo(mails, connections, lease)
                if done.ended:
                    break
                last = mails[-1].message_id
                if not lease.extend():
                    raise Busy
                self.progress(len(mails))
        return done

    @contextmanager
    def _locked(self) -> Iterator[Lease]:
        """Whoever came to sort meanwhile was turned away, and is asked again at the end."""
        queue, seconds = self.context.queue, self.context.timing.lease
        lock = queue.acquire(LockKind.SORT, self.mailbox.id, seconds)
        for _ in range(LOCK_TRIES):
            if lock is not None:
                break
            self.wait(LOCK_WAIT)
            lock = queue.acquire(LockKind.SORT, self.mailbox.id, seconds)
        if lock is None:
            raise Busy
        held = lock
        try:
            yield Lease(seconds, lambda: queue.extend(held, seconds))
        finally:
            queue.release(held, done=False)
        queue.emit(MailAnnounced(self.mailbox.id))

    def _undo(self, mails: Sequence[SortedMail], connections: Sequence[Connection], lease: Lease) -> Undone:
        """One batch: tried, recorded, and tried again where that may help."""
        waiting, ended = mails, dict[SortedMail, Restoring]()
        for attempt in range(1, TRIES + 1):
            tried = self._try(waiting, connections, lease)
            self._record(tried.mails, connections)
            ended |= tried.mails
            again = tried.again
            stuck = attempt == TRIES or (attempt > 1 and len(again) == len(waiting))
            stopped = tried.stopped or of_whole_mailbox(again.values(), stuck=stuck)
            if not again or stopped or attempt == TRIES:
                break
            waiting = list(again)
            self._pause(attempt, again.values(), lease)
        if tried.needs_sign_in:
            ended = {one: found for one, found in ended.items() if not isinstance(found, TryAgain)}
        self._say_refused(ended)
        return undone(ended, stopped, needs_sign_in=tried.needs_sign_in)

    def _try(self, waiting: Sequence[SortedMail], connections: Sequence[Connection], lease: Lease) -> _Tried:
        works = [one for one in connections if one.works]
        try:
            mails = with_mailbox(works, self.context, lambda mailbox: self._restore(mailbox, waiting), lease)
        except TryAgain as error:
            return _Tried(dict.fromkeys(waiting, error))
        except GiveUp as error:
            return _Tried(dict.fromkeys(waiting, error), stopped=error)
        return _Tried(mails or {}, needs_sign_in=mails is None)

    def _restore(self, mailbox: Mailbox, waiting: Sequence[SortedMail]) -> Mapping[SortedMail, Restoring]:
        """What the mails carry now decides; a label that goes between look and call is looked at again."""
        crm = frozenset(self.mailbox.labels.values())
        editor = label_editor(mailbox)
        shown = editor.look([one.message_id for one in waiting])
        wanted = {one: _restoring(one, shown[one.message_id], crm) for one in waiting}
        changes = {one.message_id: found for one, found in wanted.items() if isinstance(found, LabelChange)}
        if self.dry_run or not changes:
            return wanted
        answers: Mapping[str, TryAgain | GiveUp | LookupError | None]
        try:
            answers = editor.change(changes)
        except LabelUnknown as error:
            answers = dict.fromkeys(changes, TryAgain(str(error), whole_mailbox=False))
        return {one: _restored(found, answers.get(one.message_id)) for one, found in wanted.items()}

    def _record(self, mails: Mapping[SortedMail, Restoring], connections: Sequence[Connection]) -> None:
        """Whatever was restored is the user's from now on: never sorted again, nor relabelled by E47."""
        restored = [one for one, found in mails.items() if isinstance(found, LabelChange)]
        if self.dry_run or not restored:
            return
        with self.context.store.begin("undoing.record") as tx:
            tx.decisions.undone(restored)
            tx.messages.touch(self.mailbox.id, [one.message_id for one in restored])
        locations = {one.id: one.location.id for one in connections}
        for one in restored:
            log.info(
                "message.restored",
                mailbox_id=self.mailbox.id,
                message_id=one.message_id,
                connection_id=one.connection_id,
                location_id=locations.get(one.connection_id),
            )

    def _pause(self, attempt: int, errors: Collection[TryAgain], lease: Lease) -> None:
        """For as long as the provider wants, or for a growing while (E87)."""
        left = wait_before(attempt, random.random()).total_seconds()  # noqa: S311 - jitter, no secret
        left = max([left, *(min(error.after, NEAR).total_seconds() for error in errors if error.after)])
        while left > 0 and not self.context.stopping():
            self.wait(min(left, EXTEND_EVERY))
            left -= EXTEND_EVERY
            lease.extend()

    def _say_refused(self, mails: Mapping[SortedMail, Restoring]) -> None:
        """What was not restored, and why: a line for each reason."""
        reasons: dict[tuple[str, str], list[str]] = {}
        for one, found in mails.items():
            if isinstance(found, TryAgain | GiveUp):
                reasons.setdefault((type(found).__name__, found.reason), []).append(one.message_id)
        for (kind, reason), message_ids in reasons.items():
            log.warning(
                "messages.not_restored",
                mailbox_id=self.mailbox.id,
                message_ids=message_ids,
                error=kind,
                reason=reason,
            )


def _restoring(
    one: SortedMail, shown: LabelledMail | TryAgain | GiveUp | None, crm: frozenset[str]
) -> Restoring:
    if shown is None:
        return LeftBecause.GONE
    return restoring_change(shown, one.change, crm) if isinstance(shown, LabelledMail) else shown


def _restored(wanted: Restoring, answer: TryAgain | GiveUp | LookupError | None) -> Restoring:
    """By the provider's answer, None where it has done what was wanted or was not asked."""
    return LeftBecause.GONE if isinstance(answer, LookupError) else answer or wanted
