"""The CRM's records as they come in: contacts, deals and users (E8, E9, E12, E20)."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from domain.contacts import Kind
from domain.labels import DealCategory


class Records(StrEnum):
    """The kinds of records that the CRM hands us."""

    CONTACTS = "contacts"
    DEALS = "deals"
    USERS = "users"


@dataclass(frozen=True, slots=True)
class ContactRecord:
    """A contact or lead. One without any address is a record all the same: nothing can match it (E20).

    `visible_to` are the users who may open it besides the assigned one (D13); everybody where nobody is named.
    """

    id: str
    kind: Kind
    name: str
    addresses: tuple[str, ...]
    assigned_to: str | None
    created_at: datetime
    visible_to: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows of the database it takes."""
        return 1 + len(self.addresses) + len(self.visible_to)


@dataclass(frozen=True, slots=True)
class DealRecord:
    """A deal and everybody who is its main contact or has a role in it; `category` None when its stage has none."""

    id: str
    contact_ids: tuple[str, ...]
    stage: str
    category: DealCategory | None
    closing_date: date | None

    @property
    def counts_as(self) -> DealCategory:
        """A stage without category counts as OPEN (E9)."""
        return self.category or DealCategory.OPEN

    @property
    def rows(self) -> int:
        """How many rows of the database it takes."""
        return 1 + len(self.contact_ids)


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A user of the CRM, whose addresses are insiders (D3 row 9).

    `may_connect`: his profile grants the mail-integration permission (Z6). `roles_above` are the roles of his
    superiors in the hierarchy (D13).
    """

    id: str
    name: str
    addresses: tuple[str, ...]
    role: str | None = None
    roles_above: tuple[str, ...] = ()
    may_connect: bool = True
    active: bool = True

    @property
    def rows(self) -> int:
        """How many rows of the database it takes."""
        return 1 + len(self.addresses)


Record = ContactRecord | DealRecord | UserRecord


@dataclass(frozen=True, slots=True)
class Change:
    """What has become of one record; `record` is None when it was deleted.

    `version` grows with every change of the record, so that what comes late or twice is known for what it is.
    """

    kind: Records
    id: str
    version: int
    record: Record | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that does not go in: the line it begins on and why, never what stood there (D2).

    `id` is what could be read of its id: a record that is refused is not one that is absent.
    """

    line: int
    reason: str
    id: str | None = None
