"""A contact's category, by his deals (D9)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from domain.crm.deals import Deal, DealCategory
from domain.crm.ids import id_order
from domain.outcomes import Outcome


class Category(StrEnum):
    """The categories of D9, first that fits."""

    CTM = "CTM"
    OPEN = "OPEN"
    CUSTOMER = "CUSTOMER"
    NONE = "NONE"


ByCategory = Mapping[Category, str]
"""The id or the name of the CRM label, by category."""


@dataclass(frozen=True, slots=True)
class ContactCategory:
    """A contact's category and the deal that decided it, None for NONE."""

    category: Category
    deal_id: str | None


_OUTCOMES = {
    Category.CTM: Outcome.LABEL_CTM,
    Category.OPEN: Outcome.LABEL_OPEN,
    Category.CUSTOMER: Outcome.LABEL_CUSTOMER,
    Category.NONE: Outcome.LABEL_NONE,
}
_CATEGORIES = {outcome: category for category, outcome in _OUTCOMES.items() if category is not Category.NONE}
LABEL_OUTCOMES = frozenset(_CATEGORIES)
"""The outcomes of mail that gets a label."""

_BEST_FIRST = tuple(Category)


def contact_category(deals: Iterable[Deal], today: date) -> ContactCategory:
    """D9 over all of a contact's deals, whoever owns them and in whatever currency (E4, E10).

    `today` is the organisation's date (`local_date`). Of several deals of the best category, the one that closes
    first is named, so that the explanation is the same every time.
    """
    decided = [
        (_BEST_FIRST.index(found), deal.closing_date or date.max, id_order(deal.id), deal.id)
        for deal in deals
        if (found := _category_of_deal(deal, today)) is not Category.NONE
    ]
    if not decided:
        return ContactCategory(Category.NONE, None)
    place, _, _, deal_id = min(decided)
    return ContactCategory(_BEST_FIRST[place], deal_id)


def _category_of_deal(deal: Deal, today: date) -> Category:
    """Only a deal that is still open can close this month, overdue or not (Z32, E3)."""
    if deal.category is DealCategory.WON:
        return Category.CUSTOMER
    if deal.category is DealCategory.LOST:
        return Category.NONE
    closing = deal.closing_date
    closes_now = closing is not None and (closing.year, closing.month) == (today.year, today.month)
    return Category.CTM if closes_now else Category.OPEN


def highest(found: Iterable[ContactCategory]) -> ContactCategory:
    """The best category of several contacts with one address; the first of equal ones (D9, E11)."""
    nothing = ContactCategory(Category.NONE, None)
    return min(found, key=lambda one: _BEST_FIRST.index(one.category), default=nothing)


def outcome_of(category: Category) -> Outcome:
    """The outcome of mail that is sorted by this category."""
    return _OUTCOMES[category]


def category_of(outcome: Outcome) -> Category | None:
    """The category of a label's outcome; None for an outcome without a label."""
    return _CATEGORIES.get(outcome)
