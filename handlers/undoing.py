"""Undoing what sorting changed since a moment, after wrong deals or a mistake of ours; the user's hand wins (I6)."""

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from domain.connections import Connection, MailboxState
from domain.errors import GiveUp, LabelUnknown, TryAgain
from domain.events import MailAnnounced
from domain.labels import LabelChange, Labelled, Left, Place, restoration
from domain.ledger import TRIES, wait_before
from handlers.ports import Mailbox
from handlers.work import Work, enter

log = structlog.get_logger()

AT_ONCE = 100
"""Mails looked at, changed and recorded together: a look costs 20 units, and Gmail gives 6,000 a minute."""

TURN_WAIT = 1.0
TURN_TRIES = 60
"""Seconds between two tries to get the mailbox from whoever sorts it, and how many there are."""

KEEP_EVERY = 15.0
"""Seconds after which a turn is prolonged while Gmail wants us to wait."""

Verdict = LabelChange | Left | TryAgain | GiveUp


class Busy(Exception):
    """The mailbox is being sorted all the time."""


@dataclass(slots=True)
class Undone:
    """What came of a mailbox. `needs_sign_in`: nobody's grant works, so that not all was done."""

    restored: int = 0
    left: Counter[Left] = field(default_factory=Counter)
    failed: int = 0
    needs_sign_in: bool = False


def labelled(since: datetime, work: Work) -> Sequence[tuple[MailboxState, int]]:
    """The mailboxes with mail that sorting has changed since, and nobody after it, and how many those are."""
    with work.store.begin("undoing.look", reads_only=True) as tx:
        numbers = sorted(tx.decisions.count_labelled(since).items())
        return [(mailbox, n) for i, n in numbers if (mailbox := tx.mailboxes.get(i))]


@dataclass(frozen=True, slots=True)
class Undoing:
    """One mailbox, while it is our turn in it: nobody sorts it meanwhile (W10). `wait` sleeps, `told` is called
    with how many mails were dealt with. A dry run looks and changes nothing."""

    mailbox: MailboxState
    since: datetime
    work: Work
    dry_run: bool
    wait: Callable[[float], None]
    told: Callable[[int], None]

    def undo(self) -> Undone:
        """Slice by slice, oldest id first; whoever is killed half-way begins again without harm. Raises Busy."""
        done, last = Undone(), ""
        with self._turn() as keep:
            while not self.work.stopping():
                with self.work.store.begin("undoing.look", reads_only=True) as tx:
                    connections = [c for c in tx.connections.of_mailbox(self.mailbox.id) if c.works]
                    some = tx.decisions.labelled_since(self.mailbox.id, self.since, last, AT_ONCE)
                if not some:
                    break
                self._slice(some, connections, done, keep)
                if done.needs_sign_in:
                    break
                last = some[-1].gmail_id
                keep()
                self.told(len(some))
        return done

    @contextmanager
    def _turn(self) -> Iterator[Callable[[], None]]:
        """Whoever came to sort meanwhile was turned away, and is asked again at the end."""
        queue, lease = self.work.queue, self.work.pace.lease
        turn = queue.enter("sort", self.mailbox.id, lease)
        for _ in range(TURN_TRIES):
            if turn is not None:
                break
            self.wait(TURN_WAIT)
            turn = queue.enter("sort", self.mailbox.id, lease)
        if turn is None:
            raise Busy
        held = turn
        try:
            yield lambda: queue.keep(held, lease)
        finally:
            queue.leave(held, done=False)
        queue.emit(MailAnnounced(self.mailbox.id))

    def _slice(
        self,
        some: Sequence[Labelled],
        connections: Sequence[Connection],
        done: Undone,
        keep: Callable[[], None],
    ) -> None:
        waiting: Collection[Labelled] = some
        for attempt in range(1, TRIES + 1):
            verdicts = self._ask(waiting, connections)
            if verdicts is None:
                done.needs_sign_in = True
                return
            self._record(verdicts, done)
            later = {one: v for one, v in verdicts.items() if isinstance(v, TryAgain)}
            if not later:
                return
            waiting = list(later)
            if attempt < TRIES:
                self._pause(attempt, list(later.values()), keep)
        done.failed += len(waiting)

    def _ask(
        self, waiting: Collection[Labelled], connections: Sequence[Connection]
    ) -> Mapping[Labelled, Verdict] | None:
        try:
            return enter(connections, self.work, lambda gmail: self._restore(gmail, waiting))
        except (TryAgain, GiveUp) as error:
            return dict.fromkeys(waiting, error)

    def _restore(self, gmail: Mailbox, waiting: Collection[Labelled]) -> Mapping[Labelled, Verdict]:
        """What the mails carry now decides; a label that goes between look and call is looked at again."""
        crm = frozenset(self.mailbox.labels.values())
        places = gmail.labels_of([one.gmail_id for one in waiting])
        verdicts = {one: _verdict(one, places[one.gmail_id], crm) for one in waiting}
        changes = {one.gmail_id: v for one, v in verdicts.items() if isinstance(v, LabelChange)}
        if self.dry_run or not changes:
            return verdicts
        try:
            answers = gmail.change_labels(changes)
        except LabelUnknown as error:
            answers = dict.fromkeys(changes, TryAgain(str(error), whole_mailbox=False))
        for one in waiting:
            answer = answers.get(one.gmail_id)
            if answer is not None:
                verdicts[one] = Left.GONE if isinstance(answer, LookupError) else answer
        return verdicts

    def _record(self, verdicts: Mapping[Labelled, Verdict], done: Undone) -> None:
        """Whatever was restored is the user's from now on: never sorted again, nor relabelled by E47."""
        restored = [one for one, verdict in verdicts.items() if isinstance(verdict, LabelChange)]
        done.restored += len(restored)
        done.left.update(verdict for verdict in verdicts.values() if isinstance(verdict, Left))
        done.failed += sum(isinstance(verdict, GiveUp) for verdict in verdicts.values())
        if self.dry_run or not restored:
            return
        with self.work.store.begin("undoing.record") as tx:
            tx.decisions.undone(restored)
            tx.messages.touch(self.mailbox.id, [one.gmail_id for one in restored])
        for one in restored:
            log.info(
                "message.restored",
                mailbox_id=self.mailbox.id,
                message_id=one.gmail_id,
                connection_id=one.connection_id,
            )

    def _pause(self, attempt: int, errors: Sequence[TryAgain], keep: Callable[[], None]) -> None:
        """For as long as Gmail wants, or for a growing while (E87)."""
        left = wait_before(attempt, random.random()).total_seconds()  # noqa: S311 - jitter, no secret
        left = max([left, *(error.after.total_seconds() for error in errors if error.after)])
        while left > 0 and not self.work.stopping():
            self.wait(min(left, KEEP_EVERY))
            left -= KEEP_EVERY
            keep()


def _verdict(one: Labelled, place: Place | TryAgain | GiveUp | None, crm: frozenset[str]) -> Verdict:
    if place is None:
        return Left.GONE
    return restoration(place.label_ids, one.made, crm) if isinstance(place, Place) else place
