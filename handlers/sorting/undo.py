"""Undoing what sorting changed since a moment, after wrong deals or a mistake of ours; the user's hand wins (I6)."""

import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from domain.connections import Connection, MailboxState
from domain.errors import GiveUp, LabelUnknown, LodestoneError, TryAgain
from domain.events import MailAnnounced
from domain.ledger import wait_before
from domain.locks import LockKind
from domain.sorting import LabelChange, Labelled, Left, Place, restoration
from handlers.context import Context, Lease, with_mailbox
from handlers.ports.providers import Mailbox

log = structlog.get_logger()

AT_ONCE = 100
"""Mails looked at, changed and recorded together: a look costs 20 units, and Gmail gives 6,000 a minute."""

TURN_WAIT = 1.0
TURN_TRIES = 60
"""Seconds between two tries to get the mailbox from whoever sorts it, and how many there are."""

KEEP_EVERY = 15.0
"""Seconds after which a turn is prolonged while Gmail wants us to wait."""

TRIES = 3
"""Of one slice: somebody waits for the answer, and may give the command again."""

NEAR = timedelta(minutes=1)
"""A limit whose end Gmail names is waited for when it is so near: its quota is one of a minute (FACTS §4)."""

Verdict = LabelChange | Left | TryAgain | GiveUp


class Busy(LodestoneError):
    """The mailbox is being sorted all the time, or by somebody else meanwhile."""


@dataclass(slots=True)
class Undone:
    """What came of a mailbox: `left` and `by_hand` are Gmail's ids of mail that the user has changed since, the
    second as history has told. Not all was done when `stopped` is what Gmail refuses the mailbox with, or when
    it `needs_sign_in`: nobody's grant works."""

    restored: int = 0
    left: dict[Left, list[str]] = field(default_factory=lambda: defaultdict(list))
    by_hand: tuple[str, ...] = ()
    failed: int = 0
    stopped: TryAgain | GiveUp | None = None
    needs_sign_in: bool = False

    @property
    def ended(self) -> bool:
        """Whether the rest would meet the same."""
        return self.needs_sign_in or self.stopped is not None


def labelled(since: datetime, context: Context) -> Sequence[tuple[MailboxState, int]]:
    """The mailboxes with mail that sorting has changed since, and how much of it nobody has changed after it."""
    with context.store.begin("undoing.look", reads_only=True) as tx:
        numbers = dict.fromkeys(tx.reports.changed_by_hand(since), 0) | dict(
            tx.decisions.count_labelled(since)
        )
        return [(mailbox, n) for i, n in sorted(numbers.items()) if (mailbox := tx.mailboxes.get(i))]


@dataclass(frozen=True, slots=True)
class Undoing:
    """One mailbox, while it is our turn in it: nobody sorts it meanwhile (W10). `wait` sleeps, `told` is called
    with how many mails were dealt with. A dry run looks and changes nothing."""

    mailbox: MailboxState
    since: datetime
    context: Context
    dry_run: bool
    wait: Callable[[float], None]
    told: Callable[[int], None]
    at_once: int = AT_ONCE

    def undo(self) -> Undone:
        """Slice by slice, oldest id first, to the first answer that all the rest would get too; whoever is
        stopped or killed half-way begins again without harm. Raises Busy."""
        with self.context.store.begin("undoing.look", reads_only=True) as tx:
            by_hand = tx.reports.changed_by_hand(self.since, self.mailbox.id)
        done, last = Undone(by_hand=by_hand.get(self.mailbox.id, ())), ""
        with self._turn() as lease:
            while not self.context.stopping():
                with self.context.store.begin("undoing.look", reads_only=True) as tx:
                    connections = tx.connections.of_mailbox(self.mailbox.id)
                    some = tx.decisions.labelled_since(self.mailbox.id, self.since, last, self.at_once)
                if not some:
                    break
                self._slice(some, connections, done, lease)
                if done.ended:
                    break
                last = some[-1].message_id
                if not lease.extend():
                    raise Busy
                self.told(len(some))
        return done

    @contextmanager
    def _turn(self) -> Iterator[Lease]:
        """Whoever came to sort meanwhile was turned away, and is asked again at the end."""
        queue, seconds = self.context.queue, self.context.timing.lease
        turn = queue.acquire(LockKind.SORT, self.mailbox.id, seconds)
        for _ in range(TURN_TRIES):
            if turn is not None:
                break
            self.wait(TURN_WAIT)
            turn = queue.acquire(LockKind.SORT, self.mailbox.id, seconds)
        if turn is None:
            raise Busy
        held = turn
        try:
            yield Lease(seconds, lambda: queue.extend(held, seconds))
        finally:
            queue.release(held, done=False)
        queue.emit(MailAnnounced(self.mailbox.id))

    def _slice(
        self,
        some: Sequence[Labelled],
        connections: Sequence[Connection],
        done: Undone,
        lease: Lease,
    ) -> None:
        waiting: Collection[Labelled] = some
        refused: dict[Labelled, TryAgain | GiveUp] = {}
        for attempt in range(1, TRIES + 1):
            verdicts = self._ask(waiting, connections, done, lease)
            self._record(verdicts, connections, done)
            refused |= {one: v for one, v in verdicts.items() if isinstance(v, GiveUp)}
            later = {one: v for one, v in verdicts.items() if isinstance(v, TryAgain)}
            if later and not done.stopped:
                stuck = attempt == TRIES or (attempt > 1 and len(later) == len(waiting))
                done.stopped = _whole([*later.values()], stuck=stuck)
            if not later or done.ended or attempt == TRIES:
                refused |= later
                break
            waiting = list(later)
            self._pause(attempt, list(later.values()), lease)
        if not done.stopped:
            done.failed += len(refused)
        self._tell(refused)

    def _ask(
        self, waiting: Collection[Labelled], connections: Sequence[Connection], done: Undone, lease: Lease
    ) -> Mapping[Labelled, Verdict]:
        try:
            works = [one for one in connections if one.works]
            verdicts = with_mailbox(works, self.context, lambda gmail: self._restore(gmail, waiting), lease)
        except TryAgain as error:
            return dict.fromkeys(waiting, error)
        except GiveUp as error:
            done.stopped = error
            return dict.fromkeys(waiting, error)
        done.needs_sign_in = verdicts is None
        return verdicts or {}

    def _tell(self, refused: Mapping[Labelled, TryAgain | GiveUp]) -> None:
        """What was not restored, and why: a line for each reason."""
        reasons: dict[tuple[str, str], list[str]] = {}
        for one, error in refused.items():
            reasons.setdefault((type(error).__name__, error.reason), []).append(one.message_id)
        for (kind, reason), message_ids in reasons.items():
            log.warning(
                "messages.not_restored",
                mailbox_id=self.mailbox.id,
                message_ids=message_ids,
                error=kind,
                reason=reason,
            )

    def _restore(self, gmail: Mailbox, waiting: Collection[Labelled]) -> Mapping[Labelled, Verdict]:
        """What the mails carry now decides; a label that goes between look and call is looked at again."""
        crm = frozenset(self.mailbox.labels.values())
        places = gmail.labels_of([one.message_id for one in waiting])
        verdicts = {one: _verdict(one, places[one.message_id], crm) for one in waiting}
        changes = {one.message_id: v for one, v in verdicts.items() if isinstance(v, LabelChange)}
        if self.dry_run or not changes:
            return verdicts
        try:
            answers = gmail.change_labels(changes)
        except LabelUnknown as error:
            answers = dict.fromkeys(changes, TryAgain(str(error), whole_mailbox=False))
        for one in waiting:
            answer = answers.get(one.message_id)
            if answer is not None:
                verdicts[one] = Left.GONE if isinstance(answer, LookupError) else answer
        return verdicts

    def _record(
        self, verdicts: Mapping[Labelled, Verdict], connections: Sequence[Connection], done: Undone
    ) -> None:
        """Whatever was restored is the user's from now on: never sorted again, nor relabelled by E47."""
        restored = [one for one, verdict in verdicts.items() if isinstance(verdict, LabelChange)]
        done.restored += len(restored)
        for one, verdict in verdicts.items():
            if isinstance(verdict, Left):
                done.left[verdict].append(one.message_id)
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

    def _pause(self, attempt: int, errors: Sequence[TryAgain], lease: Lease) -> None:
        """For as long as Gmail wants, or for a growing while (E87)."""
        left = wait_before(attempt, random.random()).total_seconds()  # noqa: S311 - jitter, no secret
        left = max([left, *(min(error.after, NEAR).total_seconds() for error in errors if error.after)])
        while left > 0 and not self.context.stopping():
            self.wait(min(left, KEEP_EVERY))
            left -= KEEP_EVERY
            lease.extend()


def _whole(errors: Sequence[TryAgain], *, stuck: bool) -> TryAgain | None:
    """What the rest of the mailbox would meet too. A limit that ends soon is waited for, unless waiting has not
    helped."""
    return next(
        (e for e in errors if e.whole_mailbox and (stuck or e.after is None or e.after > NEAR)),
        None,
    )


def _verdict(one: Labelled, place: Place | TryAgain | GiveUp | None, crm: frozenset[str]) -> Verdict:
    if place is None:
        return Left.GONE
    return restoration(place.label_ids, one.made, crm) if isinstance(place, Place) else place
