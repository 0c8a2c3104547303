"""What a user lets us do in his mailbox: the least that the chosen features need (Z9)."""

from enum import StrEnum


class Permission(StrEnum):
    """How a provider's page puts it, and what it is asked for, its adapter knows."""

    READ = "read"
    SEND = "send"
    LABEL = "label"


def needed(*, labels: bool) -> frozenset[Permission]:
    """What a connection needs; labels only where it changes them."""
    return frozenset({Permission.READ, Permission.SEND, *((Permission.LABEL,) if labels else ())})
