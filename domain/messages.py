"""A mail as the rules see it: who wrote it to whom, of which class, and whether it is ours to handle."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Part:
    """A node of Gmail's payload tree: MIME type, headers in written order, nested parts. Never a body."""

    mime_type: str
    headers: tuple[tuple[str, str], ...]
    parts: tuple["Part", ...] = ()


@dataclass(frozen=True, slots=True)
class Fetched:
    """A message as users.messages.get gives it, trimmed by `fields`. Lives in memory only (D2)."""

    gmail_id: str
    label_ids: frozenset[str]
    received_at: datetime
    payload: Part


class MailClass(StrEnum):
    """The classes of D16."""

    HUMAN = "human"
    AUTO_REPLY = "auto_reply"
    LIST = "list"
    CALENDAR = "calendar"
    BOUNCE = "bounce"
    RECEIPT = "receipt"


class Direction(StrEnum):
    """The directions of D4."""

    SELF = "self"
    OUTBOUND = "outbound"
    INTERNAL = "internal"
    INBOUND = "inbound"


@dataclass(frozen=True, slots=True)
class Message:
    """A mail whose headers have been read. Addresses are in their exact form.

    `sender` is the one certain address of the raw From header, None by E105. `author` is the same,
    or the person behind a list's rewritten From (E100); `rewritten` says which.
    `precedence_marked` is true for `Precedence: bulk`, `list` or `junk` (D16, list row).
    """

    gmail_id: str
    label_ids: frozenset[str]
    received_at: datetime
    sender: str | None
    author: str | None
    rewritten: bool
    to: tuple[str, ...]
    cc: tuple[str, ...]
    bcc: tuple[str, ...]
    mail_class: MailClass
    precedence_marked: bool


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Addresses and domains, both in their exact form."""

    addresses: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Insiders:
    """Who is not an outside participant (D3 row 9).

    `own` are the mailbox's own addresses (primary and aliases), `users` the login and mailbox addresses
    of the location's CRM users, `domains` the organisation's internal domains.
    """

    own: frozenset[str]
    users: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
