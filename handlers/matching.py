"""Matching: whose mail is it, and what follows from that? Only here are the headers of new mail read (I7)."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog

from domain.connections.connections import Connection
from domain.decisions import Decision, decide
from domain.errors import GiveUp, TryAgain
from domain.events import MailJoined, MailMatched
from domain.ids import ConnectionId, MailboxId
from domain.ledger import BATCH_SIZE, Ahead, Cost, Link, Planned, Step
from domain.mail.content import MailContent
from domain.mail.delivery_reports import DeliveryReport
from domain.mail.folders import PUT_AWAY, Folder
from domain.mail.messages import Fetched, Message, read
from domain.mailboxes.state import MailboxState
from domain.outcomes import Outcome
from domain.quota import Purpose
from domain.retention import Data
from handlers.batches import ClaimedBatch, set_aside_exhausted
from handlers.channels import wake_channels
from handlers.context import Context
from handlers.conversations import arrivals, bounces, copying
from handlers.conversations.joining import Candidate
from handlers.people import look_up
from handlers.ports.capabilities import Mailbox
from handlers.ports.store import Transaction
from handlers.sessions import with_mailbox
from handlers.troubles import once_more

log = structlog.get_logger()

MISSING_WAIT = 25.0
"""Seconds between two looks at a message that the mailbox lists and does not have yet, or shows as it was (W7)."""


def match(mailbox_id: MailboxId, context: Context) -> None:
    """Match what waits in this mailbox, a batch at a time, until nothing is left.

    MailMatched is emitted once, after the last batch, and only where something waits to be announced or sorted.
    """
    matched, ahead = False, None
    while not context.stopping() and (ahead is None or Step.MATCH in ahead.ready):
        done, ahead = _match_batch(mailbox_id, context)
        matched = matched or done
        if not done:
            break
    if matched and (ahead is None or not ahead.coming.isdisjoint({Step.ANNOUNCE, Step.SORT})):
        context.queue.emit(MailMatched(mailbox_id))


def _match_batch(mailbox_id: MailboxId, context: Context) -> tuple[bool, Ahead | None]:
    """Returns whether a batch was matched, and what waits afterwards; None where nobody has looked."""
    with context.store.begin("contacts.claim") as tx:
        mailbox = tx.mailboxes.get(mailbox_id)
        connections = tx.connections.working(mailbox_id)
        if mailbox is None or not connections or mailbox.rests(mailbox.read_at):
            return False, None
        claims = tx.ledger.claim(mailbox_id, Step.MATCH, BATCH_SIZE, context.me(), context.timing.lease)
        claims = set_aside_exhausted(mailbox_id, Step.MATCH, claims, context.me(), connections, tx)
        if not claims:
            return False, tx.ledger.ahead(mailbox_id)
        own = tx.mailboxes.own_addresses(mailbox_id)
    batch = ClaimedBatch(mailbox, Step.MATCH, claims, context)
    with batch.released_on_failure():
        return _match(batch, connections, own, context)
    return False, None


def _match(
    batch: ClaimedBatch, connections: Sequence[Connection], own: frozenset[str], context: Context
) -> tuple[bool, Ahead | None]:
    began = time.monotonic()
    ids = [claim.message_id for claim in batch.claims]
    syncs = any(connection.keeps_copies for connection in connections)
    answer = with_mailbox(
        connections,
        context,
        lambda mailbox: _read(ids, own, mailbox, whole=syncs),
        batch.lease(),
        purpose=Purpose.MATCH,
        expected=context.tally.quota.read * len(ids),
    )
    if answer is None:
        batch.release(batch.claims, 0, counted=False)
        return False, None
    batch.failed(answer.errors)
    missing = [message_id for message_id, message in answer.fetched.items() if message is None]
    candidates = arrivals.candidates(answer.fetched, answer.messages, connections)
    found = _Found(answer.messages, missing, candidates, answer.reports)
    cost = Cost(answer.units / len(ids), time.monotonic() - began, len(ids))
    return once_more(lambda: _record(batch, found, cost, context))


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the mailbox has said of a batch, and the units that this took. `messages` are those of which nothing is
    missing, as the rules see them."""

    fetched: Mapping[str, Fetched | MailContent | TryAgain | GiveUp | None]
    messages: Sequence[Message]
    errors: Mapping[str, TryAgain | GiveUp]
    reports: Mapping[str, DeliveryReport]
    units: int


@dataclass(frozen=True, slots=True)
class _Found:
    """What the mailbox has of a batch. `candidates` are those of connections that sync."""

    messages: Sequence[Message]
    missing: Collection[str]
    candidates: Sequence[Candidate]
    reports: Mapping[str, DeliveryReport]


def _read(ids: Sequence[str], own: frozenset[str], mailbox: Mailbox, *, whole: bool) -> _Answer:
    """Headers, and for connections that sync also what the mails hold."""
    fetched: Mapping[str, Fetched | MailContent | TryAgain | GiveUp | None]
    fetched = mailbox.contents(ids) if whole else mailbox.headers(ids)
    messages = [
        read(one.fetched() if isinstance(one, MailContent) else one, own)
        for one in fetched.values()
        if isinstance(one, Fetched | MailContent)
    ]
    reports, unread = bounces.read_reports(fetched, messages, mailbox) if whole else ({}, {})
    errors = {i: e for i, e in fetched.items() if isinstance(e, TryAgain | GiveUp)} | dict(unread)
    messages = [message for message in messages if message.message_id not in unread]
    return _Answer(fetched, messages, errors, reports, mailbox.spent.units)


def _record(batch: ClaimedBatch, found: _Found, cost: Cost, context: Context) -> tuple[bool, Ahead | None]:
    """Read the settings and write the decisions in one transaction, so that no decision follows old settings (W6).

    What waits is not looked at after a full batch: there is likely to be more.
    """
    mailbox_id, messages, missing = batch.mailbox.id, found.messages, found.missing
    with context.store.begin("contacts.record") as tx:
        arrivals.take_turns(found.candidates, tx)
        connections = tx.connections.working(mailbox_id, locked=True)
        if not connections or arrivals.are_stale(found.candidates, messages, connections):
            # the grant ended meanwhile, and the mail waits for the sign-in; or it is to be read anew
            tx.ledger.release(mailbox_id, Step.MATCH, batch.claims, context.me(), 0, counted=False)
            return False, None
        if messages or missing:
            batch.succeeded(tx)
        held = {key.message_id for key in tx.ledger.held(mailbox_id, Step.MATCH, batch.claims, context.me())}
        messages = [message for message in messages if message.message_id in held]
        behind = _shown_as_before(mailbox_id, messages, tx)
        messages = [message for message in messages if message.message_id not in behind]
        missing = held.intersection(missing)
        gone = tx.messages.count_missing(mailbox_id, missing) if missing else frozenset[str]()
        live = [connection for connection in connections if not connection.keeps_copies]
        decided = _decide_all(tx, batch.mailbox, live, messages) if messages and live else []
        joined, channels = arrivals.join(batch.mailbox, connections, messages, found.candidates, tx)
        channels |= bounces.mark(mailbox_id, found.reports, joined, tx)
        decided += [_Decided(one.candidate.message, one.candidate.connection, one.decision) for one in joined]
        ended = {message.message_id for message in messages} | gone
        claims = [claim for claim in batch.claims if claim.message_id in ended]
        costs = dict.fromkeys(ended, cost)
        tx.ledger.finish(mailbox_id, Step.MATCH, dict.fromkeys(claims), context.me(), costs)
        tx.decisions.skip(mailbox_id, dict.fromkeys(gone, Outcome.SKIP_GONE), [c.id for c in connections])
        _write(tx, mailbox_id, decided)
        tx.ledger.plan(mailbox_id, arrivals.steps_of(joined))
        ahead = tx.ledger.ahead(mailbox_id) if len(batch.claims) < BATCH_SIZE else None
    waiting = [claim for claim in batch.claims if claim.message_id in behind | (set(missing) - gone)]
    if waiting:
        batch.release(waiting, MISSING_WAIT, counted=False)
    _say_gone(mailbox_id, gone)
    for one in decided:
        _say(one, batch, cost)
    arrivals.say(mailbox_id, joined)
    wake_channels(channels, context)
    kept = copying.keep_texts(mailbox_id, joined, context)
    if not kept or any(one.is_to_gather for one in joined):
        context.queue.emit(MailJoined(mailbox_id))
    return True, ahead


def _shown_as_before(mailbox_id: MailboxId, messages: Sequence[Message], tx: Transaction) -> frozenset[str]:
    """Mail that has just left Spam or Trash by its history, and is still shown there (W9)."""
    put_away = {m.message_id for m in messages if m.folder in PUT_AWAY}
    return tx.messages.just_reopened(mailbox_id, put_away) if put_away else frozenset()


@dataclass(frozen=True, slots=True)
class _Decided:
    message: Message
    connection: Connection
    decision: Decision


def _decide_all(
    tx: Transaction, mailbox: MailboxState, connections: Sequence[Connection], messages: Sequence[Message]
) -> list[_Decided]:
    """Look once into the CRM of each location, for the whole batch; then decide in memory."""
    known = {
        location: look_up(mailbox.id, location, messages, tx)
        for location in dict.fromkeys(connection.location for connection in connections)
    }
    return [
        _Decided(
            message,
            connection,
            decide(
                message,
                insiders=people.insiders,
                exclusions=people.exclusions,
                hits=people.hits.get(message.author, ()) if message.author else (),
                mode=connection.mode,
                features=connection.features,
                crm_labels=frozenset(mailbox.labels.values()),
            ),
        )
        for message in messages
        for connection in connections
        for people in (known[connection.location],)
    ]


def _write(tx: Transaction, mailbox_id: MailboxId, decided: Sequence[_Decided]) -> None:
    """Write the decisions and the steps that follow. What may not be kept is not written (D2)."""
    skipped: dict[ConnectionId, dict[str, Outcome]] = {}
    linked: dict[frozenset[Data], list[tuple[str, int, Link, Outcome | None]]] = {}
    planned: list[tuple[str, int, Planned]] = []
    for one in decided:
        message, connection_id, hit = one.message, one.connection.id, one.decision.hit
        if hit is None or message.author is None:
            if one.decision.final is not None:
                skipped.setdefault(connection_id, {})[message.message_id] = one.decision.final
            continue
        in_inbox = message.folder is Folder.INBOX
        link = Link(
            hit.contact.id,
            hit.address,
            hit.matched_by,
            message.author,
            message.received_at,
            in_inbox,
            message.via_list,
        )
        belongs = (message.message_id, connection_id, link, one.decision.final)
        linked.setdefault(one.decision.kept, []).append(belongs)
        planned += [(message.message_id, connection_id, step) for step in one.decision.steps]
    for connection_id, outcomes in skipped.items():
        tx.decisions.skip(mailbox_id, outcomes, [connection_id])
    for kept, links in linked.items():
        tx.decisions.link(mailbox_id, links, kept)
    tx.ledger.plan(mailbox_id, planned)


def _say_gone(mailbox_id: MailboxId, gone: Collection[str]) -> None:
    outcome = Outcome.SKIP_GONE.value
    for message_id in gone:
        log.info("message.lost", mailbox_id=mailbox_id, message_id=message_id, outcome=outcome)


def _say(one: _Decided, batch: ClaimedBatch, cost: Cost) -> None:
    skip, hit = one.decision.skip, one.decision.hit
    say = log.bind(
        mailbox_id=batch.mailbox.id,
        message_id=one.message.message_id,
        connection_id=one.connection.id,
        location_id=one.connection.location.id,
        milliseconds=round(cost.seconds * 1000),
    )
    if skip is not None or hit is None:
        outcome = one.decision.final
        say.info("contact.unmatched", outcome=outcome and outcome.value)
    else:
        say.info("contact.matched", contact_id=hit.contact.id, matched_by=hit.matched_by.value)
