"""The organisation's settings (Part I, D13)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from domain.connections.connections import Sharing
from domain.crm.categories import ByCategory
from domain.crm.deals import DealCategory
from domain.mail.messages import Exclusions
from domain.sorting.label_names import LABEL_NAMES


@dataclass(frozen=True, slots=True)
class SharingPolicy:
    """What administrators have set for sharing (D13); else the owner of a mailbox decides.

    `only_users` and `only_roles`: only these see mail of Custom and Public mailboxes, unless both are empty.
    `excluded_domains`, in their exact form, count for all mailboxes.
    """

    by_role: Mapping[str, Sharing] = field(default_factory=dict)
    by_user: Mapping[str, Sharing] = field(default_factory=dict)
    only_users: frozenset[str] = frozenset()
    only_roles: frozenset[str] = frozenset()
    excluded_domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation's settings.

    `time_zone` is an IANA name, None where none was set (E2). `categories` maps its own words to categories of deals
    (E9).
    """

    time_zone: str | None = None
    internal_domains: frozenset[str] = frozenset()
    exclusions: Exclusions = field(default_factory=Exclusions)
    sharing: SharingPolicy = field(default_factory=SharingPolicy)
    categories: Mapping[str, DealCategory] = field(default_factory=dict)
    label_names: ByCategory = field(default_factory=lambda: LABEL_NAMES)


def exclusions(entries: Collection[str]) -> Exclusions:
    """Entries with an @ are addresses, the others domains (E19)."""
    addresses = frozenset(entry for entry in entries if "@" in entry)
    return Exclusions(addresses, frozenset(entries) - addresses)


def zone(time_zone: str | None) -> ZoneInfo | None:
    """The time zone; None when it was not set or does not exist, so that UTC counts (E2)."""
    try:
        return ZoneInfo(time_zone) if time_zone else None
    except (KeyError, ValueError, OSError):
        return None


def local_date(now: datetime, time_zone: str | None) -> date:
    """The organisation's date at this moment. The user's and the server's zones play no part (E2)."""
    return now.astimezone(zone(time_zone) or UTC).date()
