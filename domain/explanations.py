"""Why a mail was treated as it was, in words for people (Part J, Z40)."""

from collections.abc import Sequence
from datetime import date

from domain.connections.connections import Mode
from domain.crm.categories import ByCategory, Category, contact_category, outcome_of
from domain.crm.contacts import ContactKind, MatchedBy
from domain.crm.deals import DealCategory
from domain.errors import LABEL_CONFLICT
from domain.gates import GATES, NOBODYS
from domain.ids import NO_CONNECTION
from domain.ledger import FAILED, TRIES, State, Step
from domain.mail.messages import Direction
from domain.message_records import (
    ConnectionDecision,
    DecidingDeal,
    MessageNow,
    MessageRecord,
    Person,
    StepRecord,
)
from domain.outcomes import Outcome
from domain.sorting.label_changes import LabelChange
from domain.sorting.label_names import LABEL_NAMES

_CAME_BY = {
    "push": "the mailbox's history, after a push",
    "sweep": "the mailbox's history, by the sweep",
    "compare": "the daily comparison with the mailbox's list: history never showed it (E108)",
    "relist": "a new listing, because the mailbox's history had expired (E84)",
}

_MATCHED_BY = {
    MatchedBy.EXACT: "exactly (D5 step 2)",
    MatchedBy.PLUS_TAG: "without the +tag (D5 step 3)",
    MatchedBy.GMAIL: "by Gmail's dots and domains (D5 step 3)",
}

_ANNOUNCED = {
    Outcome.MAGNET_NOT_ADDRESSED: "not announced: no own address of the user is in To or Cc (D11)",
    Outcome.MAGNET_AUTOMATED: "not announced: it is automated mail (D16)",
    Outcome.MAGNET_OFF: "not announced: MailMagnet was off when it arrived",
}

_DECIDED_BY = {
    Category.CTM: "is open and closes this month",
    Category.OPEN: "is open (no closing date this month)",
    Category.CUSTOMER: "is won and none is open",
}

_LABELLED = {outcome_of(found): found for found in LABEL_NAMES}

_TO_DO = {
    Step.MATCH: "matched",
    Step.ANNOUNCE: "announced",
    Step.SORT: "sorted",
    Step.COPY: "copied",
    Step.GATHER: "completed by the rest of its thread",
}

_SYNCED = {Outcome.SYNC_STARTED: "it began", Outcome.SYNC_APPENDED: "it belongs to"}

_CAUSES = {
    Outcome.LABEL_CTM: "the contact still has an open deal, so a deal label took it",
    Outcome.LABEL_OPEN: "the contact still has an open deal, so a deal label took it",
    Outcome.LABEL_OFF: "sorting was off when it arrived",
    Outcome.LABEL_USER_CHOICE: "the user moved it",
    Outcome.SKIP_NO_CONTACT: "the sender's address is not on the contact record",
    Outcome.SKIP_TOO_OLD: "MailMagnet was off when it arrived",
    Outcome.SKIP_INACTIVE: "MailMagnet was off when it arrived",
    Outcome.SKIP_SPAM: "the mail is in Spam or Trash",
    Outcome.SKIP_TRASH: "the mail is in Spam or Trash",
    Outcome.SKIP_INTERNAL: "the sender is a colleague",
    Outcome.SKIP_EXCLUDED: "the sender is an excluded address",
}


def arrival(trail: MessageRecord) -> str:
    """How we came to know of the mail."""
    if trail.came_by is None:
        return "forgotten: only its id and category are kept so long after"
    return _CAME_BY.get(trail.came_by, trail.came_by)


def match(one: ConnectionDecision) -> str | None:
    """Which address matched which record, and how; no address of mail of which none is kept (D2)."""
    if one.person is None or one.matched_by is None:
        return None
    if one.author is None:
        return f"its author is {_named(one.person)}, {_MATCHED_BY[one.matched_by]}"
    via = ", via a list (E100)," if one.via_list else ""
    return f"{one.author}{via} is {one.address} of {_named(one.person)}, {_MATCHED_BY[one.matched_by]}"


def announcement(one: ConnectionDecision, taken: StepRecord | None) -> str | None:
    """What MailMagnet did; None when the step was never planned."""
    if taken is None:
        return None
    if taken.outcome is Outcome.MAGNET_NOTIFIED:
        number = "" if one.notification_id is None else f" by notification {one.notification_id}"
        return f"announced to user {one.user_id}{number}"
    return _ANNOUNCED.get(taken.outcome) if taken.outcome else unfinished(taken)


def changes(change: LabelChange | None, names: dict[str, str]) -> str:
    """What was done to the mail in the mailbox."""
    if change is None:
        return "nothing"
    parts = [f"added {names.get(label, label)}" for label in sorted(change.add)]
    parts += [f"removed {names.get(label, label)}" for label in sorted(change.remove)]
    if change.leave_inbox:
        parts.append("out of the Inbox")
    return ", ".join(parts) or "nothing"


def summary(trail: MessageRecord, one: ConnectionDecision, today: date) -> str:
    """The whole decision in a sentence."""
    if _is_open(one):
        return _open_end(trail, one)
    if one.outcome in _SYNCED:
        return _synced(_SYNCED[one.outcome], one)
    if one.outcome in GATES:
        gate = GATES[one.outcome]
        if one.outcome is Outcome.SKIP_NO_CONTACT and one.mode is not Mode.LIVE:
            gate = NOBODYS
        return f"left alone: {gate.words} ({gate.rule})"
    if one.outcome in _LABELLED:
        return _labelled(_LABELLED[one.outcome], one, trail.names, today)
    return f"not labelled: {_unlabelled(trail, one)}"


def _synced(how: str, one: ConnectionDecision) -> str:
    if one.conversation_id is None:
        return f"kept: {how} a conversation that is not there any more (D7)"
    return f"kept: {how} conversation {one.conversation_id}, under contact {one.owner_id} (D7)"


def not_under_customers(trail: MessageRecord, one: ConnectionDecision) -> str | None:
    """Why the mail is not under the label for customers (Z40); None when the outcome does not tell."""
    outcome = one.outcome
    if outcome in _LABELLED and one.category:
        outcome = outcome_of(one.category)
    if outcome is None and trail.paused_at is not None:
        return "it still waits: the mailbox is paused"
    if outcome is None:
        return "it still waits: less than 10 minutes may have passed"
    if outcome in _LABELLED and one.undone_at is not None:
        return "what sorting had done to it was undone"
    if outcome is Outcome.LABEL_CUSTOMER:
        return _CAUSES[Outcome.LABEL_USER_CHOICE] if trail.touched else None
    if outcome is Outcome.LABEL_NONE:
        return _none_because(trail, one)
    return None if outcome is Outcome.SKIP_NO_CONTACT and one.person else _CAUSES.get(outcome)


def by_hand(trail: MessageRecord) -> str:
    """Why sorting leaves the mail alone: the user has changed it, or sorting was undone, which counts the same (I6)."""
    if any(one.undone_at for one in trail.decided):
        return "as by hand: what sorting had done to it was undone"
    return "by hand: the user has changed its CRM label, or put it into Spam or Trash"


def differs(one: ConnectionDecision, seen: MessageNow) -> str | None:
    """How a decision made now differs from the one that was made; None when they agree or it was not read again."""
    if seen.problem is not None or seen.outcome is one.outcome:
        return None
    now = seen.outcome.value if seen.outcome else "matched"
    if one.outcome is Outcome.MATCH_FAILED:  # there was no first look
        return f"decided now it would be {now}: `lodestone retry` has it decided"
    was = one.outcome.value if one.outcome else "undecided"
    return f"decided now it would be {now}, not {was}: the mail, the CRM or the settings have changed since"


def second_look(seen: MessageNow) -> str:
    """What the mailbox shows of the mail now."""
    if seen.problem is not None:
        return f"not read again: {seen.problem}; this is all the ledger has"
    message = seen.message
    if message is None:
        return "the mailbox no longer has it"
    if message.author is None:
        why = "a list's From that names no author (E100)" if message.rewritten else "E105"
        return f"{seen.direction}, its author cannot be read with certainty ({why})"
    through = ""
    if message.via_list:
        through = f" via a list ({message.sender})" if message.sender else " via a list"
    belongs = (
        f" of {seen.hit.contact.kind} {seen.hit.contact.id}" if seen.hit else ", on no record of the CRM"
    )
    if seen.direction is not Direction.INBOUND and seen.hit is None:
        belongs = ""
    if seen.by_alias:
        belongs = ", which is registered as an alias of the mailbox (E14)"
    return f"{seen.direction}, from {message.author}{through}{belongs}"


def _named(person: Person) -> str:
    kind = person.kind.value if person.kind else "former record"
    return f"{kind} {person.id}" + (f" ({person.name})" if person.name else "")


def _labelled(first: Category, one: ConnectionDecision, names: ByCategory, today: date) -> str:
    """The label and its reason, and whether it was replaced for a later mail (E47) or undone since."""
    found = one.category or first
    how = f"labelled {names[first]}"
    if one.changed is None:
        how = f"would be labelled {names[first]}" + (" (dry run)" if one.dry_run else "")
    if found is not first:
        how += f"; its label was replaced since by {names[found]} (E47)"
    if one.deal is not None and one.person is not None:
        whose = one.deal.contact_id or one.person.id
        how += f" because deal {one.deal.id} of contact {whose} {_DECIDED_BY[found]}"
        how += _since(one.deal, found, today)
    return how + (f"; undone at {one.undone_at:%Y-%m-%d %H:%M:%S} UTC" if one.undone_at else "")


def _since(deal: DecidingDeal, found: Category, today: date) -> str:
    """What has become of the deal since the mail was sorted (E5, E6, E7)."""
    if deal.now is None:
        return "; the deal is no longer in the CRM"
    if contact_category([deal.now], today).category is found:
        return ""
    if deal.now.category is not DealCategory.OPEN:
        return f"; by now the deal is {deal.now.category.value.lower()}"
    closing = deal.now.closing_date
    return f"; by now the deal is open, closing {closing.isoformat() if closing else 'at no date'}"


def _unlabelled(trail: MessageRecord, one: ConnectionDecision) -> str:
    if one.outcome is Outcome.LABEL_NONE:
        return _none_because(trail, one)
    if one.outcome is Outcome.LABEL_USER_CHOICE:
        return "the user, or a filter of his, had put or removed a CRM label (D10)"
    if one.outcome is Outcome.LABEL_OFF:
        return "sorting was off when it arrived (Z38)"
    return one.outcome.value if one.outcome else "undecided"


def _none_because(trail: MessageRecord, one: ConnectionDecision) -> str:
    """Sorting that ended without a try was decided by the match: a lead, or a class that is not sorted (Part J)."""
    taken = trail.step(Step.SORT, one.connection_id)
    if one.person is not None and one.person.kind is ContactKind.LEAD:
        return "the sender is only a lead"
    if taken is not None and taken.tries == 0:
        return "it is an invitation, a bounce or a receipt, or came from a lead (D16, Z28)"
    return "the contact has no won deal, and no open one"


def _is_open(one: ConnectionDecision) -> bool:
    """Whether it has no outcome yet, or one that a retry may change."""
    return one.outcome is None or one.outcome in FAILED.values()


def _open_end(trail: MessageRecord, one: ConnectionDecision) -> str:
    """What a mail without a final outcome waits for, or why it has none."""
    steps = [trail.step(step, one.connection_id) for step in Step]
    found = _first(steps, State.SET_ASIDE) or _first(steps, State.WAITING) or _first(steps, State.BLOCKED)
    if found is not None:
        return unfinished(found)
    sorted_ = trail.step(Step.SORT, one.connection_id)
    if sorted_ is not None and sorted_.outcome is Outcome.LABEL_FAILED:
        return f"not sorted: {_stopped(one)} (E67)"
    return "set aside after too many failed tries (E88)" if one.outcome else "not decided"


def _stopped(one: ConnectionDecision) -> str:
    if one.sorting_trouble is None:
        return "no more labels could be made then; they can by now, and `lodestone retry` sorts the mail"
    if one.sorting_trouble == LABEL_CONFLICT:
        return f"a label is said to be there and is not shown ({LABEL_CONFLICT}); sorting is stopped"
    return f"no more labels can be made ({one.sorting_trouble}); sorting is stopped until some are deleted"


def _first(steps: Sequence[StepRecord | None], state: State) -> StepRecord | None:
    return next((one for one in steps if one is not None and one.state is state), None)


def unfinished(taken: StepRecord) -> str:
    """The step that a mail waits for."""
    todo = _TO_DO[taken.step]
    if taken.state is State.SET_ASIDE:
        return f"set aside: it could not be {todo} in {min(taken.tries, TRIES)} tries (E88)"
    tried = f", {taken.tries} tried so far" if taken.tries else ""
    return f"waits to be {todo}{tried}"


def standing(trail: MessageRecord) -> str:
    """How far the mail is, in a few words."""
    words = [
        f"it ended with {one.outcome.value}" if one.outcome and not _is_open(one) else _open_end(trail, one)
        for one in trail.decided
    ]
    return ", ".join(dict.fromkeys(words)) or waiting_for_match(trail) or "not decided"


def waiting_for_match(trail: MessageRecord) -> str | None:
    """For a mail that no connection has a decision on yet."""
    taken = trail.step(Step.MATCH, NO_CONNECTION)
    return None if taken is None or trail.decided else unfinished(taken)
