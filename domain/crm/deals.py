"""Deals, as far as a rule asks for them (D9)."""

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
    """A deal as far as sorting needs it; `closing_date` has no time of day and may be empty."""

    id: str
    category: DealCategory
    closing_date: date | None
