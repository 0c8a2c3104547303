"""A Gmail on loopback: real clients, real sockets, Google's own manners."""

from infra.local.gmail.control.client import (
    ControlError,
    Counters,
    Delivered,
    Dump,
    DumpedMessage,
    GmailControl,
    Mail,
)
from infra.local.gmail.server import GmailServer

__all__ = [
    "ControlError",
    "Counters",
    "Delivered",
    "Dump",
    "DumpedMessage",
    "GmailControl",
    "GmailServer",
    "Mail",
]
