"""What every handler works with, and what they all do when a provider refuses."""

import random
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import structlog

from domain.connections import UNKNOWN_ADDRESS, Connection, MailboxState
from domain.errors import (
    AccessRevoked,
    DatabaseAway,
    GiveUp,
    GrantRefused,
    NotDelegated,
    Slowed,
    TryAgain,
    UnknownAddress,
    Unready,
)
from domain.events import DeliveryDue, Event
from domain.ids import ChannelId, MailboxId
from domain.ledger import unready_wait, wait_before
from domain.locks import LockKind
from domain.mailboxes import Grant
from domain.notifications import NotificationKind
from domain.providers import Provider
from domain.quota import Purpose
from domain.retention import Retention
from handlers.ports.capabilities import Mailbox
from handlers.ports.channels import Outside
from handlers.ports.providers import MailProvider
from handlers.ports.queue import Queue
from handlers.ports.store import Store
from handlers.timing import Timing
from handlers.units import Tally

T = TypeVar("T")
log = structlog.get_logger()

DATABASE_WAIT = 1.0
"""Seconds between two tries to write down what must be written down."""

REFUSED_WAIT = timedelta(hours=1)
"""A permanent refusal (domain policy, mail switched off) is worth another look now and then."""


@dataclass(frozen=True, slots=True)
class Context:
    """One process's way to the outside. `owner` names the process in its claims (W2), `providers` are by their names.

    `stopping` says that the process is to end: long jobs ask between two slices (W16).
    `as_of` fixes the moment for which "this month" is evaluated (D9); None means now.
    """

    store: Store
    providers: Mapping[str, MailProvider]
    queue: Queue
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


@dataclass(frozen=True, slots=True)
class Lease:
    """What is ours for so many seconds, and for as many more whenever it is extended."""

    seconds: float
    extend: Callable[[], object]


def with_mailbox(
    connections: Sequence[Connection],
    context: Context,
    action: Callable[[Mailbox], T],
    lease: Lease | None = None,
    *,
    purpose: Purpose = Purpose.USER,
    expected: int = 0,
) -> T | None:
    """Do something in the mailbox with the first grant that still works; None when none does (W15, E86).

    Its units are counted for the `purpose`; where the `expected` ones are more than are left, Slowed is raised.
    However slowly the provider answers, the lease is extended meanwhile (W2). Raises GrantRefused where one of the
    grants will work again without its user, and none does now.
    """
    if not connections:
        return None
    with context.tally.reserved(connections[0].mailbox_id, purpose, expected, context.queue):
        return _with_mailbox(connections, context, action, lease, purpose)


def _with_mailbox(
    connections: Sequence[Connection],
    context: Context,
    action: Callable[[Mailbox], T],
    lease: Lease | None,
    purpose: Purpose,
) -> T | None:
    refused: GrantRefused | None = None
    for connection in connections:
        if connection.grant is None:
            continue
        mailbox = context.open(connection.grant)
        mailbox.charge(partial(context.tally.add, connection.mailbox_id, purpose))
        if lease is not None:
            mailbox.hold(lease.seconds / 3, lease.extend)
        try:
            answer = action(mailbox)
            if connection.access_trouble is not None:
                _admit(connection, context)
            return answer
        except GrantRefused as error:
            refused = error.with_traceback(None)
            if isinstance(error, NotDelegated):
                _refuse(connection, error.reason, context)
        except AccessRevoked as error:
            need_sign_in(connection, context, unknown=isinstance(error, UnknownAddress))
        finally:
            if mailbox.grant != connection.grant:
                with context.store.begin("mailboxes.keep_grant") as tx:
                    tx.connections.keep_grant(connection, mailbox.grant)
    if refused is not None:
        raise refused
    return None


def need_sign_in(connection: Connection, context: Context, *, unknown: bool = False) -> None:
    """Stop at once and say so once: nothing is retried until the user signs in again (E86), or is connected anew
    where the provider does not know the address that a service account was to enter."""
    kind = NotificationKind.ACCESS_REFUSED if unknown else NotificationKind.SIGN_IN_NEEDED
    with context.store.begin("mailboxes.need_sign_in") as tx:
        first = tx.connections.need_sign_in(connection, UNKNOWN_ADDRESS if unknown else None)
        if not tx.connections.working(connection.mailbox_id):
            tx.mailboxes.stop_scheduling(connection.mailbox_id)
        channels = tx.notifications.tell(connection, kind) if first else ()
    if first and unknown:
        _say_refused(connection, UNKNOWN_ADDRESS)
    elif first:
        log.warning(
            "connection.expired",
            connection_id=connection.id,
            location_id=connection.location.id,
            user_id=connection.user_id,
        )
    wake_channels(channels, context)


def _refuse(connection: Connection, reason: str, context: Context) -> None:
    """Say once that a service account is not let in. The mailbox rests and comes back by itself (E87)."""
    if connection.access_trouble is not None:
        return
    with context.store.begin("mailboxes.refuse") as tx:
        first = tx.connections.refuse(connection, reason)
        channels = tx.notifications.tell(connection, NotificationKind.ACCESS_REFUSED) if first else ()
    if first:
        _say_refused(connection, reason)
    wake_channels(channels, context)


def _say_refused(one: Connection, reason: str) -> None:
    event = log.bind(connection_id=one.id, location_id=one.location.id, user_id=one.user_id)
    event.warning("connection.refused", reason=reason)


def _admit(one: Connection, context: Context) -> None:
    """What has been done in the mailbox counts, whether this can be written or not: the next look writes it."""
    try:
        with context.store.begin("mailboxes.admit") as tx:
            first = tx.connections.refuse(one, None)
    except DatabaseAway:
        return
    if first:
        log.info(
            "connection.admitted", connection_id=one.id, location_id=one.location.id, user_id=one.user_id
        )


def wake_channels(channel_ids: Collection[ChannelId], context: Context) -> None:
    """After the commit: what was put on a user's list leaves it by these channels too.

    One job takes all that waits; a second is asked for only when none is on its way (W1).
    """
    for channel_id in sorted(channel_ids):
        if context.queue.mark_dirty(LockKind.DELIVER, channel_id):
            context.queue.emit(DeliveryDue(channel_id))


def back_off(mailbox: MailboxState, error: TryAgain | GiveUp, context: Context) -> None:
    """Leave this mailbox alone for as long as the provider wants, or for a growing while (E87); others go on (I4)."""
    wait = wait_before(mailbox.failures + 1, random.random())  # noqa: S311 - jitter, no secret
    unready = isinstance(error, Unready)
    if isinstance(error, GiveUp):
        wait = REFUSED_WAIT
    elif unready:
        wait = unready_wait(mailbox.refusals)
    if isinstance(error, TryAgain) and error.after is not None:
        wait = max(wait, error.after)
    slowed = isinstance(error, Slowed)
    if isinstance(error, Slowed) and error.after:
        wait = error.after
    with context.store.begin("mailboxes.rest") as tx:
        tx.mailboxes.rest(mailbox.id, error.reason, wait.total_seconds(), unready=unready, counted=not slowed)
    if slowed:  # it was said where it was found
        return
    say = log.bind(mailbox_id=mailbox.id, reason=error.reason, seconds=round(wait.total_seconds(), 1))
    if unready and mailbox.refusals:
        say.info("mailbox.postponed")
    else:
        say.warning("mailbox.rested")


def once_more(run: Callable[[], T]) -> T:
    """For what may be done again: the database ends one of two transactions that wait for each other, and who was
    ended goes second. Its caller does not hear of it."""
    try:
        return run()
    except DatabaseAway as error:
        if error.reason != "deadlock":
            raise
    return run()


def written(run: Callable[[], T], context: Context) -> T:
    """Again and again while the database is busy or away, because what has happened outside must not be forgotten
    and what was claimed be released. Who is to stop leaves it to the ledger."""
    while True:
        try:
            return run()
        except DatabaseAway as error:
            if context.stopping():
                raise
            log.warning("part.awaited", part="database", error=type(error).__name__)
            time.sleep(DATABASE_WAIT)


def exclusively(
    kind: LockKind,
    of: MailboxId | ChannelId,
    again: Event,
    context: Context,
    run: Callable[[Callable[[], bool]], bool],
) -> None:
    """One run at a time per mailbox; a mark that comes while it is on causes exactly one more (W1).

    `run` is given what it calls between two pieces of work to keep its lock, which is False when it has lost it,
    and says whether it dealt with everything. A run that dies leaves a marked mailbox dirty.
    """
    lock = context.queue.acquire(kind, of, context.timing.lease)
    if lock is None:
        log.debug("turn.refused", kind=kind.value, of=of)
        return
    done = False
    try:
        done = run(lambda: context.queue.extend(lock, context.timing.lease))
    finally:
        dirty = context.queue.release(lock, done=done)
    if done and dirty:
        context.queue.emit(again)
