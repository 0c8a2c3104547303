"""Sorting: a contact's mail under the label of its category (D9, D10, Z29–Z39)."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date

import structlog

from domain.connections import Connection
from domain.crm.contacts import Kind, hits
from domain.crm.locations import Location
from domain.errors import LabelConflict, LabelRefused
from domain.events import MailAnnounced
from domain.ledger import LABEL_WAITS, Claim, Cost, Link, Sortable, Step
from domain.locks import LockKind
from domain.notifications import NoticeKind
from domain.outcomes import Outcome
from domain.quota import Purpose
from domain.sorting import LABELLED, Category, Earlier, Replacing, Sorted, category, highest, local_date
from domain.sorting import outcome as outcome_of
from handlers.batches import ClaimedBatch, set_aside_exhausted
from handlers.context import Context, exclusively, once_more, wake_channels, with_mailbox
from handlers.ports.store import InLocation, Transaction
from handlers.sorting import threads
from handlers.sorting.apply import Plan, Result, label

log = structlog.get_logger()

AT_ONCE = 1_000
"""What one batchModify takes."""


def sort(mailbox_id: int, context: Context) -> None:
    """Everything of this mailbox that may be sorted, oldest first, one run at a time (W10)."""
    context.queue.mark_dirty(LockKind.SORT, mailbox_id)
    exclusively(
        LockKind.SORT,
        mailbox_id,
        MailAnnounced(mailbox_id),
        context,
        lambda keep: _sort(mailbox_id, context, keep),
    )


def _sort(mailbox_id: int, context: Context, keep: Callable[[], bool]) -> bool:
    while not context.stopping():
        plan = _plan(mailbox_id, context)
        if plan is None:
            return True
        with plan.piece.released_on_failure():
            if not _carry_out(plan, context, keep):
                return True
            if keep():
                continue
        return False
    return False


def _plan(mailbox_id: int, context: Context) -> Plan | None:
    """Decide and commit the intent before Gmail is called, so that a crash can be told from the user's hand (W5)."""
    with context.store.begin("labels.intend") as tx:
        mailbox = tx.mailboxes.get(mailbox_id)
        connections = {connection.id: connection for connection in tx.connections.working(mailbox_id)}
        if mailbox is None or not connections:
            return None
        if mailbox.rests(mailbox.read_at) or mailbox.sorts_later(mailbox.read_at):
            return None
        claims: Sequence[Claim] = tx.ledger.claim(
            mailbox_id, Step.SORT, AT_ONCE, context.me(), context.timing.lease, list(connections)
        )
        claims = set_aside_exhausted(mailbox_id, Step.SORT, claims, context.me(), connections.values(), tx)
        if not claims:
            return None
        found: dict[tuple[str, int], Sortable] = {}
        wanted: dict[Claim, Sorted] = {}
        for location, its in _by_location(claims, connections).items():
            here = tx.of(location)
            found |= here.sorting.sortable(its)
            organisation = here.settings.get()
            today = local_date(context.today_is(), organisation.time_zone)
            sorted_ = _categories({found[claim.key].link.author for claim in its}, today, here)
            wanted |= {claim: sorted_[found[claim.key].link.author] for claim in its}
        links = {key: one.link for key, one in found.items()}
        claims, later = _in_order(claims, links, wanted)
        if later:
            tx.ledger.release(mailbox_id, Step.SORT, later, context.me(), 0, counted=False)
        outcomes = {
            claim: _outcome(connections[claim.connection_id], found[claim.key], wanted[claim])
            for claim in claims
        }
        intents = {claim: wanted[claim] for claim, outcome in outcomes.items() if outcome in LABELLED}
        again = {claim.key: before for claim in claims if (before := found[claim.key].intended)}
        tx.decisions.intend(intents)
        earlier, halves = _labelled_before(claims, connections, tx)
    piece = ClaimedBatch(mailbox, Step.SORT, claims, context)
    return Plan(
        piece, connections, links, outcomes, intents, again, earlier, halves, organisation.label_names
    )


def _labelled_before(
    claims: Collection[Claim], connections: Mapping[int, Connection], tx: Transaction
) -> tuple[Mapping[threads.Contact, frozenset[Earlier]], tuple[Replacing, ...]]:
    """What these contacts have under other labels, and what is half replaced where sorting is on still (E47)."""
    earlier: dict[threads.Contact, frozenset[Earlier]] = {}
    halves: list[Replacing] = []
    for location, its in _by_location(claims, connections).items():
        before, begun = tx.of(location).sorting.labelled_before(its)
        earlier |= before
        halves += [one for one in begun if connections[one.connection_id].sorts]
    return earlier, tuple(halves)


def _in_order(
    claims: Collection[Claim], links: Mapping[tuple[str, int], Link], wanted: Mapping[Claim, Sorted]
) -> tuple[list[Claim], list[Claim]]:
    """Oldest first, and what waits for the next slice: a contact's mail of another category than his oldest, as
    it comes from another address of his (E47, W10)."""
    ordered = sorted(claims, key=lambda claim: (links[claim.key].received_at, claim.message_id))
    first: dict[threads.Contact, Category] = {}
    now: list[Claim] = []
    later: list[Claim] = []
    for claim in ordered:
        found = wanted[claim].category
        same = first.setdefault((claim.connection_id, links[claim.key].contact_id), found) is found
        (now if same else later).append(claim)
    return now, later


def _by_location(
    claims: Collection[Claim], connections: Mapping[int, Connection]
) -> Mapping[Location, list[Claim]]:
    """Each location has contacts and deals of its own (T1)."""
    found: dict[Location, list[Claim]] = {}
    for claim in claims:
        found.setdefault(connections[claim.connection_id].location, []).append(claim)
    return found


def _categories(authors: Collection[str], today: date, here: InLocation) -> Mapping[str, Sorted]:
    """The category of each author: the highest of all contacts with the address, at this moment (D9, E11)."""
    directory = here.contacts.candidates(authors)
    people = {
        author: [hit.contact.id for hit in hits(author, directory) if hit.contact.kind is Kind.CONTACT]
        for author in authors
    }
    deals = here.contacts.deals_of({contact_id for ids in people.values() for contact_id in ids})
    return {
        author: highest(category(deals.get(contact_id, ()), today) for contact_id in ids)
        for author, ids in people.items()
    }


def _outcome(connection: Connection, mail: Sortable, wanted: Sorted) -> Outcome:
    """The settings are those of this moment (Part B); the user's hand wins over every category (I6)."""
    if not connection.features.at(mail.link.received_at).sorting:
        return Outcome.LABEL_OFF
    if mail.touched:
        return Outcome.LABEL_USER_CHOICE
    if connection.sorting_trouble and wanted.category is not Category.NONE:
        return Outcome.LABEL_FAILED
    return outcome_of(wanted.category)


def _carry_out(plan: Plan, context: Context, keep: Callable[[], bool]) -> bool:
    """Whether there may be more to sort."""
    began = time.monotonic()
    result = Result(dict(plan.outcomes))
    result.older.begun.update(plan.halves)
    units = 0
    if plan.to_change or plan.halves or plan.in_doubt:
        connections = list(plan.connections.values())
        try:
            lease = plan.piece.lease(keep)
            spent = with_mailbox(
                connections,
                context,
                lambda gmail: label(gmail, plan, result, context),
                lease,
                purpose=Purpose.SORT,
            )
        except LabelConflict as error:
            if _waits_for_labels(plan.piece, context):
                return True
            result = _refused(plan, result, error.reason)
        except LabelRefused as error:
            result = _refused(plan, result, error.reason)
        else:
            if spent is None:
                plan.piece.release(plan.piece.claims, 0, counted=False)
                return True
            units = spent.units
    cost = Cost(units / (len(plan.paid) or 1), time.monotonic() - began, len(plan.piece.claims))
    plan.piece.failed(result.errors)
    return once_more(lambda: _record(plan, result, cost, context))


def _refused(plan: Plan, result: Result, reason: str) -> Result:
    outcomes = result.outcomes | dict.fromkeys(plan.to_change, Outcome.LABEL_FAILED)
    changed = {claim: made for claim, made in result.changed.items() if claim in plan.in_doubt}
    return Result(outcomes, changed, result.errors, refused=reason)


def _waits_for_labels(piece: ClaimedBatch, context: Context) -> bool:
    """Sorting waits, and nothing else, for a label that is said to be there and not shown; not for ever (E67)."""
    with context.store.begin("labels.wait") as tx:
        wait = tx.mailboxes.labels_conflict(piece.mailbox.id, LABEL_WAITS)
    if wait is None:
        return False
    piece.release(piece.claims, wait.total_seconds(), counted=False)
    return True


def _record(plan: Plan, result: Result, cost: Cost, context: Context) -> bool:
    """What was done; a result for settings that have changed since is dropped (W6), unless Gmail has it already.
    Returns whether more is ready."""
    piece, mailbox_id = plan.piece, plan.piece.mailbox.id
    with context.store.begin("labels.record") as tx:
        now = {
            connection.id: connection.version
            for connection in tx.connections.working(mailbox_id, locked=True)
        }
        if any(claim.message_id not in result.errors for claim in plan.to_change) and not result.refused:
            piece.succeeded(tx)
        held = tx.ledger.held(mailbox_id, Step.SORT, piece.claims, context.me())
        ours = [claim for claim in piece.claims if claim.key in held]
        mine = [claim for claim in ours if claim.message_id not in result.errors]
        current = {
            claim
            for claim in mine
            if claim in result.changed
            or now.get(claim.connection_id) == plan.connections[claim.connection_id].version
        }
        outcomes = {claim: result.outcomes[claim] for claim in mine if claim in current}
        changed = {claim: made for claim, made in result.changed.items() if claim in outcomes}
        costs = {claim.message_id: cost for claim in plan.paid}
        tx.ledger.finish(mailbox_id, Step.SORT, outcomes, context.me(), costs)
        tx.decisions.conclude(outcomes, changed)
        threads.record(mailbox_id, result.older, {plan.links[claim.key].contact_id for claim in ours}, tx)
        stopped, channels = _stop(plan, result, {claim.connection_id for claim in ours}, tx)
        stale = [claim for claim in mine if claim not in current]
        if stale:
            tx.ledger.release(mailbox_id, Step.SORT, stale, context.me(), 0, counted=True)
        more = Step.SORT in tx.ledger.ahead(mailbox_id).ready
    for claim, outcome in outcomes.items():
        log.info(
            "message.sorted",
            mailbox_id=mailbox_id,
            message_id=claim.message_id,
            connection_id=claim.connection_id,
            location_id=plan.connections[claim.connection_id].location.id,
            outcome=outcome.value,
            changed=claim in changed,
            attempt=claim.attempts,
            milliseconds=round(cost.seconds * 1000),
        )
    for connection in stopped:
        log.warning(
            "sorting.stopped",
            mailbox_id=mailbox_id,
            connection_id=connection.id,
            location_id=connection.location.id,
            user_id=connection.user_id,
            reason=result.refused,
        )
    wake_channels(channels, context)
    return more


def _stop(
    plan: Plan, result: Result, concerned: Collection[int], tx: Transaction
) -> tuple[list[Connection], frozenset[int]]:
    """Gmail makes no label more: sorting ends in state "error" until the settings are saved again, and the user
    is told once; MailMagnet goes on (E67). Returns the connections and the channels to wake."""
    stopped: list[Connection] = []
    channels: frozenset[int] = frozenset()
    for connection in [c for c in plan.connections.values() if c.id in concerned]:
        if result.refused and connection.sorts and tx.connections.stop_sorting(connection, result.refused):
            stopped.append(connection)
            channels |= tx.notifications.tell(connection, NoticeKind.SORTING_FAILED)
    return stopped, channels
