"""What has come of undoing what sorting did (I6), and when waiting may help."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from domain.errors import GiveUp, TryAgain
from domain.sorting.label_changes import LabelChange, LeftBecause
from domain.sorting.plans import SortedMail

NEAR = timedelta(minutes=1)
"""A limit whose end the provider names is waited for when it is so near: its quota is one of a minute (FACTS §4)."""

Restoring = LabelChange | LeftBecause | TryAgain | GiveUp
"""What undoing comes to for one mail: what it changes, why the mail is left as it is, or why it cannot be done."""


@dataclass(frozen=True, slots=True)
class Undone:
    """What came of a mailbox. `left` and `by_hand` are ids of mail that the user has changed since, the second as
    history has told. Not all was done when `stopped` is what the provider refuses the mailbox with, or when it
    `needs_sign_in`: no grant works."""

    restored: int = 0
    left: Mapping[LeftBecause, tuple[str, ...]] = field(default_factory=dict)
    by_hand: tuple[str, ...] = ()
    failed: int = 0
    stopped: TryAgain | GiveUp | None = None
    needs_sign_in: bool = False

    @property
    def ended(self) -> bool:
        """Whether the rest would meet the same."""
        return self.needs_sign_in or self.stopped is not None

    def __add__(self, other: "Undone") -> "Undone":
        """With what came of more mails of the same mailbox."""
        left = {why: (*self.left.get(why, ()), *other.left.get(why, ())) for why in (*self.left, *other.left)}
        return Undone(
            self.restored + other.restored,
            left,
            (*self.by_hand, *other.by_hand),
            self.failed + other.failed,
            self.stopped or other.stopped,
            self.needs_sign_in or other.needs_sign_in,
        )


def undone(
    mails: Mapping[SortedMail, Restoring], stopped: TryAgain | GiveUp | None, *, needs_sign_in: bool
) -> Undone:
    left: dict[LeftBecause, tuple[str, ...]] = {}
    for one, found in mails.items():
        if isinstance(found, LeftBecause):
            left[found] = (*left.get(found, ()), one.message_id)
    refused = sum(isinstance(found, TryAgain | GiveUp) for found in mails.values())
    return Undone(
        restored=sum(isinstance(found, LabelChange) for found in mails.values()),
        left=left,
        failed=0 if stopped else refused,
        stopped=stopped,
        needs_sign_in=needs_sign_in,
    )


def of_whole_mailbox(errors: Collection[TryAgain], *, stuck: bool) -> TryAgain | None:
    """What the rest of the mailbox would meet too. A limit that ends soon is waited for, unless waiting has not
    helped."""
    return next(
        (e for e in errors if e.whole_mailbox and (stuck or e.after is None or e.after > NEAR)),
        None,
    )
