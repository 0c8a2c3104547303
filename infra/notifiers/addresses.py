"""The addresses that events may be sent to: public ones, and private ones where a setting allows them."""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from domain.channels import Unusable

_NAT64 = IPv6Network("64:ff9b::/96")
_NEVER = tuple(
    map(
        ip_network,
        ("192.0.0.0/24", "192.88.99.0/24", "2002::/16", "2001::/32", "64:ff9b:1::/48", "fec0::/10"),
    )
)
"""Networks that some versions of Python count as global: protocol assignments, site-local addresses, and 6to4 with its
relays, Teredo and a site's own NAT64, whose addresses stand for any IPv4 address."""

Resolve = Callable[[str, int], tuple[str, ...]]


def system_resolve(host: str, port: int) -> tuple[str, ...]:
    """All addresses of the host, by the system's resolver. Raises OSError when there is none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(place[4][0]) for place in found))


def is_public(text: str) -> bool:
    """Whether the address is public: not loopback, private, link-local, multicast or reserved, and no IPv6 address
    that stands for such an IPv4 address."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif address in _NAT64:
            address = IPv4Address(int(address) & 0xFFFFFFFF)
    inside = address.is_multicast or address.is_reserved or any(address in network for network in _NEVER)
    return address.is_global and not inside


def checked(host: str, port: int, *, may_be_private: bool, resolve: Resolve) -> tuple[str, ...]:
    """All addresses of the host.

    Raises Unusable when one is not public and `may_be_private` is False; OSError when the host has none.
    """
    found = resolve(host, port)
    if not may_be_private and not all(map(is_public, found)):
        raise Unusable("the host is in a private network; LODESTONE_CHANNELS_MAY_BE_PRIVATE=true allows that")
    return found
