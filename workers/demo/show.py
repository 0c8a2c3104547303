"""Delivering the demo's mails, watching what becomes of them, and judging it."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from infra.local.gmail import Mail
from workers.demo.ledger import Ledger, MailEnding
from workers.demo.letters import Letter
from workers.demo.people import TEAM
from workers.demo.screen import Screen
from workers.demo.shell import Shell
from workers.demo.stage import Stage

PATIENCE = 120.0
"""Seconds after which a mail without an outcome is a failed expectation."""

POLL = 0.02
PUSH_REST = 1.1
"""Gmail announces a mailbox once a second at most: what comes sooner waits for the sweep."""


class Interrupted(Exception):
    """One of Lodestone's processes has ended: nothing will come of waiting."""


@dataclass(slots=True)
class Sent:
    """A delivered mail and what was found of it in the end; `at` is the moment before its delivery."""

    letter: Letter
    message_id: str
    at: datetime
    outcomes: tuple[str, ...] = ()
    labels: frozenset[str] = frozenset()
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Claim:
    """Something shown beside the mails, and where it does not hold."""

    says: str
    faults: tuple[str, ...]


class Show:
    """The stage with Lodestone on it, and everything that was delivered there."""

    def __init__(self, stage: Stage, ledger: Ledger, screen: Screen, shell: Shell) -> None:
        self.stage = stage
        self.shell = shell
        self.ledger = ledger
        self.screen = screen
        self.sent: list[Sent] = []
        self.claims: list[Claim] = []
        self.committed: frozenset[int] = frozenset()
        self._notified: dict[tuple[int, str], int] = {}
        self._mailbox_ids: dict[str, int | None] = {}
        self._quiet_since = dict.fromkeys(TEAM, time.monotonic())

    def mailbox_id(self, address: str) -> int | None:
        """The ledger's number of a mailbox, None for one it does not know."""
        if address not in self._mailbox_ids:
            self._mailbox_ids[address] = self.ledger.mailbox_id(address)
        return self._mailbox_ids[address]

    def deliver(self, letters: Sequence[Letter]) -> list[Sent]:
        """All at once, not before Gmail would announce their mailboxes."""
        boxes = {letter.mailbox for letter in letters}
        self.rest(*boxes)
        at = datetime.now(UTC)
        delivered = self.stage.gmail.deliver_many(_mail(letter, at) for letter in letters)
        found = [Sent(one, where.id, at) for one, where in zip(letters, delivered, strict=True)]
        self.sent += found
        self._quiet_since |= dict.fromkeys(boxes, time.monotonic())
        return found

    def rest(self, *boxes: str) -> None:
        """Until Gmail would announce the mailboxes again."""
        free = max((self._quiet_since.get(box, 0) for box in boxes), default=0) + PUSH_REST
        time.sleep(max(0.0, free - time.monotonic()))

    def play(self, letters: Sequence[Letter]) -> list[Sent]:
        """Deliver, and show each mail as it ends."""
        sent = self.deliver(letters)
        waiting = [one for one in sent if one.letter.outcomes]
        end = time.monotonic() + PATIENCE
        while waiting and time.monotonic() < end:
            ended = self._look(waiting)
            self._show(ended)
            waiting = [one for one in waiting if not one.outcomes]
            if waiting:
                self._pause(POLL)
        self._show(waiting)
        self._show([one for one in sent if not one.letter.outcomes])
        self._quiet_since |= {one.letter.mailbox: time.monotonic() for one in sent}
        return sent

    def expect(self, sent: Sequence[Sent], letters: Sequence[Letter], seconds: float = PATIENCE) -> None:
        """What now is to become of mails that had an outcome already, or whose time comes with the sweep."""
        for one, letter in zip(sent, letters, strict=True):
            one.letter, one.outcomes = letter, ()
        self.wait(lambda: self._settled(sent), seconds)
        self._show(sent)

    def wait(self, done: Callable[[], bool], seconds: float = PATIENCE) -> bool:
        """Whether it came true in time."""
        end = time.monotonic() + seconds
        while not (over := done()) and time.monotonic() < end:
            self._pause(POLL)
        return over

    def claim(self, rule: str, who: str, says: str, outcome: str, **expected: bool) -> None:
        """Show something and judge it: whatever is expected has to be true."""
        faults = tuple(f"not so: {name.replace('_', ' ')}" for name, true in expected.items() if not true)
        self.claims.append(Claim(says, faults))
        self.screen.line(rule, who, says, outcome, "", faults)

    def take_stock(self) -> None:
        """Remember the notifications there are: those of a connection that ends are deleted with it."""
        self._notified |= self.ledger.notified()
        self.committed |= self.ledger.notification_ids()

    def judge_notifications(self) -> int:
        """Every announced mail is on the user's list once; returns how many notifications there were of any kind."""
        self.take_stock()
        for one in self.sent:
            times = self._notified.get((self.mailbox_id(one.letter.mailbox) or 0, one.message_id), 0)
            due = int("magnet.notified" in one.letter.outcomes)
            if times != due:
                one.faults.append(f"expected {due} notification(s), found {times}")
        return len(self.committed)

    def judge_unconnected(self, address: str) -> None:
        """A mailbox with nothing switched on leaves no rows."""
        mailbox_id = self.mailbox_id(address)
        rows = self.ledger.rows_of(mailbox_id) if mailbox_id is not None else 0
        if rows:
            for one in (one for one in self.sent if one.letter.mailbox == address):
                one.faults.append(f"expected no trace in the database, found {rows} rows")

    def _settled(self, sent: Sequence[Sent]) -> bool:
        self._look(sent)
        labels = self._labels_of(sent)
        return all(
            one.outcomes and not one.faults and not _faults(one, labels.get(one.message_id)) for one in sent
        )

    def _look(self, waiting: Iterable[Sent]) -> list[Sent]:
        """Those that have ended since, their outcome filled in."""
        ended = []
        for box, those in _by_mailbox(waiting).items():
            mailbox_id = self.mailbox_id(box)
            if mailbox_id is None:
                continue
            entries = self.ledger.ended(mailbox_id, [one.message_id for one in those])
            for one in those:
                if entry := entries.get(one.message_id):
                    one.outcomes = entry.outcomes
                    one.faults = _entry_faults(one.letter, entry)
                    ended.append(one)
        return ended

    def _show(self, ended: Sequence[Sent]) -> None:
        labels = self._labels_of(ended)
        for one in ended:
            one.labels = labels.get(one.message_id, frozenset())
            one.faults += _faults(one, labels.get(one.message_id))
            self.screen.mail(one.letter, one.outcomes, sorted(one.labels), self._explained(one))

    def _explained(self, one: Sent) -> list[str]:
        look = f"look: cd {self.stage.folder} && lodestone explain {one.message_id}"
        return [*one.faults, look] if one.faults else []

    def _labels_of(self, sent: Iterable[Sent]) -> Mapping[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for box in _by_mailbox(sent):
            found |= {message.id: message.labels for message in self.stage.gmail.dump(box).messages}
        return found

    def _pause(self, seconds: float) -> None:
        supervisor = self.stage.servers.get("supervisor")
        if supervisor is not None and not supervisor.is_running():
            raise Interrupted(f"a process of Lodestone has ended; see {self.stage.logs}")
        time.sleep(seconds)


def _mail(letter: Letter, at: datetime) -> Mail:
    received = at.timestamp() - 3600 * letter.hours_old
    return Mail(
        letter.mailbox, letter.raw, letter.labels, round(received * 1000) if letter.hours_old else None
    )


def _by_mailbox(sent: Iterable[Sent]) -> dict[str, list[Sent]]:
    found: dict[str, list[Sent]] = {}
    for one in sent:
        found.setdefault(one.letter.mailbox, []).append(one)
    return found


def _entry_faults(letter: Letter, entry: MailEnding) -> list[str]:
    """Where the ledger says something else than the rules."""
    faults = []
    if entry.outcomes != letter.outcomes:
        faults.append(f"expected {' '.join(letter.outcomes)}, found {' '.join(entry.outcomes)}")
    if entry.contact_id != letter.contact:
        faults.append(f"expected contact {letter.contact}, found {entry.contact_id}")
    if (entry.author is not None) != (letter.contact is not None):
        faults.append(
            "an author is kept of a mail that is nobody's" if entry.author else "the author is not kept"
        )
    return faults


def _faults(one: Sent, labels: frozenset[str] | None) -> list[str]:
    """Where Gmail shows something else than the rules say, or nothing has become of the mail."""
    faults = []
    if one.letter.outcomes and not one.outcomes:
        faults.append(f"expected {' '.join(one.letter.outcomes)}, found no outcome within {PATIENCE:.0f} s")
    found = labels or frozenset()
    if found != one.letter.expected_labels:
        faults.append(f"expected labels {_named(one.letter.expected_labels)}, found {_named(found)}")
    return faults


def _named(labels: frozenset[str]) -> str:
    return ", ".join(sorted(labels)) or "none"


def changed(
    letter: Letter, says: str, outcomes: Sequence[str], after: Iterable[str], *, contact: str | None = None
) -> Letter:
    """The same mail with another end; `contact`: whose it turns out to be."""
    return replace(
        letter,
        says=says,
        outcomes=tuple(outcomes),
        after=frozenset(after),
        contact=contact or letter.contact,
    )
