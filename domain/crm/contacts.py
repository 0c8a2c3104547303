"""Finds the records that an address belongs to (D5)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.crm.ids import id_order
from domain.mail.addresses import loose, untagged


class ContactKind(StrEnum):
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
    """A contact or lead of the CRM, as far as matching needs it. `assigned_to` is the id of its assigned user."""

    id: str
    kind: ContactKind
    created_at: datetime
    assigned_to: str | None = None


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


def hits(address: str, candidates: Iterable[ContactAddress]) -> tuple[Hit, ...]:
    """Every record that the address belongs to, the one that counts in first place (D5 steps 2-4).

    Addresses are compared loosely only when no record has the exact address, so that `ann+shop@example.com` can be a
    record of its own beside `ann@example.com`.
    """
    known = tuple(candidates)
    found = [Hit(c.contact, c.address, MatchedBy.EXACT) for c in known if c.address == address]
    if not found:
        key = loose(address)
        found = [
            Hit(c.contact, c.address, _step(address, c.address)) for c in known if loose(c.address) == key
        ]
    best_of_record: dict[tuple[ContactKind, str], Hit] = {}
    for hit in sorted(found, key=lambda hit: (_rank(hit), hit.matched_by is MatchedBy.GMAIL, hit.address)):
        best_of_record.setdefault((hit.contact.kind, hit.contact.id), hit)
    return tuple(best_of_record.values())


def best(found: Iterable[Hit]) -> Hit | None:
    """The record that a notification names and a conversation belongs to (D5 step 4, E11, E15); None without a hit."""
    return min(found, key=_rank, default=None)


def _step(address: str, other: str) -> MatchedBy:
    return MatchedBy.PLUS_TAG if untagged(address) == untagged(other) else MatchedBy.GMAIL


def _rank(hit: Hit) -> tuple[bool, datetime, tuple[int, int, str, str]]:
    return hit.contact.kind is ContactKind.LEAD, hit.contact.created_at, id_order(hit.contact.id)
