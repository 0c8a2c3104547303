"""Lets the sockets of a library reach public addresses only, whatever the library does."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from infra.notifiers.addresses import is_public


class _PrivateAddress(OSError):
    """Raised inside a library, which takes it for a failed connection."""


@dataclass(slots=True)
class Seen:
    """What a library did on the network. `private`: it tried a private address. `asked`: it sent something."""

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
    """Keep this thread's sockets from addresses that `is_public` refuses, unless they may be private.

    Python's audit events tell of each connection, so that no second resolution, redirect or proxy gets past the check.
    """
    _install()
    _thread.seen, _thread.may_be_private = Seen(), may_be_private
    try:
        yield _thread.seen
    finally:
        _thread.seen = None


def _install() -> None:
    """Install the hook once in a process, because Python cannot remove an audit hook."""
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
    """An internet address is a tuple (host, port, …); any other form is local to this machine."""
    return isinstance(address, tuple) and len(address) > 1 and is_public(str(address[0]))
