"""Gmail through Google's own client: the ports `Gmail` and `Mailbox` of handlers/ports.py."""

from collections.abc import Mapping

from domain.mailboxes import Grant
from infra.gmail.api import GOOGLE, api_at
from infra.gmail.costs import NEW_COSTS, OLD_COSTS, REMOTE_CALLS, Spent
from infra.gmail.delegation import NoServiceAccount, ServiceAccount
from infra.gmail.mailbox import GmailMailbox
from infra.gmail.transport import Lines

__all__ = [
    "NEW_COSTS",
    "OLD_COSTS",
    "REMOTE_CALLS",
    "Gmail",
    "GmailMailbox",
    "NoServiceAccount",
    "ServiceAccount",
    "Spent",
]


class Gmail:
    """The way into mailboxes, one per process. `endpoint` is a root url, None Google's own."""

    def __init__(
        self,
        endpoint: str | None = None,
        costs: Mapping[str, int] = NEW_COSTS,
        timeout_seconds: float = 30,
        service_account: ServiceAccount | None = None,
    ) -> None:
        self._root = GOOGLE if endpoint is None else f"{endpoint.rstrip('/')}/"
        self._costs = {**NEW_COSTS, **costs}
        self._service_account = service_account
        self._lines = Lines(timeout_seconds, proxied=endpoint is None)

    def open(self, grant: Grant) -> GmailMailbox:
        """Nothing is sent yet. A mailbox serves one thread at a time; many may be open."""
        return GmailMailbox(grant, api_at(self._root), self._lines, self._costs, self._service_account)

    def close(self) -> None:
        """Hang up on all threads' connections, when none is in a call any more."""
        self._lines.close()
