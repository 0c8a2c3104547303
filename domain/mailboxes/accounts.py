"""An account at a provider: what it is known by, and how we may enter it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Grant:
    """Access to one account. What `text` holds only the provider's adapter reads. Sealed at rest, never shown (I10)."""

    provider: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccountKey:
    """What a provider knows an account by: where it can, something that a change of the address leaves as it is."""

    provider: str
    key: str
