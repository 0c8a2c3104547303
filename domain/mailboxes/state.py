"""What we know of a mailbox between jobs."""

from dataclasses import dataclass, field
from datetime import datetime

from domain.crm.categories import Category
from domain.ids import MailboxId
from domain.mailboxes.accounts import AccountKey
from domain.mailboxes.history import Cursors
from domain.mailboxes.watches import WatchState


@dataclass(frozen=True, slots=True)
class MailboxState:
    """What we know of a mailbox between jobs. `resting_until` is set while its provider limits it (E87), for
    `trouble`, after so many `failures` in a row, `refusals` of them without a word how long it lasts;
    `sorting_due_at` while its labels are in doubt (E67). `own_name` is what its owner shows there beside his
    address, where he shows anything. `read_at` is the database's clock when all this was read."""

    id: MailboxId
    account: AccountKey
    address: str
    cursors: Cursors | None
    synced_at: datetime | None
    resting_until: datetime | None
    failures: int
    labels: dict[Category, str]
    read_at: datetime
    watch: WatchState = field(default_factory=WatchState)
    own_name: str = field(default="", repr=False)
    trouble: str | None = None
    refusals: int = 0
    sorting_due_at: datetime | None = None

    @property
    def cursor(self) -> str | None:
        """Where the next run goes on, None while nothing is switched on."""
        return None if self.cursors is None else self.cursors.at

    @property
    def history_refused_at(self) -> datetime | None:
        """Since when the provider takes no cursor of this mailbox: it is swept by listing (E84)."""
        return None if self.cursors is None else self.cursors.refused_at

    def sorts_later(self, now: datetime) -> bool:
        return self.sorting_due_at is not None and self.sorting_due_at > now

    def rests(self, now: datetime) -> bool:
        return self.resting_until is not None and self.resting_until > now
