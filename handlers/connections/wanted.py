"""What a user wants of his connection, with what it has already, and whether he may have it (Z10–Z15, Z36, E76)."""

from dataclasses import dataclass

from domain.connections.connections import Connection, ConnectionState, Mode, Wishes
from domain.errors import Refused
from domain.mailboxes.accounts import AccountKey
from handlers.connections import disconnecting, sharing, takeovers
from handlers.connections.permissions import check_member
from handlers.ports.providers import MailProvider
from handlers.ports.store import InLocation, Transaction

NEEDS_MAGNET = "sorting needs MailMagnet: switch that on as well (rule Z12)"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The settings of a connection as they are to be."""

    magnet: bool
    sorting: bool
    dry_run: bool
    mode: Mode = Mode.LIVE

    @property
    def sync(self) -> bool:
        return self.mode is not Mode.LIVE

    @property
    def watched(self) -> bool:
        """Whether the mailbox's mail is to be found as it comes."""
        return self.magnet or self.sync


def living(user_id: str, here: InLocation) -> list[Connection]:
    """The user's connections but those that are being ended."""
    return [one for one in here.connections.of_user(user_id) if one.state is not ConnectionState.OFF]


def wanted_of(
    user_id: str,
    account: AccountKey,
    wishes: Wishes,
    provider: MailProvider,
    here: InLocation,
    tx: Transaction,
) -> Wanted:
    """What was asked for, and for the rest what the user's connection has. One that is being ended has nothing."""
    mailbox_id = tx.mailboxes.id_of(account)
    now = next((one for one in living(user_id, here) if one.mailbox_id == mailbox_id), None)
    mode = now.mode if now else Mode.LIVE
    if wishes.sync is not None:
        mode = _mode(provider, sync=wishes.sync)
        if now and now.mode is not mode:
            raise Refused(
                f"this mailbox is connected in mode {now.mode}: `lodestone disconnect` first, then connect it anew"
            )
    magnet, sorting, dry_run = wishes.magnet, wishes.sorting, wishes.dry_run
    if magnet is None:
        magnet = now is not None and now.features.magnet
    if sorting and not magnet:
        raise Refused(NEEDS_MAGNET)
    if sorting is None:
        sorting = magnet and now is not None and now.features.sorting
    if dry_run is None:
        dry_run = now is not None and now.dry_run
    return Wanted(magnet, sorting, dry_run, mode)


def _mode(provider: MailProvider, *, sync: bool) -> Mode:
    if not sync:
        return Mode.LIVE
    if provider.about.sync_mode is None:
        raise Refused(f"{provider.about.title} has no two-way sync")
    return provider.about.sync_mode


def check(
    user_id: str,
    account: AccountKey,
    wanted: Wanted,
    wishes: Wishes,
    replace: bool,
    here: InLocation,
    tx: Transaction,
) -> None:
    mailbox_id = tx.mailboxes.id_of(account)
    mine = living(user_id, here)
    if not replace and any(one.mailbox_id != mailbox_id for one in mine):
        raise Refused(
            f"user {user_id} has another mailbox connected: `lodestone connect … --replace` puts this one in its "
            "place (rule Z15)"
        )
    if wanted.sync:
        check_member(user_id, here)
    elif wishes.sharing is None and not any(one.mailbox_id == mailbox_id for one in mine):
        raise Refused("a new connection needs a sharing option: private, custom or public (rule Z10)")
    sharing.check(user_id, wishes, here)
    if mailbox_id is None:
        return
    if tx.connections.is_ending(mailbox_id):
        raise Refused(disconnecting.IS_LEFT)
    takeovers.check_others(
        user_id,
        mailbox_id,
        here.location,
        tx,
        magnet=wanted.magnet,
        sorting=wanted.sorting,
        sync=wanted.sync,
    )
