"""Sorting: a contact's category (D9) and what that changes in Gmail (D10)."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class DealCategory(StrEnum):
    """What a deal's stage counts as."""

    OPEN = "OPEN"
    WON = "WON"
    LOST = "LOST"


class Category(StrEnum):
    """The categories of D9, first that fits."""

    CTM = "CTM"
    OPEN = "OPEN"
    CUSTOMER = "CUSTOMER"
    NONE = "NONE"


LABEL_NAMES = {
    Category.CTM: "Deals Closing This Month (CTM)",
    Category.OPEN: "Open Deals",
    Category.CUSTOMER: "Customers",
}
"""The three CRM labels, by their default names (Z14, E66)."""


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal as far as sorting needs it; `closing_date` has no time of day and may be empty."""

    id: str
    category: DealCategory
    closing_date: date | None


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
