"""A connection: one user's use of one mailbox, and the settings that rule it (Part A, D1, Part I)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from domain.crm.locations import Location
from domain.ids import ConnectionId, MailboxId
from domain.mailboxes.accounts import Grant


class ConnectionState(StrEnum):
    """`reauth_needed`: the provider ended the grant, the user must sign in again. `paused`: the CRM has withdrawn the
    user's permission; it goes on when that is given back (D12)."""

    ACTIVE = "active"
    PAUSED = "paused"
    REAUTH_NEEDED = "reauth_needed"
    OFF = "off"


class Mode(StrEnum):
    """What becomes of a mailbox's mail (Part A): read live and never copied, or kept on both sides."""

    LIVE = "LIVE"
    SYNC_GMAIL = "SYNC_GMAIL"
    SYNC_OUTLOOK = "SYNC_OUTLOOK"


GIVEN_UP_AFTER = timedelta(days=7)
"""A mailbox that has needed a sign-in for so long may be another organisation's (T4)."""

UNKNOWN_ADDRESS = "unknown_address"
"""Our word for a delegated connection's address that the provider does not know."""


class Sharing(StrEnum):
    """Who besides the owner may see a mailbox's mail (D13). Exactly one is set on every LIVE connection."""

    PRIVATE = "private"
    CUSTOM = "custom"
    PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Features:
    """Since when each feature is on, by the provider's clock (W14); None when it is off."""

    sync_since: datetime | None = None
    magnet_since: datetime | None = None
    sorting_since: datetime | None = None

    @property
    def sync(self) -> bool:
        return self.sync_since is not None

    @property
    def magnet(self) -> bool:
        return self.magnet_since is not None

    @property
    def sorting(self) -> bool:
        return self.sorting_since is not None

    @property
    def since(self) -> datetime | None:
        """When the first of them was switched on, None when all are off."""
        return min(self._starts(), default=None)

    @property
    def any(self) -> bool:
        return self.sync or self.magnet or self.sorting

    def at(self, received_at: datetime) -> "Features":
        """Those that had begun when a mail was received: before its own start a feature counts as off (D3 row 7,
        Part J)."""

        def begun(start: datetime | None) -> datetime | None:
            return start if start is not None and start <= received_at else None

        if max(self._starts(), default=received_at) <= received_at:
            return self
        return Features(begun(self.sync_since), begun(self.magnet_since), begun(self.sorting_since))

    def switched(
        self, *, magnet: bool, sorting: bool, sync: bool = False, now: datetime | None = None
    ) -> "Features":
        """With these on. Each keeps its start while it stays on; what was off starts `now`. Sorting goes off with
        MailMagnet (Z36)."""
        return replace(
            self,
            sync_since=(self.sync_since or now) if sync else None,
            magnet_since=(self.magnet_since or now) if magnet else None,
            sorting_since=(self.sorting_since or now) if magnet and sorting else None,
        )

    def _starts(self) -> list[datetime]:
        return [one for one in (self.sync_since, self.magnet_since, self.sorting_since) if one is not None]


@dataclass(frozen=True, slots=True)
class Connection:
    """Settings as they are now; `version` grows with every change (W6).

    `dry_run` decides and explains but changes nothing in the mailbox. `sorting_trouble` is the provider's reason word
    while sorting is in state "error" (E67), `access_trouble` why its service account is not let in. `sharing` and
    `excluded_domains`, in their exact form, are the owner's own choice (D13).

    What it means that features are on is said here and in infra/db/features.py, and nowhere else.
    """

    id: ConnectionId
    location: Location
    user_id: str
    mailbox_id: MailboxId
    mode: Mode
    state: ConnectionState
    version: int
    features: Features
    dry_run: bool
    grant: Grant | None = field(repr=False)
    sorting_trouble: str | None = None
    sharing: Sharing = Sharing.PRIVATE
    excluded_domains: frozenset[str] = frozenset()
    access_trouble: str | None = None
    signed_out_at: datetime | None = None

    @property
    def works(self) -> bool:
        """Only an active connection with a feature on has anything to do (D2, D3 row 1, Z36)."""
        return self.state is ConnectionState.ACTIVE and self.features.any

    @property
    def keeps_mail(self) -> bool:
        """Whether what the ledger has of mail stays: it works, or will go on when its user or the CRM lets it
        (D12)."""
        return self.state is not ConnectionState.OFF and self.features.any

    @property
    def keeps_copies(self) -> bool:
        """The same of mail that two-way sync adds to conversations; what is there stays in any case (H34)."""
        return self.state is not ConnectionState.OFF and self.features.sync

    @property
    def keeps_notifications(self) -> bool:
        """The same of what its user is told of by MailMagnet."""
        return self.state is not ConnectionState.OFF and self.features.magnet

    @property
    def keeps_labelled(self) -> bool:
        """The same of what sorting keeps, so that nothing is labelled twice (E58)."""
        return self.state is not ConnectionState.OFF and self.features.sorting

    def holds_mailbox(self, now: datetime) -> bool:
        """Whether it keeps other organisations from connecting its mailbox: not when nobody has signed in to it for
        long (T4). That of a user who has left is off (D12)."""
        if self.state is ConnectionState.REAUTH_NEEDED and self.signed_out_at is not None:
            return now - self.signed_out_at < GIVEN_UP_AFTER
        return self.state is not ConnectionState.OFF

    @property
    def sorts(self) -> bool:
        """Whether mail is moved for it in the mailbox: not in a dry run, nor with sorting in state "error" (E67)."""
        return self.features.sorting and not self.dry_run and self.sorting_trouble is None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a user changes of his connection's settings, all at once; None leaves one as it is (Z13).

    `contacts` are the records whose "share e-mails" is switched on or off (D13). `sync` is the mode: two-way sync, or
    mail that is read live; a new connection that is told nothing is live.
    """

    magnet: bool | None = None
    sorting: bool | None = None
    dry_run: bool | None = None
    sharing: Sharing | None = None
    excluded_domains: frozenset[str] | None = None
    contacts: Mapping[str, bool] = field(default_factory=dict)
    sync: bool | None = None
