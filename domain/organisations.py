"""The organisation's settings (Part I)."""

from collections.abc import Collection
from dataclasses import dataclass, field

from domain.messages import Exclusions


@dataclass(frozen=True, slots=True)
class Organisation:
    """One CRM customer. `time_zone` is an IANA name, None where none was set (E2)."""

    time_zone: str | None = None
    internal_domains: frozenset[str] = frozenset()
    exclusions: Exclusions = field(default_factory=Exclusions)


def exclusions(entries: Collection[str]) -> Exclusions:
    """Entries with an @ are addresses, the others domains (E19)."""
    addresses = frozenset(entry for entry in entries if "@" in entry)
    return Exclusions(addresses, frozenset(entries) - addresses)
