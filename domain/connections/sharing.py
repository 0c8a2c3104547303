"""Who may see the mail of a LIVE connection (D13, Z19, Z20). The caller knows who may open the record."""

from collections.abc import Collection
from dataclasses import dataclass

from domain.connections.connections import ConnectionState, Sharing
from domain.crm.organisations import SharingPolicy
from domain.crm.users import User
from domain.ids import ConnectionId, MailboxId
from domain.mail.addresses import is_under


def option(owner: User, choice: Sharing, policy: SharingPolicy) -> Sharing:
    """The option that counts: the role's before the user's before what the owner chose himself."""
    if owner.role is not None and owner.role in policy.by_role:
        return policy.by_role[owner.role]
    return policy.by_user.get(owner.id, choice)


def _admits(policy: SharingPolicy, viewer: User, owner: User) -> bool:
    """Whether the policy lets this viewer see shared mail at all; the owner's superiors always may."""
    if not policy.only_users and not policy.only_roles:
        return True
    return viewer.id in policy.only_users or viewer.role in policy.only_roles or viewer.is_above(owner)


@dataclass(frozen=True, slots=True)
class Share:
    """One connection as it is shared, for one record: `ticked` is the owner's "share e-mails" on it."""

    owner: User
    choice: Sharing
    excluded_domains: frozenset[str] = frozenset()
    ticked: bool = False

    @property
    def is_permitted(self) -> bool:
        """An owner without the permission, or who has left, has no mail in the CRM at all (Z6, D12)."""
        return self.owner.active and self.owner.may_connect


def may_see(viewer: User, share: Share, policy: SharingPolicy) -> bool:
    """Whether the viewer sees this owner's mail of the record, apart from what `shows` says of each mail."""
    if not share.is_permitted:
        return False
    if viewer.id == share.owner.id:
        return True
    chosen = option(share.owner, share.choice, policy)
    if chosen is Sharing.PRIVATE or not _admits(policy, viewer, share.owner):
        return False
    return chosen is Sharing.PUBLIC or share.ticked


def shows(viewer: User, share: Share, policy: SharingPolicy, outside: Collection[str]) -> bool:
    """Whether the viewer sees a mail of the record with these outside participants, given that `may_see`.

    Mail among insiders is the owner's alone (E16, E17): without an outside participant there is no mail with a lead
    or contact.
    """
    if viewer.id == share.owner.id:
        return True
    if option(share.owner, share.choice, policy) is not Sharing.PUBLIC:
        return bool(outside)
    excluded = share.excluded_domains | policy.excluded_domains
    return not all(is_under(address, excluded) for address in outside)


@dataclass(frozen=True, slots=True)
class SharedMailbox:
    """A connection through which somebody's mail may be looked at, as it stands now. `is_paused`: an operator has
    paused the mailbox."""

    connection_id: ConnectionId
    mailbox_id: MailboxId
    address: str
    state: ConnectionState
    is_paused: bool
    share: Share
