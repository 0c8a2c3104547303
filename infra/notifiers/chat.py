"""Sends lines of text to chat, mail and telephones by apprise URLs.

These services know no event ids: a process that dies between sending and its commit sends the line again. Only the
notifier and the commands that add or test a channel import this module, because apprise is large.
"""

import logging
from contextlib import suppress
from typing import Any

import apprise

from domain.channels import ReceiverAnswer, ReceiverVerdict, Target, Unusable
from infra.faults import reached
from infra.notifiers.addresses import checked, system_resolve
from infra.notifiers.guard import guarded

_LOCAL = frozenset({"syslog", "dbus", "kde", "qt", "glib", "gnome", "macosx", "windows", "file"})
"""Services that write on this machine, where no log may hold an address (D2)."""

_NO_URL = "that is no apprise URL that can be used here; slack://… and mailtos://… are some"


class ChatSender:
    """Sends lines. Connecting, and each piece of an answer, may take half of `seconds`. `may_be_private` allows
    services in our own network."""

    def __init__(self, *, may_be_private: bool, seconds: float = 10) -> None:
        self._may_be_private = may_be_private
        self._seconds = seconds
        # apprise logs URLs and texts, which no log may hold (I3, I10).
        logger = logging.getLogger("apprise")
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False

    def check(self, url: str) -> None:
        """Raises Unusable for a URL that is not allowed."""
        service = _service(url)
        if service is None:
            raise Unusable(_NO_URL)
        if _names_a_host(service.host):
            with suppress(OSError):  # the name may be a token; sending is guarded anyway
                checked(
                    service.host,
                    service.port or 443,
                    may_be_private=self._may_be_private,
                    resolve=system_resolve,
                )

    def send(self, target: Target, line: str) -> ReceiverAnswer:
        """Send one line as plain text."""
        service = _service(target.url)
        if service is None:
            return ReceiverAnswer(ReceiverVerdict.LATER, "no usable URL", untouched=True)
        service.socket_connect_timeout = service.socket_read_timeout = self._seconds / 2
        with guarded(may_be_private=self._may_be_private) as seen:
            try:
                with reached("deliveries.post"):
                    sent = service.notify(body=line, body_format=apprise.NotifyFormat.TEXT)
                reason = "not accepted"
            except Exception as error:  # the services of apprise have many authors
                sent, reason = False, type(error).__name__
        if sent:
            return ReceiverAnswer(ReceiverVerdict.TAKEN, "accepted")
        if seen.private:
            return ReceiverAnswer(ReceiverVerdict.LATER, "private address", untouched=True)
        # apprise gives no reason: the try counts if anything was sent, and the channel rests in any case.
        return ReceiverAnswer(
            ReceiverVerdict.LATER,
            reason if seen.asked else "not reached",
            counted=seen.asked,
            untouched=not seen.asked,
        )


def _names_a_host(host: str | None) -> bool:
    """Whether it looks like a host. Many services have a token there, which no name server may see."""
    return host is not None and ("." in host or ":" in host or host.lower() == "localhost")


def _service(url: str) -> Any:
    """The service of a URL; None when the URL is malformed or the service writes on this machine."""
    if url.partition("://")[0].lower() in _LOCAL:
        return None
    asset = apprise.AppriseAsset(
        app_id="Lodestone",
        app_desc="Lodestone",
        async_mode=False,
        http_redirects=False,
        secure_logging=True,
        allow_templates=False,
        storage_mode=apprise.PersistentStoreMode.MEMORY,
    )
    service = apprise.Apprise.instantiate(url, asset=asset)
    if service is not None:
        service.redirects = False
    return service
