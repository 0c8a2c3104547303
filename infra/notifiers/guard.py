"""Holds other people's code off our own network: whatever it does, its sockets reach public addresses only."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from infra.notifiers.addresses import is_public


class _PrivateAddress(OSError):
    """Raised into a library, which takes it for a failed connection."""


@dataclass(slots=True)
class Seen:
    """What a library did on the network: `private` if it was held off, `asked` if it sent anything."""

    private: bool = False
    asked: bool = False


class _Thread(threading.local):
    seen: Seen | None = None
    may_be_private = False


_thread = _Thread()
_installed = threading.Lock()
_CONNECTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_SENDS = frozenset({"http.client.send", "smtplib.send", "socket.sendto", "socket.sendmsg"})


@contextmanager
def guarded(*, may_be_private: bool) -> Iterator[Seen]:
    """Within, this thread's sockets connect to no address that `is_public` refuses, at the moment of connecting:
    no second resolution, redirect or proxy leads past it. Python's own audit events say when that is."""
    _install()
    _thread.seen, _thread.may_be_private = Seen(), may_be_private
    try:
        yield _thread.seen
    finally:
        _thread.seen = None


def _install() -> None:
    """Once in a process: Python has no way of taking an audit hook back."""
    if _installed.acquire(blocking=False):
        sys.addaudithook(_hook)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if (event not in _CONNECTS and event not in _SENDS) or _thread.seen is None:
        return
    if event in _CONNECTS and not _thread.may_be_private and not _is_allowed(args[1]):
        _thread.seen.private = True
        raise _PrivateAddress
    if event in _SENDS:
        _thread.seen.asked = True


def _is_allowed(address: Any) -> bool:
    """Of a socket's address: (host, port, …) for the internet; anything else is this machine's own."""
    return isinstance(address, tuple) and len(address) > 1 and is_public(str(address[0]))
