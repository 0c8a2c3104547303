"""Connecting a mailbox, and its settings (D12, Z6, Z10–Z15, Z36)."""

from collections.abc import Callable, Mapping
from functools import partial

import structlog

from domain.connections.connections import Connection, ConnectionState, Mode, Sharing, Wishes
from domain.connections.permissions import needed
from domain.crm.categories import ByCategory, Category
from domain.crm.locations import Location
from domain.errors import AccessRevoked, GiveUp, GrantRefused, LabelRefused, Refused, TryAgain
from domain.ids import ConnectionId, MailboxId
from domain.mailboxes.accounts import AccountKey, Grant
from domain.mailboxes.state import MailboxState
from domain.mailboxes.watches import Unwatched, Watch
from domain.quota import Purpose
from handlers.connections import disconnecting, sharing, takeovers
from handlers.connections.permissions import check_grant, check_may_connect
from handlers.connections.wanted import NEEDS_MAGNET, Wanted, check, living, wanted_of
from handlers.context import Context
from handlers.crm.locations import Where, located
from handlers.mailboxes import watches
from handlers.ports.capabilities import Mailbox
from handlers.ports.providers import MailProvider
from handlers.ports.store import InLocation, Transaction
from handlers.sessions import with_mailbox

log = structlog.get_logger()


def save(
    user_id: str,
    grant: Grant | None,
    wishes: Wishes,
    *,
    replace: bool = False,
    context: Context,
    progress: Callable[[int], object] = lambda _: None,
    location: Where = None,
) -> tuple[ConnectionId, str]:
    """Make or change a connection; returns its id and the mailbox's address.

    What is not wished for stays as it is: off for a new connection, which is of mode LIVE and has to be given a sharing
    option (Z10), and sorting goes off with MailMagnet (Z36). Mail is synced from now on (H11). Without a grant it is
    the one that the user's connection has. With `replace` another mailbox of the user's ends when this one is connected
    (Z15).
    Everything asked of the provider comes first and may be asked again; the database is changed last, all at once
    (Z13), but for what another organisation had kept of the mailbox, which is deleted just before that (T4).
    Then what was kept for features that are off is deleted; `progress` is called with how many more mails are.
    Raises Refused, and what `Mailbox` raises.
    """
    if wishes.sorting and wishes.magnet is False:
        raise Refused(NEEDS_MAGNET)
    with context.store.begin("connections.look", reads_only=True) as tx:
        here = located(location, tx)
        location = here.location
        check_may_connect(user_id, here)
    kept = None
    if grant is None:
        kept, grant = _kept(user_id, location, context)
    mailbox = context.open(grant)
    address = mailbox.address()
    own = mailbox.own_addresses()
    provider = context.providers[grant.provider]
    account = AccountKey(grant.provider, provider.key(mailbox.grant, address))
    _follow_rename(user_id, location, account, address, context)
    with context.store.begin("connections.look", reads_only=True) as tx:
        here = tx.of(location)
        wanted = wanted_of(user_id, account, wishes, provider, here, tx)
        permissions = needed(labels=wanted.sorting and not wanted.dry_run)
        check_grant(mailbox.grant, permissions, provider)
        check(user_id, account, wanted, wishes, replace, here, tx)
        state = takeovers.known_of(account, location, tx)
        names = here.settings.get().label_names
    labels = _labels(mailbox, wanted, state, names, provider) if wanted.sorting else None
    watch = watches.begin(mailbox, context) if wanted.watched else None
    may = partial(check, user_id, account, wanted, wishes, replace)
    paused_at = takeovers.take_over(user_id, account, location, context, may, progress)
    if wanted.watched:
        disconnecting.clear_left(account, context, progress)
    with context.store.begin("connections.record") as tx:
        here = tx.of(location)
        here.users.reserve(user_id)
        tx.mailboxes.reserve(account)
        check_may_connect(user_id, here, locked=True)
        here.connections.of_users([user_id])  # all are locked, in order and before any mailbox, as everywhere
        check(user_id, account, wanted, wishes, replace, here, tx)
        mailbox_id = tx.mailboxes.add(account, address, paused_at)
        tx.mailboxes.lock([mailbox_id, *(one.mailbox_id for one in living(user_id, here))])
        if wanted.watched and not disconnecting.is_cleared(mailbox_id, tx):
            raise Refused(disconnecting.IS_LEFT)
        connection = (
            _unchanged(kept, mailbox.grant, tx)
            if kept
            else _signed_in(user_id, mailbox_id, mailbox.grant, wanted.mode, wishes.sharing, here, tx)
        )
        tx.mailboxes.keep_own_addresses(mailbox_id, {address, *own})
        tx.mailboxes.keep_own_name(mailbox_id, own.get(address, ""))
        if labels:
            tx.mailboxes.keep_labels(mailbox_id, labels, names)
        watched = _switch(connection, watch, wanted, tx, context)
        sharing.keep(connection, wishes, tx)
        former = [one for one in living(user_id, here) if one.mailbox_id != mailbox_id]
        for one in former:
            disconnecting.end(one, tx)
    disconnecting.clear(connection.id, context, progress)
    if state and state.cursor and not watched:
        context.store.scrub()
        try:
            mailbox.stop_watch()
        except (AccessRevoked, GiveUp, TryAgain) as error:  # all is saved, and it ends by itself in a week
            log.warning("watch.abandoned", mailbox_id=mailbox_id, reason=str(error))
    context.tally.add(mailbox_id, Purpose.USER, mailbox.spent.units)
    _say_made(connection, wanted, watch)
    for one in former:
        disconnecting.leave(one.id, context)
    return connection.id, address


def _say_made(connection: Connection, wanted: Wanted, watch: Watch | Unwatched | None) -> None:
    log.info(
        "connection.made",
        connection_id=connection.id,
        location_id=connection.location.id,
        user_id=connection.user_id,
        mailbox_id=connection.mailbox_id,
        mode=wanted.mode.value,
        magnet=wanted.magnet,
        sorting=wanted.sorting,
        dry_run=wanted.dry_run,
    )
    if isinstance(watch, Unwatched):
        log.warning("watch.failed", mailbox_id=connection.mailbox_id, reason=watch.trouble)


def _follow_rename(
    user_id: str, location: Location, account: AccountKey, address: str, context: Context
) -> None:
    """The user's account may have another primary address by now: then its mailbox is still the same (E99).

    Only the account itself tells that: an alias by the former name may be anybody's.
    """
    with context.store.begin("connections.look", reads_only=True) as tx:
        known = tx.mailboxes.id_of(account) is not None
        mine = [
            one for one in tx.of(location).connections.of_user(user_id) if one.state is ConnectionState.ACTIVE
        ]
    for connection in () if known else mine:
        try:
            now = with_mailbox([connection], context, lambda mailbox: mailbox.address())
        except (GiveUp, GrantRefused):
            continue
        if now == address:
            with context.store.begin("connections.rename") as tx:
                tx.mailboxes.rename(connection.mailbox_id, address)


def _labels(
    mailbox: Mailbox, wanted: Wanted, state: MailboxState | None, names: ByCategory, provider: MailProvider
) -> Mapping[Category, str] | None:
    """The CRM labels, None in a dry run. Raises Refused, before anything is switched on, where the mailbox has no
    labels, or too many of them (E67)."""
    title = provider.about.title
    if mailbox.labels is None:
        raise Refused(f"{title} has no labels: its mailboxes cannot be sorted")
    if wanted.dry_run:
        return None
    try:
        return mailbox.labels.ensure(names, state.labels if state else {})
    except LabelRefused:
        raise Refused(
            f"{title} makes no more labels in this mailbox: delete some there, then connect again (rule E67)"
        ) from None


def _kept(user_id: str, location: Location, context: Context) -> tuple[Connection, Grant]:
    """The user's connection and its grant; who is not signed in has none to go on with."""
    with context.store.begin("connections.look", reads_only=True) as tx:
        for connection in tx.of(location).connections.of_user(user_id):
            if connection.state is ConnectionState.ACTIVE and connection.grant:
                return connection, connection.grant
    ways = " or ".join(provider.about.not_signed_in for provider in context.providers.values())
    raise Refused(f"user {user_id} is not signed in: {ways}")


def _unchanged(kept: Connection, grant: Grant, tx: Transaction) -> Connection:
    """The same connection, locked, unless somebody has changed it since it was read (W6)."""
    tx.connections.keep_grant(kept, grant)
    connection = tx.connections.get(kept.id)
    if connection is None or connection.version != kept.version:
        raise Refused("the connection was changed meanwhile: connect again")
    return connection


def _signed_in(
    user_id: str,
    mailbox_id: MailboxId,
    grant: Grant,
    mode: Mode,
    sharing: Sharing | None,
    here: InLocation,
    tx: Transaction,
) -> Connection:
    known = next((c.id for c in here.connections.of_user(user_id) if c.mailbox_id == mailbox_id), None)
    if known is not None:
        tx.connections.sign_in_again(known, grant)
        tx.deliveries.signed_in(known)
    elif sharing is not None or mode is not Mode.LIVE:
        known = here.connections.add(user_id, mailbox_id, grant, sharing or Sharing.PRIVATE, mode)
    connection = None if known is None else tx.connections.get(known)
    if connection is None:
        raise Refused("the connection was ended meanwhile: connect again")
    return connection


def _switch(
    connection: Connection,
    watch: Watch | Unwatched | None,
    wanted: Wanted,
    tx: Transaction,
    context: Context,
) -> bool:
    """Features start at the provider's time of switching on (W14). Returns whether the mailbox still needs its
    watch."""
    features = connection.features.switched(
        magnet=wanted.magnet,
        sorting=wanted.sorting,
        sync=wanted.sync,
        now=watch.answered_at if watch else None,
    )
    tx.connections.change(connection.id, features, dry_run=wanted.dry_run)
    if watch:
        watches.started(connection.mailbox_id, watch, tx, context)
        tx.mailboxes.schedule(connection.mailbox_id)
        return True
    return disconnecting.forget(connection, tx)
