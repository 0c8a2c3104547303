"""Connections: whose they are, how they are shared, how they end."""

from collections.abc import Collection, Mapping
from typing import Protocol

from domain.connections.aliases import Alias, Holders
from domain.connections.connections import Connection, Features, Mode, Sharing
from domain.connections.sharing import SharedMailbox
from domain.connections.sign_ins import SignIn
from domain.crm.organisations import SharingPolicy
from domain.ids import ConnectionId, MailboxId
from domain.mailboxes.accounts import Grant
from domain.retention import After, Forgotten


class DisconnectingRepository(Protocol):
    def is_ending(self, mailbox_id: MailboxId) -> bool:
        """Whether a process may be ending a grant of this mailbox at the provider right now."""

    def claim_ending(self, connection_id: ConnectionId, seconds: float) -> bool:
        """The caller has `seconds` to end the connection at the provider; False when it is not off any more."""

    def redrive_disconnecting(self, limit: int, again_after: float) -> tuple[ConnectionId, ...]:
        """Connections for which something is left to do now; each is named again `again_after` seconds later."""

    def claim_clearing(self, connection_id: ConnectionId, seconds: float) -> bool:
        """The caller has `seconds` to delete what is left; False when there is nothing left to do.

        The connection's row is locked until the commit.
        """

    def cleared(self, connection_id: ConnectionId) -> None:
        """Nothing is left to delete. A connection that is off is to be ended at the provider now."""

    def disconnecting_in(self, mailbox_id: MailboxId) -> tuple[ConnectionId, ...]:
        """Connections of the mailbox for which something is left to do."""

    def delete_own_notifications(self, connection_id: ConnectionId) -> None:
        """Delete notifications about the connection itself, from its user's list and from deliveries."""

    def delete_mail(self, connection: Connection, limit: int, after: After, *, alone: bool) -> Forgotten:
        """Delete some of what was kept of mail for a connection whose features are off (D12, Z44).

        Looks at about `limit` rows of each table from `after` on, in the order of message ids. `alone`: no other
        connection keeps mail of the mailbox, so that what was kept for the mailbox goes too. While MailMagnet is on,
        only what was kept for sorting is deleted.
        """


class OrganisationConnectionRepository(Protocol):
    def of_user(self, user_id: str) -> tuple[Connection, ...]:
        """All connections of the user, whatever their state."""

    def of_users(self, user_ids: Collection[str]) -> tuple[Connection, ...]:
        """All connections of these users, the oldest first, locked until the commit."""


class LocationConnectionRepository(OrganisationConnectionRepository, Protocol):
    def add(
        self,
        user_id: str,
        mailbox_id: MailboxId,
        grant: Grant,
        sharing: Sharing,
        mode: Mode = Mode.LIVE,
    ) -> ConnectionId:
        """A new LIVE connection with all features off (Z11)."""

    def ids(self) -> tuple[ConnectionId, ...]:
        """All of the location's, the oldest first."""

    def living(self, limit: int) -> tuple[Connection, ...]:
        """Up to `limit` that are not switched off, the oldest first, locked until the commit."""


class AliasRepository(Protocol):
    def reserve(self, address: str) -> None:
        """Until the commit no other transaction can register this address.

        It may be an alias of one mailbox of the organisation only.
        """

    def add(self, connection: Connection, address: str) -> bool:
        """Register the address; False when it was registered before."""

    def remove(self, connection: Connection, address: str) -> bool:
        """Take the alias back; False when it was not registered for this connection."""

    def end(self, connection: Connection) -> None:
        """Take back all aliases of a connection that ends."""

    def of_users(self, user_ids: Collection[str] | None = None) -> tuple[Alias, ...]:
        """The aliases of these users' connections, or all, ordered by user and address."""

    def holders(self, addresses: Collection[str]) -> Mapping[str, Holders]:
        """By loose form, who in the organisation has these addresses."""


class SharingRepository(Protocol):
    def mailboxes(
        self, viewer_id: str, contact_id: str | None, policy: SharingPolicy
    ) -> tuple[SharedMailbox, ...]:
        """Mailboxes that the viewer may be allowed to see: his own, and for a contact those that D13 may share.

        The caller applies D13 to each. Connections that are off, or whose user has lost the permission, are left out.
        """

    def users(self) -> tuple[str, ...]:
        """Users who have a connection, at most two: enough to see whether there is only one."""


class SignInRepository(Protocol):
    def begin(self, state: str, sign_in: SignIn, seconds: float) -> None:
        """Keep a sign-in for `seconds`; expired ones of the location are deleted."""

    def take(self, state: str, user_id: str) -> SignIn | None:
        """The sign-in that this user began with this state, once and in time; else None."""


class ConnectionRepository(DisconnectingRepository, Protocol):
    def working(self, mailbox_id: MailboxId, *, locked: bool = False) -> tuple[Connection, ...]:
        """Connections of the mailbox that work; none while an operator has paused it (D3 row 1)."""

    def switched_on(self, mailbox_id: MailboxId, *, locked: bool = False) -> tuple[Connection, ...]:
        """Active connections of the mailbox with a feature on, also while it is paused, the oldest first.

        `locked` keeps their settings until the commit (W6). It also orders the notifications of a connection by their
        commits, so that a reader who asks for those "after" an id misses none.
        """

    def get(self, connection_id: ConnectionId) -> Connection | None:
        """One connection, whatever its state."""

    def of_ids(self, connection_ids: Collection[ConnectionId]) -> Mapping[ConnectionId, Connection]:
        """These connections by id, whatever their state."""

    def of_mailbox(self, mailbox_id: MailboxId, *, locked: bool = False) -> tuple[Connection, ...]:
        """All connections of the mailbox, whatever their state."""

    def change(self, connection_id: ConnectionId, features: Features, *, dry_run: bool) -> None:
        """Change the settings. The version grows, so that jobs that run now notice (W6). Sorting starts again (E67).

        What was kept for a feature that goes off is due to be deleted.
        """

    def keep_grant(self, connection: Connection, grant: Grant) -> None:
        """Keep a refreshed access token, so that other processes need not refresh it.

        Does nothing when the connection has changed since it was read: its user may have signed in again.
        """

    def sign_in_again(self, connection_id: ConnectionId, grant: Grant) -> None:
        """The user has signed in again with the same account: what waited goes on (D12).

        What is left to delete from before stays due.
        """

    def suspend(self, connection_id: ConnectionId) -> bool:
        """The CRM has withdrawn its user's permission (D12); True when it was active."""

    def reinstate(self, connection_id: ConnectionId) -> bool:
        """The permission is back; True when it was suspended."""

    def need_sign_in(self, connection: Connection, trouble: str | None = None) -> bool:
        """The grant that the connection was read with has ended (E86); True for the first caller that says so."""

    def refuse(self, connection: Connection, reason: str | None) -> bool:
        """Why its service account is not let in, None when it is; True for the first caller that says so."""

    def stop_sorting(self, connection: Connection, reason: str) -> bool:
        """Stop sorting until the settings are saved again (E67); True for the first caller that says so.

        Does nothing when they were saved since the connection was read.
        """

    def switch_off(self, connection_id: ConnectionId) -> None:
        """Nothing more is done for it and its settings go. The row stays until the grant is ended at the provider."""

    def drop_grant(self, connection_id: ConnectionId) -> None:
        """Delete the grant here without ending it at the provider (T4)."""

    def share(
        self,
        connection_id: ConnectionId,
        sharing: Sharing | None = None,
        excluded: Collection[str] | None = None,
    ) -> None:
        """Change the owner's own choice (D13); None leaves it as it is."""

    def share_contact(self, connection: Connection, contact_id: str, *, shared: bool) -> None:
        """Switch "share e-mails" for a record on or off (D13, Custom)."""

    def shared_contacts(self, connection_id: ConnectionId) -> frozenset[str]:
        """The records for which the owner has switched on "share e-mails"."""

    def delete(self, connection: Connection) -> bool:
        """Delete the connection and its grant; False when it has changed since it was read."""
