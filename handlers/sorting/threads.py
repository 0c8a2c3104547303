"""One contact's mail never sits under two CRM labels in a thread (E47). Which mail is in a thread Gmail alone
knows: thread ids live in a job's memory and nowhere else (D2)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from domain.errors import GiveUp, LabelUnknown, TryAgain
from domain.ledger import Claim, Step
from domain.sorting import OUT_OF_REACH, Category, Earlier, LabelChange, Place, Replacing, Sorted, replacement
from handlers.context import Context
from handlers.ports.providers import Mailbox
from handlers.ports.store import Transaction

Contact = tuple[int, str]
"""A connection and one of its contacts."""


@dataclass(frozen=True, slots=True)
class ThreadSearch:
    """A thread with new mail of a contact, and under which other labels he has mail, there or elsewhere."""

    claim: Claim
    contact: Contact
    wanted: Sorted
    thread_id: str = field(repr=False)
    others: frozenset[Earlier]


@dataclass(slots=True)
class Older:
    """What comes of earlier mails. `begun`: the intent stands in the ledger. `done`: the label that the mail
    carries now. `left`: it stays as it is, True where the user has put it so. `failed`: to be tried again."""

    begun: set[Replacing] = field(default_factory=set)
    done: dict[Replacing, str] = field(default_factory=dict)
    left: dict[Replacing, bool] = field(default_factory=dict)
    failed: dict[Contact, TryAgain] = field(default_factory=dict)


def replace_labels(
    mailbox_id: int,
    sought: Sequence[ThreadSearch],
    labels: Mapping[Category, str],
    gmail: Mailbox,
    older: Older,
    context: Context,
) -> None:
    """First what another try has begun, then what this one finds. Trouble keeps the new mail's step open; what
    Gmail refuses for good stays as it is."""
    concerned = {one.contact for one in sought} | {one.contact for one in older.begun}
    try:
        changes = _resume(labels, gmail, older)
        changes |= _begin(mailbox_id, sought, labels, gmail, older, context)
        if changes:
            _carry_out(changes, gmail, older)
    except TryAgain as error:
        older.failed |= dict.fromkeys(concerned, error)
    except LabelUnknown as error:
        older.failed |= dict.fromkeys(concerned, TryAgain(str(error), whole_mailbox=False))
    except GiveUp:
        return


def record(mailbox_id: int, older: Older, contact_ids: Collection[str], tx: Transaction) -> None:
    """What was done and what was not, in the transaction that ends the new mail's step. Of a contact whose claims
    are no longer ours, whoever has them looks at what we have begun."""
    left = {one: chosen for one, chosen in older.left.items() if one.contact_id in contact_ids}
    done = {one: label_id for one, label_id in older.done.items() if one.contact_id in contact_ids}
    tx.decisions.replaced(done)
    tx.decisions.not_replaced(left)
    if by_user := {one.message_id for one, chosen in left.items() if chosen}:
        tx.messages.touch(mailbox_id, by_user)


def _resume(labels: Mapping[Category, str], gmail: Mailbox, older: Older) -> dict[Replacing, LabelChange]:
    """What was begun and not recorded may have been done, or undone by the user: look first (W5, I6)."""
    older.left |= {one: True for one in older.begun if one.touched}
    begun = sorted(one.message_id for one in older.begun if not one.touched)
    places = gmail.labels_of(begun) if begun else {}
    changes: dict[Replacing, LabelChange] = {}
    for one in [one for one in older.begun if not one.touched]:
        place = places[one.message_id]
        if isinstance(place, TryAgain):
            older.failed[one.contact] = place
        elif not isinstance(place, Place):
            older.left[one] = False
        elif place.label_ids & frozenset(labels.values()) == {labels[one.new]}:
            older.done[one] = labels[one.new]
        elif wanted := _replacement(one, place.label_ids, labels):
            changes[one] = wanted
        else:
            older.left[one] = not place.label_ids & OUT_OF_REACH
    older.begun -= older.done.keys() | older.left.keys()
    return changes


def _begin(
    mailbox_id: int,
    sought: Sequence[ThreadSearch],
    labels: Mapping[Category, str],
    gmail: Mailbox,
    older: Older,
    context: Context,
) -> dict[Replacing, LabelChange]:
    """Gmail names the mail under the other labels and its threads, the ledger knows whose it is and who put the
    label there; the intent is committed before anything is changed (W5)."""
    asked = {(e.category, e.author) for one in sought for e in one.others}
    listed = {(c, author): gmail.labelled(labels[c], author) for c, author in sorted(asked)}
    found: dict[tuple[Contact, Sorted, Category], set[str]] = {}
    for one in sought:
        for e in one.others:
            threads = listed[e.category, e.author]
            ids = {message_id for message_id, thread_id in threads.items() if thread_id == one.thread_id}
            if ids:
                found.setdefault((one.contact, one.wanted, e.category), set()).update(ids)
    if not found:
        return {}
    with context.store.begin("labels.replace") as tx:
        sorting = {c.id: c.location for c in tx.connections.working(mailbox_id, locked=True) if c.sorts}
        held = tx.ledger.held(mailbox_id, Step.SORT, [one.claim for one in sought], context.me())
        ours = {one.contact for one in sought if one.claim.key in held}
        begun = [
            replacing
            for ((connection_id, contact_id), wanted, old), ids in found.items()
            if connection_id in sorting and (connection_id, contact_id) in ours
            for replacing in tx.of(sorting[connection_id]).sorting.replace(
                connection_id, contact_id, wanted, old, ids
            )
        ]
    older.begun.update(begun)
    changes = {one: _replacement(one, frozenset({labels[one.old]}), labels) for one in begun}
    return {one: wanted for one, wanted in changes.items() if wanted}


def _replacement(
    one: Replacing, label_ids: frozenset[str], labels: Mapping[Category, str]
) -> LabelChange | None:
    return replacement(label_ids, labels[one.new], frozenset(labels.values()), frozenset({labels[one.old]}))


def _carry_out(changes: Mapping[Replacing, LabelChange], gmail: Mailbox, older: Older) -> None:
    verdicts = gmail.change_labels({one.message_id: wanted for one, wanted in changes.items()})
    for one, wanted in changes.items():
        verdict = verdicts[one.message_id]
        if isinstance(verdict, TryAgain):
            older.failed[one.contact] = verdict
        elif verdict is None:
            [older.done[one]] = wanted.add
        else:
            older.left[one] = False
    older.begun -= older.done.keys() | older.left.keys()
