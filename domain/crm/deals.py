"""Deals, as far as rules need them (D9)."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class DealCategory(StrEnum):
    """What a deal's stage counts as."""

    OPEN = "OPEN"
    WON = "WON"
    LOST = "LOST"


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal as far as sorting needs it; `closing_date` is None when the CRM has none."""

    id: str
    category: DealCategory
    closing_date: date | None
