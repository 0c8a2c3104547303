"""What a mail's thread is in a location, before the mail comes (Part A, D7 rows 2 to 4)."""

from collections.abc import Iterable
from enum import StrEnum


class Standing(StrEnum):
    """`ACTIVE`: a conversation that goes on. `DETACHED`: it goes on in another location (D8). `CLOSED`: a user has
    taken it out (H43). `OWNER_DELETED`: its owner is no contact any more (E73). `ELSEWHERE`: the thread is bound to
    another location, and here is no conversation. `DORMANT`: its connection has ended; mail of its own right wakes it.
    `NONE`: the mail is part of nothing here.
    """

    ACTIVE = "active"
    DETACHED = "detached"
    CLOSED = "closed"
    OWNER_DELETED = "owner_deleted"
    ELSEWHERE = "elsewhere"
    DORMANT = "dormant"
    NONE = "none"


JOINABLE = frozenset({Standing.ACTIVE, Standing.DORMANT})
"""A mail that is admitted goes into such a conversation; else it starts one."""

_ORDER = tuple(Standing)


def first(standings: Iterable[Standing]) -> Standing:
    """The one that decides for a mail that is part of several conversations: that of the first row of D7 which fits."""
    return min(standings, key=_ORDER.index, default=Standing.NONE)
