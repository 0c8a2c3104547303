"""Connections: whose they are, how they are shared, how they end."""

from collections.abc import Collection, Mapping
from typing import Protocol

from domain.aliases import Alias, Holders
from domain.connections import Connection, Features, Sharing
from domain.crm.organisations import SharingPolicy
from domain.mailboxes import Grant
from domain.retention import After, Forgotten
from domain.sharing import SharedMailbox
from domain.sign_ins import SignIn


class DisconnectingRepository(Protocol):
    def is_left(self, mailbox_id: int) -> bool:
        """Whether somebody may be ending a grant of this mailbox at Google right now."""

    def take_leave(self, connection_id: int, seconds: float) -> bool:
        """Whoever ends the connection at Google has so many seconds; False when it is not off any more."""

    def redrive_leaving(self, limit: int, again_after: float) -> tuple[int, ...]:
        """Connections for which something is left to do now; each is named again after so many seconds."""

    def hold_leaving(self, connection_id: int, seconds: float) -> bool:
        """Whoever deletes what is left has so many seconds, and the row until the commit; False when there is nothing
        left to do."""

    def has_left(self, connection_id: int) -> None:
        """Nothing is left to delete. A connection that is off is to be ended at Google now."""

    def leaving_in(self, mailbox_id: int) -> tuple[int, ...]:
        """Connections of the mailbox for which something is left to do."""

    def delete_notices(self, connection_id: int) -> None:
        """What tells of the connection itself, on its user's list and on its way."""

    def delete_mail(self, connection: Connection, limit: int, after: After, *, alone: bool) -> Forgotten:
        """A stretch of what was kept of mail for a connection whose features are off, by the ids of the mails; of the
        mailbox too where it is `alone`, with nobody else keeping mail of it (D12, Z44). About `limit` rows of each
        table are looked at from `after` on.

        While MailMagnet is on only what was kept for sorting goes.
        """


class UserConnectionRepository(Protocol):
    def of_user(self, user_id: str) -> tuple[Connection, ...]:
        """All connections of the user, whatever their state."""

    def of_users(self, user_ids: Collection[str]) -> tuple[Connection, ...]:
        """All connections of these users, locked until the commit, the first made first."""


class OwnConnectionRepository(UserConnectionRepository, Protocol):
    def add(self, user_id: str, mailbox_id: int, grant: Grant, sharing: Sharing) -> int:
        """A new LIVE connection with all features off (Z11)."""

    def ids(self) -> tuple[int, ...]:
        """All that there are, the first made first."""

    def living(self, limit: int) -> tuple[Connection, ...]:
        """So many that are not switched off, locked until the commit, the first made first."""


class AliasRepository(Protocol):
    def reserve(self, address: str) -> None:
        """One at a time may register this address, until the commit: it is an alias of one mailbox of the organisation
        at most."""

    def add(self, connection: Connection, address: str) -> bool:
        """Register it; False when it is there already."""

    def remove(self, connection: Connection, address: str) -> bool:
        """It counts no more; False when it was not registered for this connection."""

    def end(self, connection: Connection) -> None:
        """All of its aliases end with the connection."""

    def of_users(self, user_ids: Collection[str] | None = None) -> tuple[Alias, ...]:
        """Those of these users' connections, or all, by user and address."""

    def holders(self, addresses: Collection[str]) -> Mapping[str, Holders]:
        """Who in the organisation has these, by their loose form."""


class SharingRepository(Protocol):
    def mailboxes(
        self, viewer_id: str, contact_id: str | None, policy: SharingPolicy
    ) -> tuple[SharedMailbox, ...]:
        """The viewer's own mailbox, and for a record those that somebody may share with him: all that D13 can
        allow, and few besides. Nothing of a connection that is off or whose user lost the permission."""

    def users(self) -> tuple[str, ...]:
        """The users who have a connection, two of them at most: for a setup that has only one."""


class SignInRepository(Protocol):
    def begin(self, state: str, sign_in: SignIn, seconds: float) -> None:
        """One more; those of the location that nobody came back for are gone."""

    def take(self, state: str, user_id: str) -> SignIn | None:
        """The sign-in that this user began with this state, for whoever comes first and in time."""


class ConnectionRepository(DisconnectingRepository, Protocol):
    def working(self, mailbox_id: int, *, locked: bool = False) -> tuple[Connection, ...]:
        """Those that are switched on; nobody while the mailbox is paused (D3 row 1)."""

    def switched_on(self, mailbox_id: int, *, locked: bool = False) -> tuple[Connection, ...]:
        """Active connections of the mailbox with a feature on, paused or not, the first made first.

        `locked` keeps their settings as they are until the commit (W6), and puts the notifications of one
        connection into the order of their commits, so that a reader who asks for "after" misses none.
        """

    def get(self, connection_id: int) -> Connection | None:
        """One connection, whatever its state."""

    def of_ids(self, connection_ids: Collection[int]) -> Mapping[int, Connection]:
        """These, by id, whatever their state."""

    def of_mailbox(self, mailbox_id: int, *, locked: bool = False) -> tuple[Connection, ...]:
        """All connections of the mailbox, whatever their state."""

    def change(self, connection_id: int, features: Features, *, dry_run: bool) -> None:
        """New settings, at once also for jobs in flight: the version grows (W6). Sorting begins afresh (E67).

        What was kept for a feature that goes off is to be deleted now.
        """

    def keep_grant(self, connection: Connection, grant: Grant) -> None:
        """A refreshed access token, so that other processes need no refresh of their own.

        Not if the connection has changed since it was read: its user may have signed in again.
        """

    def sign_in_again(self, connection_id: int, grant: Grant) -> None:
        """The user has signed in with the same account: what waited goes on (D12). What is left to delete of before
        stays due."""

    def suspend(self, connection_id: int) -> bool:
        """The CRM has withdrawn its user's permission (D12); True when it was active."""

    def reinstate(self, connection_id: int) -> bool:
        """The permission is back; True when it was suspended."""

    def need_sign_in(self, connection: Connection, trouble: str | None = None) -> bool:
        """The grant that the connection was read with is gone (E86); True for the one who noticed first."""

    def refuse(self, connection: Connection, reason: str | None) -> bool:
        """Why its service account is not let in for now, None when it is; True for the one who noticed first."""

    def stop_sorting(self, connection: Connection, reason: str) -> bool:
        """Sorting is in state "error" until the settings are saved again (E67); True for the one who noticed
        first. Not if they have been since."""

    def switch_off(self, connection_id: int) -> None:
        """Nothing more is done for it, and its settings go; the row stays until the grant is ended at Google."""

    def drop_grant(self, connection_id: int) -> None:
        """It is deleted here and not ended at Google (T4)."""

    def share(
        self, connection_id: int, sharing: Sharing | None = None, excluded: Collection[str] | None = None
    ) -> None:
        """The owner's own choice (D13); None leaves it as it is."""

    def share_contact(self, connection: Connection, contact_id: str, *, shared: bool) -> None:
        """Switch "share e-mails" for a record on or off (D13, Custom)."""

    def shared_contacts(self, connection_id: int) -> frozenset[str]:
        """The records for which the owner has switched on "share e-mails"."""

    def delete(self, connection: Connection) -> bool:
        """The connection and its grant, unless it was made anew since it was read."""
