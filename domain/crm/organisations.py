"""The organisation's settings (Part I, D13)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from domain.connections import Sharing
from domain.crm.categories import ByCategory
from domain.crm.deals import DealCategory
from domain.label_names import LABEL_NAMES
from domain.mail.messages import Exclusions


@dataclass(frozen=True, slots=True)
class SharingPolicy:
    """What administrators say of sharing (D13); where they say nothing it is the owner's choice.

    `only_users` and `only_roles`: Custom and Public are narrowed to these, unless both are empty.
    `excluded_domains`, in their exact form, count for everybody's mailbox.
    """

    by_role: Mapping[str, Sharing] = field(default_factory=dict)
    by_user: Mapping[str, Sharing] = field(default_factory=dict)
    only_users: frozenset[str] = frozenset()
    only_roles: frozenset[str] = frozenset()
    excluded_domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Organisation:
    """One CRM customer. `time_zone` is an IANA name, None where none was set (E2); `categories` are its own words
    for those of deals (E9)."""

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
    """None when the organisation has no time zone that is one: then UTC counts (E2)."""
    try:
        return ZoneInfo(time_zone) if time_zone else None
    except (KeyError, ValueError, OSError):
        return None


def local_date(now: datetime, time_zone: str | None) -> date:
    """The day it is for the organisation; neither the user's nor the server's zone plays a part (E2)."""
    return now.astimezone(zone(time_zone) or UTC).date()
