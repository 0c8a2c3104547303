"""What every handler works with."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from domain.mailboxes.accounts import Grant
from domain.providers import Provider
from domain.retention import Retention
from handlers.ports.capabilities import Mailbox
from handlers.ports.channels import Outside
from handlers.ports.objects import ObjectStore
from handlers.ports.providers import MailProvider
from handlers.ports.queue import Queue
from handlers.ports.store import Store
from handlers.timing import Timing
from handlers.units import Tally


@dataclass(frozen=True, slots=True)
class Context:
    """One process's way to the outside. `owner` names the process in its claims (W2), `providers` are by their names.

    `stopping` says that the process is to end: long jobs ask between two slices (W16).
    `as_of` fixes the moment for which "this month" is evaluated (D9); None means now.
    """

    store: Store
    providers: Mapping[str, MailProvider]
    queue: Queue
    objects: ObjectStore
    owner: str
    tally: Tally
    timing: Timing = field(default_factory=Timing)
    as_of: datetime | None = None
    stopping: Callable[[], bool] = lambda: False
    retention: Retention = field(default_factory=Retention)
    outside: Outside | None = None
    daily_limit: int = 500

    def open(self, grant: Grant) -> Mailbox:
        """A session at the grant's provider."""
        return self.providers[grant.provider].open(grant)

    def about(self, grant: Grant) -> Provider:
        """Its provider's names, limits and texts."""
        return self.providers[grant.provider].about

    def me(self) -> str:
        """Whose claims these are: another thread of the same process is somebody else."""
        return f"{self.owner}:{threading.get_ident()}"

    def today_is(self) -> datetime:
        """The moment D9 is evaluated for."""
        return self.as_of or datetime.now(UTC)
