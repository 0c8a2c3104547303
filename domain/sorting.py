"""Sorting: a contact's category (D9) and what that changes in Gmail (D10)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from domain.crm.deals import Deal, DealCategory
from domain.crm.ids import id_order
from domain.mail.classes import MailClass
from domain.mail.messages import DRAFT, INBOX, SPAM, TRASH, Message
from domain.outcomes import Outcome


class Category(StrEnum):
    """The categories of D9, first that fits."""

    CTM = "CTM"
    OPEN = "OPEN"
    CUSTOMER = "CUSTOMER"
    NONE = "NONE"


ByCategory = Mapping[Category, str]
"""Gmail's ids of the CRM labels, or their names."""

LABEL_NAMES: ByCategory = {
    Category.CTM: "Deals Closing This Month (CTM)",
    Category.OPEN: "Open Deals",
    Category.CUSTOMER: "Customers",
}
"""The three CRM labels, by their default names (Z14, E66); the organisation may have chosen others."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """A contact's category and the deal that decided it, None for NONE."""

    category: Category
    deal_id: str | None


@dataclass(frozen=True, slots=True)
class LabelChange:
    """What one modify call adds to and removes from a message, by Gmail label id."""

    add: frozenset[str]
    remove: frozenset[str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mail is now: the labels it carries, and its thread. Lives in memory only (D2)."""

    label_ids: frozenset[str]
    thread_id: str


@dataclass(frozen=True, slots=True)
class Earlier:
    """A contact has mail that we have put under this category's label, from this address."""

    category: Category
    author: str


@dataclass(frozen=True, slots=True)
class Replacing:
    """An earlier mail whose label `old` makes way for that of `new` (E47), unless the user has touched it."""

    message_id: str
    connection_id: int
    contact_id: str
    old: Category
    new: Category
    touched: bool = False

    @property
    def contact(self) -> tuple[int, str]:
        return self.connection_id, self.contact_id


@dataclass(frozen=True, slots=True)
class Labelled:
    """A mail that sorting has changed, and what it added and removed in all."""

    message_id: str
    connection_id: int
    made: LabelChange


class Left(StrEnum):
    """Why undoing leaves a mail as it is: the user has changed it since (I6)."""

    LABEL_GONE = "label_gone"
    OTHER_LABEL = "other_label"
    IN_INBOX = "in_inbox"
    SPAM_OR_TRASH = "spam_or_trash"
    GONE = "gone"


_OUTCOMES = {
    Category.CTM: Outcome.LABEL_CTM,
    Category.OPEN: Outcome.LABEL_OPEN,
    Category.CUSTOMER: Outcome.LABEL_CUSTOMER,
    Category.NONE: Outcome.LABEL_NONE,
}
LABELLED = frozenset(_OUTCOMES[found] for found in LABEL_NAMES)
"""The outcomes of mail that gets a label."""

_BEST_FIRST = tuple(Category)
_NEVER_SORTED = frozenset({MailClass.CALENDAR, MailClass.BOUNCE, MailClass.RECEIPT})
OUT_OF_REACH = frozenset({SPAM, TRASH, DRAFT})


def category(deals: Iterable[Deal], today: date) -> Sorted:
    """D9 over all of a contact's deals, whoever owns them and in whatever currency (E4, E10).

    `today` is the organisation's date (`local_date`). Of several deals that decide alike the one that closes
    first is named, so that the explanation is the same every time.
    """
    decided = [
        (_BEST_FIRST.index(found), deal.closing_date or date.max, id_order(deal.id), deal.id)
        for deal in deals
        if (found := _category_of(deal, today)) is not Category.NONE
    ]
    if not decided:
        return Sorted(Category.NONE, None)
    place, _, _, deal_id = min(decided)
    return Sorted(_BEST_FIRST[place], deal_id)


def _category_of(deal: Deal, today: date) -> Category:
    """Only a deal that is still open can close this month, overdue or not (Z32, E3)."""
    if deal.category is DealCategory.WON:
        return Category.CUSTOMER
    if deal.category is DealCategory.LOST:
        return Category.NONE
    closing = deal.closing_date
    closes_now = closing is not None and (closing.year, closing.month) == (today.year, today.month)
    return Category.CTM if closes_now else Category.OPEN


def highest(found: Iterable[Sorted]) -> Sorted:
    """Several contacts share one address: the best of them counts, the first given where equal (D9, E11)."""
    nothing = Sorted(Category.NONE, None)
    return min(found, key=lambda one: _BEST_FIRST.index(one.category), default=nothing)


def zone(time_zone: str | None) -> ZoneInfo | None:
    """None when the organisation has no time zone that is one: then UTC counts (E2)."""
    try:
        return ZoneInfo(time_zone) if time_zone else None
    except (KeyError, ValueError, OSError):
        return None


def local_date(now: datetime, time_zone: str | None) -> date:
    """The day it is for the organisation; neither the user's nor the server's zone plays a part (E2)."""
    return now.astimezone(zone(time_zone) or UTC).date()


def outcome(found: Category) -> Outcome:
    return _OUTCOMES[found]


def category_of(found: Outcome) -> Category | None:
    """The category that a mail was first sorted by, None where it got no label."""
    return next((category for category in LABEL_NAMES if _OUTCOMES[category] is found), None)


def sortable(message: Message) -> bool:
    """D16: invitations stay where they can be answered; bounces and receipts are nobody's mail."""
    return message.mail_class not in _NEVER_SORTED


def change(
    message_label_ids: frozenset[str],
    own_label: str,
    crm_labels: frozenset[str],
    put_by_us: frozenset[str],
) -> LabelChange | None:
    """What sorting does to a message that gets `own_label`, None when the user's choice wins (D10).

    `put_by_us` are the CRM labels that we have put on this message and not taken off again. The user has
    chosen when it carries another CRM label (E60), lacks one of ours (E59; the wanted one may merely not have
    been set before a crash), or has gone to Spam or Trash meanwhile. Inbox is removed only where it is: who
    moves a mail back between our look and our call keeps it there (E58).
    """
    ours = put_by_us & crm_labels
    if (message_label_ids & crm_labels) - ours or (ours - {own_label}) - message_label_ids:
        return None
    if message_label_ids & OUT_OF_REACH:
        return None
    return LabelChange(
        add=frozenset({own_label}),
        remove=message_label_ids & ((ours - {own_label}) | {INBOX}),
    )


def is_users_choice(
    message_label_ids: frozenset[str], crm_labels: frozenset[str], *, was_in_inbox: bool
) -> bool:
    """Whether the user has put a mail into order himself since it was matched, by the labels that it carries now
    and of which none is ours: all that there is where no history tells (E84, I6)."""
    return bool(message_label_ids & crm_labels) or (was_in_inbox and INBOX not in message_label_ids)


def replacement(
    message_label_ids: frozenset[str],
    own_label: str,
    crm_labels: frozenset[str],
    put_by_us: frozenset[str],
) -> LabelChange | None:
    """The same for an earlier mail of the contact's thread: only where another label of ours is, and without
    touching its place in the Inbox (D10, E47)."""
    found = change(message_label_ids, own_label, crm_labels, put_by_us)
    if found is None or not found.remove - {INBOX}:
        return None
    return LabelChange(add=found.add, remove=found.remove - {INBOX})


def restoration(
    message_label_ids: frozenset[str], made: LabelChange, crm_labels: frozenset[str]
) -> LabelChange | Left:
    """What undoes `made`; nothing to add or remove where that has been done already.

    A CRM label that we have replaced meanwhile is not put back: it was as wrong as the one after it (E47).
    """
    back = made.remove - crm_labels
    if message_label_ids & OUT_OF_REACH:
        return Left.SPAM_OR_TRASH
    if (message_label_ids & crm_labels) - made.add:
        return Left.OTHER_LABEL
    if not message_label_ids & made.add:
        return LabelChange(frozenset(), frozenset()) if back <= message_label_ids else Left.LABEL_GONE
    if INBOX in message_label_ids:
        return Left.IN_INBOX
    return LabelChange(add=back, remove=made.add)
