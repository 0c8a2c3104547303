"""Bare addresses: when two of them are the same (D5). All arguments are in their exact form."""

from functools import lru_cache

from domain.mail.address_lists import AddressList, read_list, read_one
from domain.mail.canonical import canonical

__all__ = [
    "AddressList",
    "canonical",
    "domain_of",
    "is_one_of",
    "is_under",
    "loose",
    "read_list",
    "read_one",
    "untagged",
]

_DOTLESS = frozenset({"gmail.com", "googlemail.com"})
"""One domain under two names, whose accounts are the same wherever dots stand in them (D5)."""

_LONGEST_DOTLESS = 64


def domain_of(address: str) -> str:
    return address.rpartition("@")[2]


def is_under(address: str, domains: frozenset[str]) -> bool:
    """Whether its very domain is one of them: `mail.example.com` may be somebody else's (D3-9, E19). A domain of two
    names counts under both."""
    domain = domain_of(address)
    return domain in domains or (domain in _DOTLESS and not _DOTLESS.isdisjoint(domains))


def untagged(address: str) -> str:
    """Without its `+tag` (D5 step 3). What is quoted, or would leave nothing, is no tag."""
    local, _, domain = address.rpartition("@")
    name = local.partition("+")[0]
    return address if not name or local.startswith('"') else f"{name}@{domain}"


def loose(address: str) -> str:
    """The key under which D5 step 3 compares."""
    local, _, domain = untagged(address).rpartition("@")
    if domain not in _DOTLESS or local.startswith('"'):
        return f"{local}@{domain}"
    return f"{local.replace('.', '') or local}@gmail.com"


def spellings(address: str) -> tuple[str, ...]:
    """Under which untagged addresses mail of the same person may be found, as far as they can be named (D5 step 3).
    Where dots may stand anywhere the address's own are tried, and none."""
    local, _, domain = untagged(address).rpartition("@")
    if domain not in _DOTLESS or local.startswith('"') or len(local) > _LONGEST_DOTLESS:
        return (f"{local}@{domain}",)
    names = dict.fromkeys((local, local.replace(".", "") or local))
    return tuple(f"{name}@{place}" for name in names for place in sorted(_DOTLESS))


def is_one_of(address: str, known: frozenset[str]) -> bool:
    """Own, colleague's or excluded, by the same comparison that finds a contact (E13, E14).

    A comparison that is narrower here than there would notify a colleague's `+tag` as a contact (E16) and let
    an excluded person back in by one (E19).
    """
    return address in known or loose(address) in _loosened(known)


@lru_cache(maxsize=64)
def _loosened(known: frozenset[str]) -> frozenset[str]:
    """Kept, because a location's users are compared with every address of every mail of a slice."""
    return frozenset(map(loose, known))
