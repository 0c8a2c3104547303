"""Sorting: a contact's mail under the label of its category (D9, D10, Z29–Z39)."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from domain.connections import Connection
from domain.contacts import Kind, hits
from domain.errors import GiveUp, LabelUnknown, TryAgain
from domain.events import MailAnnounced
from domain.labels import LABEL_NAMES, Category, LabelChange, Sorted, category, change, highest, local_date
from domain.labels import outcome as outcome_of
from domain.ledger import Claim, Cost, Link, Step
from domain.outcomes import Outcome
from handlers.ports import Mailbox, Spent, Transaction
from handlers.slices import Slice, put_aside
from handlers.work import Work, enter, in_turn

log = structlog.get_logger()

AT_ONCE = 1_000
"""What one batchModify takes."""

LEFT_ALONE = frozenset({"SPAM", "TRASH"})

_UNSEEN = frozenset({"INBOX"})
"""A first try does not pay for another look: taking INBOX off a mail that is not there changes nothing."""


def sort(mailbox_id: int, work: Work) -> None:
    """Everything of this mailbox that may be sorted, oldest first, one run at a time (W10)."""
    work.queue.mark("sort", mailbox_id)
    in_turn("sort", mailbox_id, MailAnnounced(mailbox_id), work, lambda keep: _sort(mailbox_id, work, keep))


def _sort(mailbox_id: int, work: Work, keep: Callable[[], None]) -> bool:
    while not work.stopping():
        plan = _plan(mailbox_id, work)
        if plan is None:
            return True
        with plan.piece.given_back_on_failure():
            _carry_out(plan, work)
            keep()
            continue
        return False
    return False


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a slice is to become: an outcome for each mail, and for those to be labelled the intent.

    `again` are those for which an intent was committed before: Gmail may have been called already.
    """

    piece: Slice
    connections: Mapping[int, Connection]
    outcomes: Mapping[Claim, Outcome]
    intents: Mapping[Claim, Sorted]
    again: frozenset[tuple[str, int]]

    @property
    def to_change(self) -> list[Claim]:
        """Mails to be labelled in Gmail; a dry run ends with the intent."""
        return [c for c in self.intents if not self.connections[c.connection_id].dry_run]


def _plan(mailbox_id: int, work: Work) -> _Plan | None:
    """Decide and commit the intent before Gmail is called, so that a crash can be told from the user's hand (W5)."""
    with work.store.begin("labels.intend") as tx:
        mailbox = tx.mailboxes.get(mailbox_id)
        connections = {connection.id: connection for connection in tx.connections.working(mailbox_id)}
        if mailbox is None or not connections or mailbox.rests(tx.now()):
            return None
        claims = tx.ledger.claim(
            mailbox_id, Step.SORT, AT_ONCE, work.me(), work.pace.lease, list(connections)
        )
        claims = put_aside(mailbox_id, Step.SORT, claims, connections.values(), tx)
        if not claims:
            return None
        links = tx.decisions.links(claims)
        touched = tx.messages.touched(mailbox_id, [claim.gmail_id for claim in claims])
        sorted_ = _categories(links, tx, work)
        outcomes: dict[Claim, Outcome] = {}
        intents: dict[Claim, Sorted] = {}
        for claim in claims:
            intent = sorted_[links[claim.key].author]
            outcomes[claim] = _outcome(
                connections[claim.connection_id], links[claim.key], intent, claim.gmail_id in touched
            )
            if outcomes[claim] is outcome_of(intent.category) and intent.category is not Category.NONE:
                intents[claim] = intent
        again = tx.decisions.intended(claims)
        tx.decisions.intend(intents)
    return _Plan(Slice(mailbox, Step.SORT, claims, work), connections, outcomes, intents, again)


def _categories(links: Mapping[tuple[str, int], Link], tx: Transaction, work: Work) -> Mapping[str, Sorted]:
    """The category of each author: the highest of all contacts with the address, at this moment (D9, E11)."""
    authors = {link.author for link in links.values()}
    directory = tx.contacts.candidates(authors)
    people = {
        author: [hit.contact.id for hit in hits(author, directory) if hit.contact.kind is Kind.CONTACT]
        for author in authors
    }
    deals = tx.contacts.deals_of({contact_id for ids in people.values() for contact_id in ids})
    today = local_date(work.today_is(), tx.contacts.organisation().time_zone)
    return {
        author: highest(category(deals.get(contact_id, ()), today) for contact_id in ids)
        for author, ids in people.items()
    }


def _outcome(connection: Connection, link: Link, intent: Sorted, touched: bool) -> Outcome:
    """The settings are those of this moment (Part B); the user's hand wins over every category (I6)."""
    if connection.sorting_since is None or link.received_at < connection.sorting_since:
        return Outcome.LABEL_OFF
    return Outcome.LABEL_USER_CHOICE if touched else outcome_of(intent.category)


@dataclass(slots=True)
class _Result:
    """What came of the slice in Gmail."""

    outcomes: dict[Claim, Outcome]
    changed: dict[Claim, LabelChange]
    errors: dict[str, TryAgain | GiveUp]


def _carry_out(plan: _Plan, work: Work) -> None:
    began = time.monotonic()
    result = _Result(dict(plan.outcomes), {}, {})
    units = 0
    if plan.to_change:
        connections = list(plan.connections.values())
        spent = enter(connections, work, lambda gmail: _change(gmail, plan, result, work))
        if spent is None:
            plan.piece.give_back(plan.piece.claims, 0, counted=False)
            return
        units = spent.units
    cost = Cost(units / (len(plan.to_change) or 1), time.monotonic() - began, len(plan.piece.claims))
    plan.piece.failed(result.errors)
    _record(plan, result, cost, work)


def _change(gmail: Mailbox, plan: _Plan, result: _Result, work: Work) -> Spent:
    """Label the mails and return what that cost; a label the user has deleted is made again, once (E55, W12)."""
    labels: Mapping[Category, str] = plan.piece.mailbox.labels
    if not {plan.intents[claim].category for claim in plan.to_change} <= labels.keys():
        labels = _ensure_labels(gmail, plan, labels, work)
    seen = _look_again(gmail, plan, result)
    try:
        _modify(gmail, plan, result, labels, seen)
    except LabelUnknown:
        labels = _ensure_labels(gmail, plan, labels, work)
        _modify(gmail, plan, result, labels, seen)
    return gmail.spent


def _ensure_labels(
    gmail: Mailbox, plan: _Plan, known: Mapping[Category, str], work: Work
) -> Mapping[Category, str]:
    labels = gmail.ensure_labels(LABEL_NAMES, known)
    with work.store.begin("labels.keep") as tx:
        tx.mailboxes.keep_labels(plan.piece.mailbox.id, labels)
    return labels


def _look_again(gmail: Mailbox, plan: _Plan, result: _Result) -> Mapping[str, frozenset[str]]:
    """Where an intent stood before this one, first look at what became of it, and of the mail meanwhile (W5)."""
    again = [claim.gmail_id for claim in plan.to_change if claim.key in plan.again]
    seen: dict[str, frozenset[str]] = {}
    for gmail_id, labels in (gmail.labels_of(again) if again else {}).items():
        if isinstance(labels, TryAgain | GiveUp):
            result.errors[gmail_id] = labels
        elif labels is None:
            result.outcomes |= {c: Outcome.SKIP_GONE for c in plan.to_change if c.gmail_id == gmail_id}
        else:
            seen[gmail_id] = labels
    return seen


def _modify(
    gmail: Mailbox,
    plan: _Plan,
    result: _Result,
    labels: Mapping[Category, str],
    seen: Mapping[str, frozenset[str]],
) -> None:
    changes: dict[str, LabelChange] = {}
    for claim in plan.to_change:
        if claim.gmail_id in result.errors or result.outcomes[claim] is Outcome.SKIP_GONE:
            continue
        label = labels[plan.intents[claim].category]
        now = seen.get(claim.gmail_id, _UNSEEN)
        if label in now:
            result.changed[claim] = LabelChange(frozenset({label}), frozenset({"INBOX"}))
            continue
        wanted = change(now, label, frozenset(labels.values()), frozenset({label}))
        if wanted is None or now & LEFT_ALONE:
            result.outcomes[claim] = Outcome.LABEL_USER_CHOICE
            continue
        changes[claim.gmail_id] = wanted
        result.changed[claim] = wanted
    for gmail_id, error in gmail.change_labels(changes).items():
        if isinstance(error, TryAgain | GiveUp):
            result.errors[gmail_id] = error
        elif error is not None:
            result.outcomes |= {c: Outcome.SKIP_GONE for c in plan.to_change if c.gmail_id == gmail_id}


def _record(plan: _Plan, result: _Result, cost: Cost, work: Work) -> None:
    """What was done; a result for settings that have changed since is dropped (W6), unless Gmail has it already."""
    piece, mailbox_id = plan.piece, plan.piece.mailbox.id
    with work.store.begin("labels.record") as tx:
        now = {
            connection.id: connection.version
            for connection in tx.connections.working(mailbox_id, locked=True)
        }
        held = tx.ledger.held(mailbox_id, Step.SORT, piece.claims, work.me())
        mine = [claim for claim in piece.claims if claim.key in held and claim.gmail_id not in result.errors]
        current = {
            claim
            for claim in mine
            if claim in result.changed
            or now.get(claim.connection_id) == plan.connections[claim.connection_id].version
        }
        outcomes = {claim: result.outcomes[claim] for claim in mine if claim in current}
        changed = {claim: made for claim, made in result.changed.items() if claim in outcomes}
        costs = {claim.gmail_id: cost for claim in plan.to_change}
        tx.ledger.finish(mailbox_id, Step.SORT, outcomes, costs)
        tx.decisions.conclude(outcomes, changed)
        stale = [claim for claim in mine if claim not in current]
        if stale:
            tx.ledger.release(mailbox_id, Step.SORT, stale, work.me(), 0, counted=True)
    for claim, outcome in outcomes.items():
        log.info(
            "message.sorted",
            mailbox_id=mailbox_id,
            message_id=claim.gmail_id,
            connection_id=claim.connection_id,
            outcome=outcome.value,
            changed=claim in changed,
            attempt=claim.attempts,
            milliseconds=round(cost.seconds * 1000),
        )
