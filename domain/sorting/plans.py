"""Sorting: of each mail what is wanted, what has become of it, and why (D10, D16, E47)."""

from dataclasses import dataclass, field

from domain.crm.categories import LABEL_OUTCOMES, ByCategory, Category, ContactCategory, outcome_of
from domain.errors import GiveUp, TryAgain
from domain.ids import ConnectionId
from domain.ledger import Claim, Link
from domain.mail.classes import MailClass
from domain.mail.folders import Folder
from domain.mail.messages import Message
from domain.outcomes import Outcome
from domain.sorting.label_changes import (
    NO_CHANGE,
    LabelChange,
    LabelledMail,
    is_users_choice,
    replacing_change,
    sorting_change,
)

_NEVER_SORTED = frozenset({MailClass.CALENDAR, MailClass.BOUNCE, MailClass.RECEIPT})


@dataclass(frozen=True, slots=True)
class ConnectionContact:
    """A contact as one connection knows him."""

    connection_id: ConnectionId
    contact_id: str


@dataclass(frozen=True, slots=True)
class EarlierLabel:
    """A contact has mail that we have put under this category's label, from this address."""

    category: Category
    author: str


@dataclass(frozen=True, slots=True)
class PlannedSorting:
    """What is wanted of one mail, and why: the `outcome`.

    `category` is what the deals say, whether the mail gets a label or not. `tried` are the categories that it was
    meant to have before, the last one first: a try that was cut off may have put their labels (W5). A `dry_run`
    changes nothing. `earlier`: what the contact's mail has of other labels than this category's (E47).
    """

    claim: Claim
    link: Link
    category: ContactCategory
    outcome: Outcome
    tried: tuple[Category, ...]
    dry_run: bool
    earlier: frozenset[EarlierLabel] = frozenset()

    @property
    def message_id(self) -> str:
        return self.claim.message_id

    @property
    def contact(self) -> ConnectionContact:
        return ConnectionContact(self.claim.connection_id, self.link.contact_id)

    @property
    def gets_label(self) -> bool:
        return self.outcome in LABEL_OUTCOMES

    @property
    def to_change(self) -> bool:
        """Whether it is to be changed in the mailbox; a dry run ends with the intent."""
        return self.gets_label and not self.dry_run

    @property
    def in_doubt(self) -> bool:
        """Whether it is to have no label now, while a try that was cut off may have given it one."""
        return bool(self.tried) and not self.gets_label


@dataclass(frozen=True, slots=True)
class Relabelling:
    """What is still to be changed on a mail, and what that makes `in_all` with the tries before."""

    planned: PlannedSorting
    change: LabelChange
    in_all: LabelChange
    thread_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AppliedSorting:
    """What has become of one mail, and why.

    `change` is what all tries together have changed, None where nothing was. With `trouble` the rest says nothing:
    it is to be tried again. The thread is known only where it matters (E47); it lives in memory only (D2).
    """

    planned: PlannedSorting
    outcome: Outcome
    change: LabelChange | None = None
    trouble: TryAgain | GiveUp | None = None
    thread_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Replacement:
    """An earlier mail whose label `old` makes way for that of `new` (E47), unless the user has touched it."""

    message_id: str
    contact: ConnectionContact
    old: Category
    new: Category
    touched: bool = False


@dataclass(frozen=True, slots=True)
class AppliedReplacement:
    """What has become of an earlier mail: it carries this label now, or stays as it is where that is None; `by_user`
    where the user has put it so. With `trouble` nothing is known: it is to be tried again."""

    replacement: Replacement
    label_id: str | None
    by_user: bool = False
    trouble: TryAgain | None = None


@dataclass(frozen=True, slots=True)
class SortedMail:
    """A mail that sorting has changed, and what all of that comes to."""

    message_id: str
    connection_id: ConnectionId
    change: LabelChange


def sortable(message: Message) -> bool:
    """D16: invitations stay where they can be answered; bounces and receipts are nobody's mail."""
    return message.mail_class not in _NEVER_SORTED


def relabelling(
    planned: PlannedSorting, shown: LabelledMail | None, labels: ByCategory, *, history_unusable: bool
) -> Relabelling | None:
    """What is still to be changed on a mail that gets a label, None when the user has chosen.

    A first try does not pay for a look: the mail is where the match saw it. Who has moved it into the Inbox
    since keeps it there, also where a label of ours is on it already (E58).
    """
    own, crm = labels[planned.category.category], frozenset(labels.values())
    in_all = _first_change(planned, own)
    if shown is None:
        return Relabelling(planned, in_all, in_all)
    tried = _label_of_a_try(planned, shown, labels)
    if history_unusable and not tried and is_users_choice(shown, crm, was_in_inbox=planned.link.in_inbox):
        return None
    if own in shown.label_ids:
        return Relabelling(planned, NO_CHANGE, in_all, shown.thread_id)
    if tried:  # the category has changed since the try that was cut off
        change = replacing_change(shown.folder, shown.label_ids, own, crm, frozenset({labels[tried]}))
        return Relabelling(planned, change, in_all, shown.thread_id) if change else None
    kept = shown.folder is Folder.INBOX and not planned.link.in_inbox
    folder = Folder.OTHER if kept else shown.folder
    change = sorting_change(folder, shown.label_ids, own, crm, frozenset({own}))
    return Relabelling(planned, change, change, shown.thread_id) if change else None


def acknowledged(planned: PlannedSorting, shown: LabelledMail, labels: ByCategory) -> AppliedSorting:
    """A mail is sorted once (Z39): the label that a try put there before it was cut off stands, whatever the
    deals and settings have become since."""
    tried = _label_of_a_try(planned, shown, labels)
    if tried is None:
        return AppliedSorting(planned, planned.outcome)
    return AppliedSorting(planned, outcome_of(tried), _first_change(planned, labels[tried]))


def _first_change(planned: PlannedSorting, label_id: str) -> LabelChange:
    return LabelChange(frozenset({label_id}), frozenset(), leave_inbox=planned.link.in_inbox)


def _label_of_a_try(planned: PlannedSorting, shown: LabelledMail, labels: ByCategory) -> Category | None:
    return next((one for one in planned.tried if labels.get(one) in shown.label_ids), None)
