"""Who may see which mailbox (D13, Z19, Z20)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from domain.connections.connections import Connection, ConnectionState
from domain.connections.sharing import Share, SharedMailbox, may_see
from domain.crm.locations import Location
from domain.crm.organisations import SharingPolicy
from domain.crm.users import User
from domain.errors import Refused
from domain.ids import ConnectionId, MailboxId
from handlers.connections.permissions import check_known, check_may_connect
from handlers.context import Context
from handlers.crm.locations import Where, located
from handlers.ports.store import InLocation, Transaction

SIGN_IN_NEEDED: Final = "sign_in_needed"
PAUSED: Final = "paused"
NO_SEARCH: Final = "no_search"


@dataclass(frozen=True, slots=True)
class VisibleMailbox:
    """A mailbox that the viewer may look into, by whose shares, and over which connections. `trouble` says why it is
    not to be asked now."""

    id: MailboxId
    address: str
    shares: tuple[Share, ...]
    connections: tuple[Connection, ...]
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """Who looks at what, and in which mailboxes: at a record by its `addresses`, or with no `contact_id` at all mail of
    the viewer's own mailbox."""

    viewer: User
    contact_id: str | None
    addresses: tuple[str, ...]
    mailboxes: tuple[VisibleMailbox, ...]
    policy: SharingPolicy
    location: Location


def view_of(contact_id: str | None, viewer_id: str, mailbox: str | None, context: Context, at: Where) -> View:
    """Of the record where one is named, else of the viewer's own mailbox."""
    if contact_id is None:
        return of_owner(viewer_id, context, at)
    return of_record(contact_id, viewer_id, mailbox, context, at)


def of_record(
    contact_id: str, viewer_id: str, mailbox: str | None, context: Context, location: Where
) -> View:
    """Every mailbox where the viewer may see mail of the record (D13, Z45), or the named one. Raises Refused."""
    with context.store.begin("live.enter", reads_only=True) as tx:
        here = located(location, tx)
        viewer = viewer_of(viewer_id, here)
        addresses = here.contacts.addresses_of(contact_id)
        if addresses is None or not here.contacts.may_open(contact_id, viewer_id):
            raise Refused(f"there is no contact {contact_id} that user {viewer_id} may open")
        policy = here.settings.get().sharing
        shared = here.sharing.mailboxes(viewer_id, contact_id, policy) if addresses else ()
        mailboxes = _visible(viewer, shared, policy, tx)
    if mailbox is not None:
        mailboxes = tuple(one for one in mailboxes if one.address == mailbox)
        if not mailboxes:
            raise Refused(f"user {viewer_id} may not see mail of this contact in that mailbox")
    return View(viewer, contact_id, addresses, mailboxes, policy, here.location)


def of_owner(viewer_id: str, context: Context, location: Where) -> View:
    """The viewer's own mailbox. Raises Refused where he has none connected, or no permission (D12)."""
    with context.store.begin("live.enter", reads_only=True) as tx:
        here = located(location, tx)
        viewer = viewer_of(viewer_id, here)
        policy = here.settings.get().sharing
        mailboxes = _visible(viewer, here.sharing.mailboxes(viewer_id, None, policy), policy, tx)
        if not mailboxes:
            check_may_connect(viewer_id, here)
    if not mailboxes:
        raise Refused(f"user {viewer_id} has no mailbox connected: `lodestone connect --user {viewer_id}`")
    return View(viewer, None, (), mailboxes, policy, here.location)


def viewer_of(user_id: str, here: InLocation) -> User:
    """The user who looks. Raises Refused for one who is not known, or whom the CRM has deactivated."""
    check_known(user_id, here)
    viewer = here.users.get(user_id) or User(user_id)
    if not viewer.active:
        raise Refused(f"user {user_id} is deactivated in the CRM")
    return viewer


def _visible(
    viewer: User, shared: Collection[SharedMailbox], policy: SharingPolicy, tx: Transaction
) -> tuple[VisibleMailbox, ...]:
    """A mailbox is looked into once, however many connections lead there (E76)."""
    by_mailbox: dict[MailboxId, list[SharedMailbox]] = {}
    for one in shared:
        if may_see(viewer, one.share, policy):
            by_mailbox.setdefault(one.mailbox_id, []).append(one)
    seen = [one for several in by_mailbox.values() for one in several]
    active = tx.connections.of_ids({one.connection_id for one in seen if one.state is ConnectionState.ACTIVE})
    return tuple(_mailbox(several, active) for several in by_mailbox.values())


def _mailbox(
    several: Sequence[SharedMailbox], connections: Mapping[ConnectionId, Connection]
) -> VisibleMailbox:
    active = [one for one in several if one.connection_id in connections]
    return VisibleMailbox(
        several[0].mailbox_id,
        several[0].address,
        tuple(one.share for one in active),
        tuple(connections[one.connection_id] for one in active),
        PAUSED if several[0].is_paused else None if active else SIGN_IN_NEEDED,
    )
