"""What sorting does in Gmail: labels made, mails looked at again after a crash, mails moved (D10, W5, W12)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from domain.connections import Connection
from domain.errors import GiveUp, LabelUnknown, TryAgain
from domain.ledger import Claim, Link
from domain.mail.messages import INBOX
from domain.outcomes import Outcome
from domain.sorting import (
    ByCategory,
    Category,
    Earlier,
    LabelChange,
    Place,
    Replacing,
    Sorted,
    change,
    is_users_choice,
    replacement,
)
from domain.sorting import outcome as outcome_of
from handlers.batches import ClaimedBatch
from handlers.context import Context
from handlers.ports.providers import Mailbox, Spent
from handlers.sorting import threads

_NO_LABEL = frozenset(
    {Outcome.LABEL_NONE, Outcome.LABEL_OFF, Outcome.LABEL_FAILED, Outcome.LABEL_USER_CHOICE}
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a slice is to become: an outcome for each mail, and for those to be labelled the intent.

    `again` are the intents that were committed before: Gmail may have been called already. `earlier` and
    `halves` are what is under other labels of mail of the same contacts (E47); `names` those of new labels.
    """

    piece: ClaimedBatch
    connections: Mapping[int, Connection]
    links: Mapping[tuple[str, int], Link]
    outcomes: Mapping[Claim, Outcome]
    intents: Mapping[Claim, Sorted]
    again: Mapping[tuple[str, int], tuple[Category, ...]]
    earlier: Mapping[threads.Contact, frozenset[Earlier]]
    halves: tuple[Replacing, ...]
    names: ByCategory

    @property
    def to_change(self) -> list[Claim]:
        """Mails to be labelled in Gmail; a dry run ends with the intent."""
        return [c for c in self.intents if not self.connections[c.connection_id].dry_run]

    @property
    def paid(self) -> Sequence[Claim]:
        """Those that share what the slice cost."""
        return self.to_change or (self.piece.claims if self.halves or self.in_doubt else [])

    @property
    def untold(self) -> bool:
        """Whether Gmail's history of the mailbox is unusable."""
        return self.piece.mailbox.history_refused_at is not None

    @property
    def in_doubt(self) -> list[Claim]:
        """Mails that are to have no label now, while a try that was cut off may have given them one."""
        return [c for c, outcome in self.outcomes.items() if c.key in self.again and outcome in _NO_LABEL]

    def contact(self, claim: Claim) -> threads.Contact:
        """Whose mail it is, for which connection."""
        return claim.connection_id, self.links[claim.key].contact_id

    def others(self, claim: Claim) -> frozenset[Earlier]:
        """The contact's mail under other labels than the claim is to get: only then its thread matters."""
        category, earlier = self.intents[claim].category, self.earlier.get(self.contact(claim), frozenset())
        return frozenset(one for one in earlier if one.category is not category)


@dataclass(slots=True)
class Result:
    """What came of the slice in Gmail. `found_in` are the threads of mails for which they matter; in memory only."""

    outcomes: dict[Claim, Outcome]
    changed: dict[Claim, LabelChange] = field(default_factory=dict)
    errors: dict[str, TryAgain | GiveUp] = field(default_factory=dict)
    found_in: dict[Claim, str] = field(default_factory=dict, repr=False)
    older: threads.Older = field(default_factory=threads.Older)
    refused: str | None = None


def label(gmail: Mailbox, plan: Plan, result: Result, context: Context) -> Spent:
    """Label the mails and return what that cost; a label the user has deleted is made again, once (E55, W12).

    May be called again with the same result when a grant ends half-way.
    """
    labels: Mapping[Category, str] = plan.piece.mailbox.labels
    seen = _look_again(gmail, plan, result)
    _acknowledge(plan, result, labels, seen)
    if not {plan.intents[claim].category for claim in plan.to_change} <= labels.keys():
        labels = _ensure_labels(gmail, plan, labels, context)
    try:
        _modify(gmail, plan, result, labels, seen)
    except LabelUnknown:
        labels = _ensure_labels(gmail, plan, labels, context)
        _modify(gmail, plan, result, labels, seen)
    sought = [
        threads.ThreadSearch(claim, plan.contact(claim), plan.intents[claim], thread_id, others)
        for claim, thread_id in result.found_in.items()
        if (others := plan.others(claim))
    ]
    threads.replace_labels(plan.piece.mailbox.id, sought, labels, gmail, result.older, context)
    for claim in plan.piece.claims:
        if error := result.older.failed.get(plan.contact(claim)):
            result.errors.setdefault(claim.message_id, error)
    return gmail.spent


def _ensure_labels(
    gmail: Mailbox, plan: Plan, known: Mapping[Category, str], context: Context
) -> Mapping[Category, str]:
    labels = gmail.ensure_labels(plan.names, known)
    with context.store.begin("labels.keep") as tx:
        tx.mailboxes.keep_labels(plan.piece.mailbox.id, labels, plan.names)
    return labels


def _look_again(gmail: Mailbox, plan: Plan, result: Result) -> Mapping[str, Place]:
    """Where an intent stood before this one, first look at what became of it, and of the mail meanwhile (W5); at all
    of them where no history tells what the user does (E84)."""
    concerned = [
        *(claim for claim in plan.to_change if claim.key in plan.again or plan.untold),
        *plan.in_doubt,
    ]
    again = [claim.message_id for claim in concerned]
    seen: dict[str, Place] = {}
    for message_id, place in (gmail.labels_of(again) if again else {}).items():
        if isinstance(place, TryAgain | GiveUp):
            result.errors[message_id] = place
        elif (
            place is None
        ):  # a mail that has just come may merely be shown late: then the change itself will tell
            gone = [c for c in concerned if c.message_id == message_id and c.key in plan.again]
            result.outcomes |= dict.fromkeys(gone, Outcome.SKIP_GONE)
        else:
            seen[message_id] = place
    return seen


def _acknowledge(
    plan: Plan, result: Result, labels: Mapping[Category, str], seen: Mapping[str, Place]
) -> None:
    """A mail is sorted once (Z39): the label that a try put there before it was cut off stands, whatever the
    deals and settings have become since."""
    for claim in plan.in_doubt:
        place = seen.get(claim.message_id)
        category = _put_before(plan, claim, place, labels) if place else None
        if category:
            result.outcomes[claim] = outcome_of(category)
            result.changed[claim] = _made(plan, claim, labels[category])


def _put_before(plan: Plan, claim: Claim, place: Place, labels: Mapping[Category, str]) -> Category | None:
    """Whose label an earlier try has left on the mail."""
    return next((c for c in plan.again.get(claim.key, ()) if labels.get(c) in place.label_ids), None)


def _made(plan: Plan, claim: Claim, label_id: str) -> LabelChange:
    """What all tries together come to."""
    inbox = frozenset({INBOX}) if plan.links[claim.key].in_inbox else frozenset[str]()
    return LabelChange(frozenset({label_id}), inbox)


def _modify(
    gmail: Mailbox, plan: Plan, result: Result, labels: Mapping[Category, str], seen: Mapping[str, Place]
) -> None:
    changes: dict[Claim, LabelChange] = {}
    for claim in plan.to_change:
        if claim.message_id in result.errors or result.outcomes[claim] is Outcome.SKIP_GONE:
            continue
        place = seen.get(claim.message_id)
        wanted, made = _change(plan, claim, place, labels)
        if wanted is None:
            result.outcomes[claim] = Outcome.LABEL_USER_CHOICE
            continue
        result.changed[claim] = made
        if wanted.add or wanted.remove:
            changes[claim] = wanted
        elif place:
            result.found_in[claim] = place.thread_id
    in_threads = {c.message_id: wanted for c, wanted in changes.items() if plan.others(c)}
    alone = {c.message_id: wanted for c, wanted in changes.items() if c.message_id not in in_threads}
    answers: dict[str, str | TryAgain | GiveUp | LookupError | None] = {}
    answers |= gmail.change_labels(alone) if alone else {}
    answers |= gmail.change_in_threads(in_threads) if in_threads else {}
    for claim in changes:
        answer = answers[claim.message_id]
        if isinstance(answer, TryAgain | GiveUp):
            result.errors[claim.message_id] = answer
        elif isinstance(answer, LookupError):
            result.outcomes[claim] = Outcome.SKIP_GONE
            del result.changed[claim]
        elif answer is not None:
            result.found_in[claim] = answer


def _change(
    plan: Plan, claim: Claim, place: Place | None, labels: Mapping[Category, str]
) -> tuple[LabelChange | None, LabelChange]:
    """What is still to be changed, None when the user has chosen, and what that makes of all tries together.

    A first try does not pay for a look: the mail is where the match saw it. Who has moved it into the Inbox
    since keeps it there, also where a label of ours is on it already (E58).
    """
    own = labels[plan.intents[claim].category]
    made = _made(plan, claim, own)
    inbox = made.remove
    if place is None:
        return change(inbox, own, frozenset(labels.values()), frozenset({own})), made
    crm = frozenset(labels.values())
    before = _put_before(plan, claim, place, labels)
    if plan.untold and not before and is_users_choice(place.label_ids, crm, was_in_inbox=bool(inbox)):
        return None, made
    if own in place.label_ids:
        return LabelChange(frozenset(), frozenset()), made
    if before:  # the category has changed since the try that was cut off
        return replacement(place.label_ids, own, crm, frozenset({labels[before]})), made
    wanted = change(place.label_ids - (frozenset({INBOX}) - inbox), own, crm, frozenset({own}))
    return wanted, wanted or made
