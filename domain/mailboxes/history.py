"""The history of a mailbox: what it tells, and what that asks of the ledger (W5, W7–W9)."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from domain.mail.folders import Folder
from domain.mail.messages import gate_by_folder
from domain.outcomes import Outcome

Position = Callable[[str], int]
"""How far a cursor reaches, see `ChangeFeed.position`."""


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
    """Where we stand in a mailbox's history (W8).

    The cursor of an answer may lie ahead of the changes that the answer shows; they show later (E108). So every walk
    starts at `settled`: all changes before it have been shown.

    `at` is where the next run goes on: at `settled`, or after the last page of a walk that was cut off, which began at
    `began_at`. `settling` is the cursor of a newer answer, got at `settling_at`. `refused_at` is when the provider
    refused every cursor of this mailbox, even a new one (E84); None while it takes them.

    Cursors are opaque text of the provider's. A `position` says how far one reaches (`ChangeFeed.position`).
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
        """In the middle of a walk, which goes on from this cursor."""
        return replace(self, at=cursor, began_at=self.began_at or began_at)

    def ended(
        self, answer: str, began_at: datetime, now: datetime, settle_after: timedelta, position: Position
    ) -> "Cursors":
        """At the end of a walk, with the cursor of its last answer. The next walk starts at `settled` again.

        `settling` has settled once a whole walk has begun `settle_after` or more after it was got, and has come as far:
        that walk has shown what the answer had left out. Age alone proves nothing: after an hour without a look, what
        the answer left out has not been shown to us.
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
        """Whether nothing is left to be shown: no walk is under way, and no newer answer is known than `settled`."""
        walking = self.began_at is not None or self.refused_at is not None or self.at != self.settled
        return not walking and self.settling in (None, self.settled)

    def has_settled_since(self, before: "Cursors") -> bool:
        """Whether more has settled. In the middle of a walk nothing does."""
        return self.began_at is None and self.settled_at not in (None, before.settled_at)

    def has_seen(self, cursor: str, position: Position) -> bool:
        """Whether a mailbox that stands at this cursor need not be walked. Any other position may mean news, a lower
        one too, as answers are not all of the same age."""
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

    `new` waits to be matched. `dropped` ends at once, by the folder that history named, and is never fetched.
    `reopened` has left Spam, Trash or Drafts (W9). `deleted` is gone for good (W7). `touched` are changes of CRM
    labels, the user's and ours (W5). `put_away` was put into Spam or Trash after it came, and not taken out again
    (D10).
    """

    new: tuple[str, ...]
    dropped: tuple[tuple[str, Outcome], ...] = ()
    reopened: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    touched: tuple[Touch, ...] = ()
    put_away: tuple[str, ...] = ()


def listed(message_ids: tuple[str, ...]) -> Found:
    """What a list of mail outside Spam and Trash asks: each may be new, or have come back from there (E36, E84)."""
    return Found(message_ids, reopened=message_ids)


def touches(change: Change, crm_labels: frozenset[str]) -> frozenset[Touch]:
    """What of a change must not be judged twice when history is walked again (E108): its CRM labels; for a move its
    folder, in the place of a label."""
    labels: frozenset[str] = frozenset()
    if change.kind in (ChangeKind.LABELLED, ChangeKind.UNLABELLED):
        labels = change.label_ids & crm_labels
    elif change.kind in (ChangeKind.CAME_BACK, ChangeKind.PUT_AWAY) and change.folder:
        labels = frozenset({change.folder.value})
    added = change.kind in (ChangeKind.LABELLED, ChangeKind.PUT_AWAY)
    return frozenset(Touch(change.message_id, label, added, change.position) for label in labels)


def digest(changes: Iterable[Change], crm_labels: frozenset[str]) -> Found:
    """What these changes ask of the ledger, each message once. They may repeat, and come in any order."""
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
    """Whether a change of a CRM label is ours: it is when it equals our intent. Every other one is the user's (W5, I6).

    `former_labels` are labels that we have put there and replaced since: history may tell of them late (E47).
    """
    if intended_label is None:
        return False
    if touch.added:
        return touch.label_id == intended_label or touch.label_id in former_labels
    return touch.label_id != intended_label
