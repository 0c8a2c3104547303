"""A mailbox: how we may enter it, what its history tells, and what that asks of the ledger (W5, W7–W9)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from domain.mail.messages import DRAFT, SPAM, TRASH, gate_by_labels
from domain.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Grant:
    """Access to one Google account. Stored encrypted, never shown (I10).

    `scopes` are those that were granted, empty where nobody told us. `subject` is the account that a service
    account with domain-wide delegation acts for; such a grant has no refresh token.
    """

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    token_uri: str
    access_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    scopes: tuple[str, ...] = ()
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """A push registration (users.watch). `answered_at` is the provider's clock, by the Date header (W14)."""

    history_id: str
    expires_at: datetime
    answered_at: datetime


@dataclass(frozen=True, slots=True)
class Unwatched:
    """Where a mailbox begins that Google pushes nothing of, and why that is: the sweep finds its mail (E82)."""

    history_id: str
    answered_at: datetime
    trouble: str


class ChangeKind(StrEnum):
    """The four history types of users.history.list."""

    ADDED = "messageAdded"
    DELETED = "messageDeleted"
    LABELS_ADDED = "labelAdded"
    LABELS_REMOVED = "labelRemoved"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one message. `label_ids` are the labels added or removed, or for ADDED those the
    message carried; None when Gmail left them out, which is not the same as none. `record_id` is that of the
    history record, a decimal without bounds."""

    kind: ChangeKind
    message_id: str
    label_ids: frozenset[str] | None
    record_id: str = ""


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """One page of history. `cursor` is where a walk may resume once this page is dealt with (W8);
    `last` says that history ends here."""

    changes: tuple[Change, ...]
    cursor: str
    last: bool


@dataclass(frozen=True, slots=True)
class Cursors:
    """Where we stand in a mailbox's history (W8). Gmail's answer may name an id that is ahead of the records it
    shows; what it shows late is found because every walk starts from before the last ones (E108).

    `at` is where the next run goes on: at `settled`, or, where a walk was cut off, at the last record dealt with;
    that walk began at `began_at`. `settling` is a newer answer, got at `settling_at`. `refused_at` is set while
    Gmail takes no history id of this mailbox, not even one just got (E84).
    """

    at: str
    settled: str
    settled_at: datetime | None = None
    settling: str | None = None
    settling_at: datetime | None = None
    began_at: datetime | None = None
    refused_at: datetime | None = None

    @staticmethod
    def anew(cursor: str, got_at: datetime) -> "Cursors":
        """There is nothing older to start from."""
        return Cursors(cursor, cursor, got_at)

    def reached(self, cursor: str, began_at: datetime) -> "Cursors":
        """In the middle of a walk."""
        return replace(self, at=cursor, began_at=self.began_at or began_at)

    def ended(self, answer: str, began_at: datetime, now: datetime, settle_after: timedelta) -> "Cursors":
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
            if int(answer) >= int(settling):
                settled, settled_at = settling, settling_at
            settling, settling_at = answer, now
        return Cursors(settled, settled, settled_at, settling, settling_at)

    @property
    def is_settled(self) -> bool:
        """Whether no answer is known that is younger than `settled`: all that came before that has been shown."""
        walking = self.began_at is not None or self.refused_at is not None or self.at != self.settled
        return not walking and self.settling in (None, self.settled)

    def has_seen(self, history_id: str) -> bool:
        """Whether a mailbox whose history stands there need not be walked: getProfile costs half of that. Any other
        id says that something may have happened, a lower one too: answers are not always of the same age."""
        return self.is_settled and int(history_id) == int(self.settled)


@dataclass(frozen=True, slots=True)
class Touch:
    """A CRM label put on or taken off a message, by the user or by us. Its record tells it from a later one."""

    message_id: str
    label_id: str
    added: bool
    record_id: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What a stretch of history asks of the ledger, each message once.

    `new` waits to be matched; `dropped` ends at once, unpaid, by the labels history showed;
    `reopened` left Spam, Trash or Drafts (W9); `deleted` is gone for good (W7);
    `touched` are changes of CRM labels, to be told apart into the user's and ours (W5), and what the user has
    put into Spam or Trash after it came and not taken out again (D10).
    """

    new: tuple[str, ...]
    dropped: tuple[tuple[str, Outcome], ...]
    reopened: tuple[str, ...]
    deleted: tuple[str, ...]
    touched: tuple[Touch, ...]


REOPENING = frozenset({SPAM, TRASH, DRAFT})
PUT_AWAY = frozenset({SPAM, TRASH})


def listed(message_ids: tuple[str, ...]) -> Found:
    """Mail that a list names outside Spam and Trash: new, or out of there again (E36, E84)."""
    return Found(message_ids, (), message_ids, (), ())


def judged_once(change: Change, crm_labels: frozenset[str]) -> frozenset[str]:
    """The labels of a record that must not be judged a second time, when history is walked again (E108)."""
    labels = change.label_ids or frozenset()
    if change.kind is ChangeKind.LABELS_ADDED:
        return labels & (crm_labels | PUT_AWAY)
    if change.kind is ChangeKind.LABELS_REMOVED:
        return labels & (crm_labels | REOPENING)
    return frozenset()


def digest(changes: Iterable[Change], crm_labels: frozenset[str]) -> Found:
    """History repeats records and mixes kinds; the ledger wants each message once, at its latest."""
    seen: dict[str, Outcome | None] = {}
    reopened: dict[str, None] = {}
    deleted: dict[str, None] = {}
    touched: dict[Touch, None] = {}
    for change in changes:
        message_id, labels = change.message_id, change.label_ids or frozenset()
        if change.kind is ChangeKind.ADDED:
            seen.setdefault(message_id, gate_by_labels(labels))
        elif change.kind is ChangeKind.DELETED:
            deleted[message_id] = None
        else:
            added = change.kind is ChangeKind.LABELS_ADDED
            telling = crm_labels | PUT_AWAY if added else crm_labels
            touched |= {Touch(message_id, label, added, change.record_id): None for label in labels & telling}
            if not added and labels & REOPENING:
                reopened[message_id] = None
    seen |= {message_id: None for message_id in reopened if message_id in seen}
    seen |= {message_id: Outcome.SKIP_GONE for message_id in deleted if message_id in seen}
    return Found(
        new=tuple(i for i, verdict in seen.items() if verdict is None),
        dropped=tuple((i, verdict) for i, verdict in seen.items() if verdict is not None),
        reopened=tuple(i for i in reopened if i not in seen and i not in deleted),
        deleted=tuple(i for i in deleted if i not in seen),
        touched=tuple(
            t for t in touched if t.label_id not in PUT_AWAY or t.message_id not in {*seen, *reopened}
        ),
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
