"""Connecting a mailbox, its settings, its watch, and the end of it (D12, Z10–Z15, Z36, Z41–Z44)."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog

from domain.connections import Connection, ConnectionState, MailboxState
from domain.errors import AccessRevoked, GiveUp, LabelRefused, TryAgain
from domain.labels import LABEL_NAMES, Category
from domain.mailboxes import Grant, Watch
from handlers.ports import Mailbox, Transaction
from handlers.work import Work, enter

log = structlog.get_logger()

WATCH_RETRY = 600.0

NEEDS_MAGNET = "sorting needs MailMagnet: add --magnet (rule Z12)"


class Refused(Exception):
    """The rules do not allow it; the text says which way out there is."""


def connect(
    user_id: str, grant: Grant, *, magnet: bool | None, sorting: bool | None, dry_run: bool | None, work: Work
) -> tuple[int, str]:
    """Make or change a LIVE connection; returns its id and the mailbox's address.

    None leaves a setting as it is: off for a new connection, and sorting goes off with MailMagnet (Z36).
    Everything asked of Gmail comes first and may be asked again; the database is changed last, at once.
    Raises Refused, and what `Mailbox` raises.
    """
    if sorting and magnet is False:
        raise Refused(NEEDS_MAGNET)
    gmail = work.gmail.open(grant)
    address = gmail.address()
    own = gmail.own_addresses()
    with work.store.begin("connections.look", reads_only=True) as tx:
        magnet, sorting, dry_run = _settings(user_id, address, magnet, sorting, dry_run, tx)
        _check(user_id, address, magnet, tx)
        mailbox_id = tx.mailboxes.id_of(address)
        state = tx.mailboxes.get(mailbox_id) if mailbox_id else None
    labels = _labels(gmail, state) if sorting and not dry_run else None
    watch = gmail.watch(work.topic) if magnet else None
    with work.store.begin("connections.record") as tx:
        tx.mailboxes.reserve(address)
        _check(user_id, address, magnet, tx)
        mailbox_id = tx.mailboxes.add(address)
        connection = _signed_in(
            user_id, mailbox_id, gmail.grant, tx
        )  # locked before its mailbox, as everywhere
        tx.mailboxes.keep_own_addresses(mailbox_id, {address, *own})
        if labels:
            tx.mailboxes.keep_labels(mailbox_id, labels)
        watched = _switch(connection, watch, sorting, dry_run, tx, work)
    if state and state.cursor and not watched:
        work.store.scrub()
        gmail.stop_watch()
    log.info(
        "connection.made",
        connection_id=connection.id,
        user_id=user_id,
        mailbox_id=mailbox_id,
        magnet=magnet,
        sorting=sorting,
        dry_run=dry_run,
    )
    return connection.id, address


def _labels(gmail: Mailbox, state: MailboxState | None) -> Mapping[Category, str]:
    """The CRM labels; who has too many labels is told so before anything is switched on (E67)."""
    try:
        return gmail.ensure_labels(LABEL_NAMES, state.labels if state else {})
    except LabelRefused:
        raise Refused(
            "Gmail makes no more labels in this mailbox: delete some there, then connect again (rule E67)"
        ) from None


def _settings(
    user_id: str,
    address: str,
    magnet: bool | None,
    sorting: bool | None,
    dry_run: bool | None,
    tx: Transaction,
) -> tuple[bool, bool, bool]:
    """What was asked for, and for the rest what the user's connection has. One that is being ended has nothing."""
    mailbox_id = tx.mailboxes.id_of(address)
    now = next(
        (
            one
            for one in tx.connections.of_user(user_id)
            if one.mailbox_id == mailbox_id and one.state is not ConnectionState.OFF
        ),
        None,
    )
    if magnet is None:
        magnet = now is not None and now.magnet_since is not None
    if sorting and not magnet:
        raise Refused(NEEDS_MAGNET)
    if sorting is None:
        sorting = magnet and now is not None and now.sorting_since is not None
    if dry_run is None:
        dry_run = now is not None and now.dry_run
    return magnet, sorting, dry_run


def _check(user_id: str, address: str, magnet: bool, tx: Transaction) -> None:
    for other in tx.connections.of_user(user_id):
        theirs = tx.mailboxes.get(other.mailbox_id)
        if theirs and theirs.address != address:
            raise Refused(f"user {user_id} has another mailbox connected: disconnect it first (rule Z15)")
    mailbox_id = tx.mailboxes.id_of(address)
    for other in tx.connections.switched_on(mailbox_id) if mailbox_id and magnet else ():
        if other.user_id != user_id:
            raise Refused(f"MailMagnet is on for this mailbox with user {other.user_id} (rule E76)")


def _signed_in(user_id: str, mailbox_id: int, grant: Grant, tx: Transaction) -> Connection:
    known = [c for c in tx.connections.of_user(user_id) if c.mailbox_id == mailbox_id]
    if known:
        tx.connections.sign_in_again(known[0].id, grant)
    connection = tx.connections.get(known[0].id if known else tx.connections.add(user_id, mailbox_id, grant))
    if connection is None:
        raise Refused("the connection was ended meanwhile: connect again")
    return connection


def _switch(
    connection: Connection, watch: Watch | None, sorting: bool, dry_run: bool, tx: Transaction, work: Work
) -> bool:
    """Features start at the provider's time of switching on (W14) and keep their start while they stay on.

    Returns whether the mailbox still needs its watch.
    """
    since: datetime | None = watch.answered_at if watch else None
    tx.connections.change(
        connection.id,
        magnet_since=since and (connection.magnet_since or since),
        sorting_since=(connection.sorting_since or since) if sorting else None,
        dry_run=dry_run,
    )
    if watch:
        tx.mailboxes.start_watch(connection.mailbox_id, watch, work.pace.watch_due_after)
        tx.mailboxes.resume(connection.mailbox_id)
        return True
    if tx.connections.switched_on(connection.mailbox_id):
        tx.connections.delete_mail(connection)
        return True
    _forget(connection, tx)
    return False


def _forget(connection: Connection, tx: Transaction) -> None:
    """Nobody needs the mailbox's mail any more. Its row is locked first: a catch_up that is about to commit
    rows for it is waited for, a later one finds no cursor."""
    tx.mailboxes.forget(connection.mailbox_id)
    tx.connections.delete_mail(connection)
    tx.connections.delete_mailbox_mail(connection.mailbox_id)


def renew_watch(mailbox_id: int, work: Work) -> None:
    """A new registration and a fresh look at the aliases, daily (E85, E14). A failure holds up nothing else."""
    with work.store.begin("watch.enter", reads_only=True) as tx:
        connections = tx.connections.working(mailbox_id)
        if not tx.mailboxes.is_watch_due(mailbox_id, work.pace.redrive_after):
            return

    def renew(gmail: Mailbox) -> tuple[Watch, Sequence[str]]:
        return gmail.watch(work.topic), gmail.own_addresses()

    try:
        answer = enter(connections, work, renew)
    except (TryAgain, GiveUp) as error:
        with work.store.begin("watch.failed") as tx:
            tx.mailboxes.watch_failed(mailbox_id, WATCH_RETRY)
        log.warning("watch.failed", mailbox_id=mailbox_id, reason=error.reason)
        return
    if answer is None:
        return
    watch, own = answer
    with work.store.begin("watch.record") as tx:
        wanted = bool(tx.connections.switched_on(mailbox_id, locked=True))
        if wanted:
            tx.mailboxes.start_watch(mailbox_id, watch, work.pace.watch_due_after)
            tx.mailboxes.keep_own_addresses(mailbox_id, own)
    if not wanted:
        enter(connections, work, lambda gmail: gmail.stop_watch())
        return
    log.info("watch.renewed", mailbox_id=mailbox_id, until=watch.expires_at.isoformat())


def disconnect(user_id: str, work: Work) -> int:
    """End all connections of the user; returns how many there were.

    First nothing more is done and what was kept is deleted, then Google is told, then the grant is
    deleted: whoever dies in between calls it again (D12, Z42–Z44).
    """
    with work.store.begin("connections.look", reads_only=True) as tx:
        connections = tx.connections.of_user(user_id)
    for connection in connections:
        _disconnect(connection, work)
    return len(connections)


def _disconnect(connection: Connection, work: Work) -> None:
    with work.store.begin("connections.switch_off") as tx:
        others = [c for c in tx.connections.of_mailbox(connection.mailbox_id) if c.id != connection.id]
        watched = any(other.works for other in others)
        tx.connections.switch_off(connection.id)
        if watched:
            tx.connections.delete_mail(connection)
        else:
            _forget(connection, tx)
    work.store.scrub()
    _leave(
        connection, stop=not watched, revoke=all(o.state is ConnectionState.OFF for o in others), work=work
    )
    with work.store.begin("connections.delete") as tx:
        tx.connections.delete(connection.id)
        if not tx.connections.of_mailbox(connection.mailbox_id):
            tx.mailboxes.delete(connection.mailbox_id)
    log.info("connection.ended", connection_id=connection.id, mailbox_id=connection.mailbox_id)


def _leave(connection: Connection, *, stop: bool, revoke: bool, work: Work) -> None:
    """Stop the watch and end the grant, unless another connection of the mailbox needs them (D12)."""
    if connection.grant is None:
        return
    gmail = work.gmail.open(connection.grant)
    for wanted, end in ((stop, gmail.stop_watch), (revoke, gmail.revoke)):
        try:
            if wanted:
                end()
        except (AccessRevoked, GiveUp) as error:
            log.info("grant.lost", connection_id=connection.id, error=type(error).__name__)
