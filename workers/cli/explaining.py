"""An explanation as words for people and as JSON for programs."""

from collections.abc import Iterator
from typing import Any

from domain import explanations
from domain.crm.categories import Category
from domain.gates import GATES
from domain.ledger import State, Step
from domain.message_records import ConnectionDecision, MessageNow, MessageRecord, StepRecord
from domain.sorting.label_changes import LabelChange
from handlers.reports import Explained
from workers.cli.terminal.times import timestamp


def in_words(one: Explained) -> Iterator[str]:
    """The explanation line by line; the answer comes first."""
    trail = one.trail
    yield f"{trail.message_id} in {trail.mailbox}"
    waiting = explanations.waiting_for_match(trail)
    if waiting:
        yield f"  {waiting}"
    if trail.paused_at:
        yield f"  paused: nothing is done in this mailbox since {trail.paused_at:%Y-%m-%d %H:%M:%S} UTC"
    for decided in trail.decided:
        yield from _decision(one, decided)
    seen = f", first seen {trail.seen_at:%Y-%m-%d %H:%M:%S} UTC" if trail.seen_at else ""
    yield f"  came by: {explanations.arrival(trail)}{seen}"
    if trail.missing:
        yield f"  missing: the provider answered {trail.missing} times that it does not have it (yet)"
    if trail.touched:
        yield f"  {explanations.by_hand(trail)}; nothing is changed any more"
    yield from (f"  {_cost(step, trail)}" for step in trail.steps)


def as_json(one: Explained) -> dict[str, Any]:
    """The same, by name."""
    trail = one.trail
    return {
        "message_id": trail.message_id,
        "mailbox": trail.mailbox,
        "came_by": trail.came_by,
        "seen_at": timestamp(trail.seen_at),
        "touched_by_user": trail.touched,
        "paused_at": timestamp(trail.paused_at),
        "summary": explanations.waiting_for_match(trail),
        "decisions": [_decision_as_json(one, decided) for decided in trail.decided],
        "steps": [_step_as_json(step) for step in trail.steps],
    }


def _decision(one: Explained, decided: ConnectionDecision) -> Iterator[str]:
    trail, seen = one.trail, one.seen.get(decided.connection_id)
    yield f"  {explanations.summary(trail, decided, one.today)}"
    outcome = decided.outcome.value if decided.outcome else "none yet"
    yield f"  outcome: {outcome}, for user {decided.user_id}"
    passed = None if decided.kept_nothing or decided.outcome is None else "passed (D3 row 11)"
    facts = {
        "gate": passed,
        "match": explanations.match(decided),
        "received": decided.received_at and f"{decided.received_at:%Y-%m-%d %H:%M:%S} UTC",
        "notice": explanations.announcement(decided, trail.step(Step.ANNOUNCE, decided.connection_id)),
        "in Gmail": None
        if decided.kept_nothing
        else explanations.changes(decided.changed, trail.label_names),
        "in Gmail now": seen and explanations.second_look(seen),
        "changed": seen and explanations.differs(decided, seen),
        "out of date": _out_of_date(decided),
        f"not under {trail.names[Category.CUSTOMER]} because": explanations.not_under_customers(
            trail, decided
        ),
    }
    yield from (f"  {name}: {words}" for name, words in facts.items() if words)


def _out_of_date(one: ConnectionDecision) -> str | None:
    """The records it was decided by that are older here than in the CRM (E9)."""
    found = [
        f"{record.kind.value.removesuffix('s')} {record.id}, a change of which was refused at "
        f"{record.since:%Y-%m-%d %H:%M:%S} UTC ({record.reason})"
        for record in one.outdated
    ]
    return "; ".join(found) or None


def _decision_as_json(one: Explained, decided: ConnectionDecision) -> dict[str, Any]:
    trail, seen = one.trail, one.seen.get(decided.connection_id)
    gate = GATES.get(decided.outcome) if decided.outcome else None
    deal, change = decided.deal, decided.changed
    return {
        "connection_id": decided.connection_id,
        "user_id": decided.user_id,
        "outcome": decided.outcome and decided.outcome.value,
        "summary": explanations.summary(trail, decided, one.today),
        "not_under_customers": explanations.not_under_customers(trail, decided),
        "gate": gate and {"rule": gate.rule, "reason": gate.words},
        "match": _match_as_json(decided),
        "received_at": timestamp(decided.received_at),
        "category": decided.category and decided.category.value,
        "deal": deal and {"deal_id": deal.id, "contact_id": deal.contact_id},
        "notification_id": decided.notification_id,
        "label_change": change and _change_as_json(change),
        "label_change_in_words": explanations.changes(change, trail.label_names),
        "undone_at": timestamp(decided.undone_at),
        "dry_run": decided.dry_run,
        "outdated_records": [
            {
                "record_kind": one.kind.value,
                "record_id": one.id,
                "refused_at": timestamp(one.since),
                "reason": one.reason,
            }
            for one in decided.outdated
        ],
        "now": seen and _seen_as_json(decided, seen),
    }


def _change_as_json(change: LabelChange) -> dict[str, list[str]]:
    """By the provider's ids, the Inbox among them."""
    inbox = ["INBOX"] if change.leave_inbox else []
    return {
        "added_label_ids": sorted(change.add),
        "removed_label_ids": sorted([*change.remove, *inbox]),
    }


def _match_as_json(decided: ConnectionDecision) -> dict[str, Any] | None:
    if decided.person is None:
        return None
    return {
        "from": decided.author,
        "via_list": decided.via_list,
        "contact_address": decided.address,
        "matched_by": decided.matched_by and decided.matched_by.value,
        "contact_id": decided.person.id,
        "contact_kind": decided.person.kind and decided.person.kind.value,
        "name": decided.person.name,
    }


def _seen_as_json(decided: ConnectionDecision, seen: MessageNow) -> dict[str, Any]:
    return {
        "read": seen.problem is None,
        "summary": explanations.second_look(seen),
        "from": seen.message and seen.message.author,
        "via_list": seen.message and seen.message.via_list,
        "direction": seen.direction and seen.direction.value,
        "outcome": seen.outcome and seen.outcome.value,
        "contact_id": seen.hit and seen.hit.contact.id,
        "difference": explanations.differs(decided, seen),
    }


def _cost(step: StepRecord, trail: MessageRecord) -> str:
    who = next(
        (f" for {one.user_id}" for one in trail.decided if one.connection_id == step.connection_id), ""
    )
    shared = f" for {step.shared_by} mails" if step.shared_by > 1 else ""
    outcome = f" {step.outcome.value}" if step.outcome else ""
    again = (
        f", next try {step.ready_at:%Y-%m-%d %H:%M:%S} UTC"
        if step.state is State.WAITING and step.tries
        else ""
    )
    return (
        f"step {step.step.value}{who}: {step.state.value}{outcome}; {step.units:g} units, "
        f"{step.tries} {'try' if step.tries == 1 else 'tries'}, {step.seconds:.3f} s{shared}{again}"
    )


def _step_as_json(step: StepRecord) -> dict[str, Any]:
    return {
        "step": step.step.value,
        "connection_id": step.connection_id or None,
        "step_state": step.state.value,
        "outcome": step.outcome and step.outcome.value,
        "units": step.units,
        "tries": step.tries,
        "seconds": round(step.seconds, 3),
        "shared_by": step.shared_by,
        "next_try_at": timestamp(step.ready_at) if step.state is State.WAITING else None,
    }
