"""A mailbox: how we may enter it, what its history tells, and what that asks of the ledger (W5, W7–W9)."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from domain.mail.folders import Folder
from domain.mail.messages import gate_by_folder
from domain.outcomes import Outcome

Position = Callable[[str], int]
"""How far a cursor reaches, see `ChangeFeed.position`."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Access to one account. What `text` holds only the provider's adapter reads. Sealed at rest, never shown (I10)."""

    provider: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccountKey:
    """What a provider knows an account by: where it can, something that a change of the address leaves as it is."""

    provider: str
    key: str


@dataclass(frozen=True, slots=True)
class Watch:
    """A push registration. `answered_at` is the provider's clock, by the Date header (W14)."""

    cursor: str
    expires_at: datetime
    answered_at: datetime


@dataclass(frozen=True, slots=True)
class Unwatched:
    """Where a mailbox begins for which no push can be had, and why, in the provider's word: the sweep finds its mail
    (E82)."""

    cursor: str
    answered_at: datetime
    trouble: str


class ChangeKind(StrEnum):
    """What can happen to a message. Only a provider with labels tells of the last two."""

    ARRIVED = "arrived"
    CAME_BACK = "came_back"
    PUT_AWAY = "put_away"
    GONE = "gone"
    LABELLED = "labelled"
    UNLABELLED = "unlabelled"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one message.

    `folder` is where a message arrived, where it was put away, or what it came back from: Spam, Trash, or Drafts when
    a draft is sent. None: the provider did not say. `label_ids` are the labels put on or taken off. `position` is how
    far the mailbox's history had come, see `ChangeFeed.position`.
    """

    kind: ChangeKind
    message_id: str
    folder: Folder | None = None
    label_ids: frozenset[str] = frozenset()
    position: int = 0


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """One page of history. `cursor` is where a walk may resume once this page is dealt with (W8);
    `last` says that history ends here."""

    changes: tuple[Change, ...]
    cursor: str
    last: bool


@dataclass(frozen=True, slots=True)
class Cursors:
    """Where we stand in a mailbox's history (W8). An answer's cursor may be ahead of the changes that it shows; what
    is shown late is found because every walk starts from before the last ones (E108).

    `at` is where the next run goes on: at `settled`, or, where a walk was cut off, at the last record dealt with;
    that walk began at `began_at`. `settling` is a newer answer, got at `settling_at`. `refused_at` is set while
    the provider takes no cursor of this mailbox, not even one just got (E84).

    Cursors are the provider's, opaque. A `position` says how far one reaches (`ChangeFeed.position`).
    """

    at: str
    settled: str
    settled_at: datetime | None = None
    settling: str | None = None
    settling_at: datetime | None = None
    began_at: datetime | None = None
    refused_at: datetime | None = None

    @staticmethod
    def start(cursor: str, got_at: datetime) -> "Cursors":
        """Where a mailbox begins, or goes on after its cursor was lost: nothing older is known."""
        return Cursors(cursor, cursor, got_at)

    def reached(self, cursor: str, began_at: datetime) -> "Cursors":
        """In the middle of a walk."""
        return replace(self, at=cursor, began_at=self.began_at or began_at)

    def ended(
        self, answer: str, began_at: datetime, now: datetime, settle_after: timedelta, position: Position
    ) -> "Cursors":
        """A walk has come to its end, with this answer; the next one starts at `settled` again.

        An answer becomes that only when a whole walk from before it, begun long enough after it was got, has shown
        all that it had left out, and has itself come as far. Being old is not enough: after an hour without a
        look nobody has seen yet what the answer left out.
        """
        began_at = self.began_at or began_at
        settled, settled_at, settling, settling_at = (
            self.settled,
            self.settled_at,
            self.settling,
            self.settling_at,
        )
        if settling is None or settling_at is None:
            settling, settling_at = answer, now
        elif began_at - settling_at >= settle_after:
            if position(answer) >= position(settling):
                settled, settled_at = settling, settling_at
            settling, settling_at = answer, now
        return Cursors(settled, settled, settled_at, settling, settling_at)

    @property
    def is_settled(self) -> bool:
        """Whether no answer is known that is younger than `settled`: all that came before that has been shown."""
        walking = self.began_at is not None or self.refused_at is not None or self.at != self.settled
        return not walking and self.settling in (None, self.settled)

    def has_settled_since(self, before: "Cursors") -> bool:
        """Whether more has; in the middle of a walk nothing does."""
        return self.began_at is None and self.settled_at not in (None, before.settled_at)

    def has_seen(self, cursor: str, position: Position) -> bool:
        """Whether a mailbox that stands there need not be walked, which costs more than asking where it stands. Any
        other position says that something may have happened, a lower one too: answers are not always of the same age.
        """
        return self.is_settled and position(cursor) == position(self.settled)


@dataclass(frozen=True, slots=True)
class Touch:
    """A CRM label put on or taken off a message, by the user or by us. Its position tells it from a later one."""

    message_id: str
    label_id: str
    added: bool
    position: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What a stretch of history asks of the ledger, each message once.

    `new` waits to be matched; `dropped` ends at once, unpaid, by the folder that history named;
    `reopened` left Spam, Trash or Drafts (W9); `deleted` is gone for good (W7);
    `touched` are changes of CRM labels, to be told apart into the user's and ours (W5); `put_away` is what the user
    has put into Spam or Trash after it came and not taken out again (D10).
    """

    new: tuple[str, ...]
    dropped: tuple[tuple[str, Outcome], ...] = ()
    reopened: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    touched: tuple[Touch, ...] = ()
    put_away: tuple[str, ...] = ()


def listed(message_ids: tuple[str, ...]) -> Found:
    """Mail that a list names outside Spam and Trash: new, or out of there again (E36, E84)."""
    return Found(message_ids, reopened=message_ids)


def touches(change: Change, crm_labels: frozenset[str]) -> frozenset[Touch]:
    """What of a change must not be judged a second time when history is walked again (E108): CRM labels, and the
    folder of a move as if it were one."""
    labels: frozenset[str] = frozenset()
    if change.kind in (ChangeKind.LABELLED, ChangeKind.UNLABELLED):
        labels = change.label_ids & crm_labels
    elif change.kind in (ChangeKind.CAME_BACK, ChangeKind.PUT_AWAY) and change.folder:
        labels = frozenset({change.folder.value})
    added = change.kind in (ChangeKind.LABELLED, ChangeKind.PUT_AWAY)
    return frozenset(Touch(change.message_id, label, added, change.position) for label in labels)


def digest(changes: Iterable[Change], crm_labels: frozenset[str]) -> Found:
    """History repeats changes and mixes kinds; the ledger wants each message once, at its latest."""
    seen: dict[str, Outcome | None] = {}
    marks: dict[ChangeKind, dict[str, None]] = {kind: {} for kind in ChangeKind}
    touched: dict[Touch, None] = {}
    for change in changes:
        marks[change.kind][change.message_id] = None
        if change.kind is ChangeKind.ARRIVED:
            seen.setdefault(change.message_id, gate_by_folder(change.folder))
        if change.kind in (ChangeKind.LABELLED, ChangeKind.UNLABELLED):
            touched |= dict.fromkeys(touches(change, crm_labels))
    reopened, deleted = marks[ChangeKind.CAME_BACK], marks[ChangeKind.GONE]
    seen |= {message_id: None for message_id in reopened if message_id in seen}
    seen |= {message_id: Outcome.SKIP_GONE for message_id in deleted if message_id in seen}
    return Found(
        new=tuple(i for i, verdict in seen.items() if verdict is None),
        dropped=tuple((i, verdict) for i, verdict in seen.items() if verdict is not None),
        reopened=tuple(i for i in reopened if i not in seen and i not in deleted),
        deleted=tuple(i for i in deleted if i not in seen),
        touched=tuple(touched),
        put_away=tuple(i for i in marks[ChangeKind.PUT_AWAY] if i not in seen and i not in reopened),
    )


def is_ours(
    touch: Touch, intended_label: str | None, former_labels: Collection[str | None] = frozenset()
) -> bool:
    """A change that equals an intent of ours is ours, every other one is the user's (W5, I6).

    History tells late: `former_labels` are those that we have put there and replaced since (E47).
    """
    if intended_label is None:
        return False
    if touch.added:
        return touch.label_id == intended_label or touch.label_id in former_labels
    return touch.label_id != intended_label
