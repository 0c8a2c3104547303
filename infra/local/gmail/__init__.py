"""A Gmail on loopback for real clients over real sockets. It answers as Google does."""

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
