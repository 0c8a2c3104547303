"""Who an address belongs to (D5)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """A contact can have deals; a lead cannot."""

    CONTACT = "contact"
    LEAD = "lead"


class MatchedBy(StrEnum):
    """Which step of D5 found the record."""

    EXACT = "exact"
    PLUS_TAG = "plus_tag"
    GMAIL = "gmail"


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact or lead of the CRM, as far as matching needs it."""

    id: str
    kind: Kind
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ContactAddress:
    """One address of one record, in its exact form (`addresses.canonical`)."""

    contact: Contact
    address: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A record found for an address, the record's own address and the step of D5 that joined them."""

    contact: Contact
    address: str
    matched_by: MatchedBy
