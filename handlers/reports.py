"""What operators and users ask: how mailboxes stand, what became of a mail, who has written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from domain.connections.connections import Connection
from domain.conversations.gate import Situation
from domain.crm.contacts import best
from domain.crm.organisations import local_date
from domain.crm.records import RecordKind
from domain.decisions import Thread, decide
from domain.errors import GiveUp, TryAgain
from domain.gates import GATES
from domain.ids import ConnectionId
from domain.mail.addresses import is_one_of
from domain.mail.messages import Fetched, Message, direction, read
from domain.message_records import ConnectionDecision, MessageNow, MessageRecord
from domain.outcomes import Outcome
from domain.reports import Bookmark, LedgerEntry, LedgerQuery, MailboxReport, Notification, Totals
from handlers.connections.permissions import check_known
from handlers.context import Context
from handlers.crm.locations import Where, located
from handlers.people import People, look_up
from handlers.ports.store import Transaction
from handlers.sessions import with_mailbox

PAGE = 500
"""Mails read at once."""


@dataclass(frozen=True, slots=True)
class Status:
    """How mailboxes stand at the moment `now` of the database's clock.

    `outdated` counts records of which a change was refused (E9); empty where one mailbox was asked for.
    """

    now: datetime
    totals: Totals
    mailboxes: tuple[MailboxReport, ...]
    outdated: Mapping[RecordKind, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Explained:
    """A mail's record, and for mail of which nothing was kept what the mailbox shows of it now, by connection."""

    trail: MessageRecord
    seen: dict[ConnectionId, MessageNow]
    today: date


def status(mailbox: str | None, limit: int | None, context: Context, location: Where = None) -> Status:
    """One mailbox or up to `limit` of all, those in trouble first.

    With a location only the mailboxes that it has connected, as its own connections stand; without one all, for the
    operator. Raises Refused for an unknown location.
    """
    with context.store.begin("reports.status", reads_only=True) as tx:
        here = tx if location is None else located(location, tx)
        totals = here.reports.totals(mailbox, context.timing.sync_due_after)
        outdated = here.reports.count_outdated() if mailbox is None else {}
        return Status(tx.now(), totals, here.reports.mailboxes(mailbox, limit), outdated)


def notifications(
    user_id: str, after: int, limit: int | None, context: Context, location: Where = None
) -> tuple[Notification, ...]:
    """Up to `limit` of the user's notifications after this id, the oldest first (Z25).

    Raises Refused for an unknown user.
    """
    with context.store.begin("reports.notifications", reads_only=True) as tx:
        here = located(location, tx)
        check_known(user_id, here)
        return here.notification_list.of_user(user_id, after, limit)


def ledger(query: LedgerQuery, context: Context, location: Where = None) -> Iterator[LedgerEntry]:
    """The mail asked for, the newest first. It is read a page at a time, because there may be millions."""
    after: Bookmark | None = None
    while True:
        with context.store.begin("reports.ledger", reads_only=True) as tx:
            page = located(location, tx).reports.entries(query, after, PAGE)
        yield from page
        if not page:
            return
        after = page[-1].bookmark


def explain(
    message_id: str, mailbox: str | None, context: Context, location: Where = None
) -> tuple[Explained, ...]:
    """The decision on a mail, in every mailbox that has one of this id."""
    with context.store.begin("reports.trail", reads_only=True) as tx:
        here = located(location, tx)
        trails = here.reports.trails(message_id, mailbox)
        today = local_date(context.today_is(), here.settings.get().time_zone)
    return tuple(Explained(trail, _seen_now(trail, context), today) for trail in trails)


def _seen_now(trail: MessageRecord, context: Context) -> dict[ConnectionId, MessageNow]:
    """Read a mail again that matched no contact, with one get for all connections. Nothing of it is kept (D2)."""
    stopped = [one for one in trail.decided if one.kept_nothing and _stopped(one)]
    if not stopped:
        return {}
    found = _read_again(trail, context)
    if isinstance(found, MessageNow):
        return {one.connection_id: found for one in stopped}
    with context.store.begin("reports.decide", reads_only=True) as tx:
        connections = {c.id: c for c in tx.connections.of_mailbox(trail.mailbox_id)}
        return {
            one.connection_id: _decided_now(found, connection, tx)
            for one in stopped
            if (connection := connections.get(one.connection_id))
        }


def _stopped(one: ConnectionDecision) -> bool:
    return one.outcome in GATES or one.outcome is Outcome.MATCH_FAILED


def _read_again(trail: MessageRecord, context: Context) -> Message | MessageNow:
    if trail.paused_at is not None:
        return MessageNow(problem="the mailbox is paused")
    with context.store.begin("reports.look", reads_only=True) as tx:
        connections = tx.connections.working(trail.mailbox_id)
        own = tx.mailboxes.own_addresses(trail.mailbox_id)
    try:
        answer = with_mailbox(connections, context, lambda mailbox: mailbox.headers([trail.message_id]))
    except (TryAgain, GiveUp) as error:
        return MessageNow(problem=f"the provider cannot be asked ({error.reason})")
    if answer is None:
        return MessageNow(problem="nobody is signed in to this mailbox")
    found = answer[trail.message_id]
    if isinstance(found, Fetched):
        return read(found, own)
    if found is None:
        return MessageNow(outcome=Outcome.SKIP_GONE)
    return MessageNow(problem=f"the provider cannot be asked ({found.reason})")


def _decided_now(message: Message, connection: Connection, tx: Transaction) -> MessageNow:
    """Decide on the mail as if it came now, with the settings and records of this moment."""
    syncs = connection.keeps_copies
    people = look_up(connection.mailbox_id, connection.location, [message], tx, everybody=syncs)
    way = direction(message, people.insiders)
    by_alias = message.author is not None and is_one_of(message.author, people.insiders.aliases)
    if not connection.works:
        return MessageNow(message=message, direction=way, outcome=Outcome.SKIP_INACTIVE, by_alias=by_alias)
    found = people.hits.get(message.author, ()) if message.author else ()
    decision = decide(
        message,
        insiders=people.insiders,
        exclusions=people.exclusions,
        hits=found,
        mode=connection.mode,
        features=connection.features,
        crm_labels=frozenset(),
        thread=_thread(connection, people, tx) if syncs else None,
    )
    outcome = decision.final if syncs else decision.skip
    return MessageNow(message=message, direction=way, outcome=outcome, hit=best(found), by_alias=by_alias)


def _thread(connection: Connection, people: People, tx: Transaction) -> Thread:
    """As if the mail were part of no conversation: one that is kept is not decided again."""
    settings = tx.of(connection.location).location_settings.get()
    return Thread(Situation(), people.hits, connection.user_id, settings)
