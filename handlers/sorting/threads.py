"""One contact's mail never sits under two CRM labels in a thread (E47). Which mail is in a thread the provider alone
knows: thread ids live in a job's memory and nowhere else (D2)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from domain.crm.categories import ByCategory, Category, ContactCategory
from domain.errors import GiveUp, LabelUnknown, TryAgain
from domain.ledger import Step
from domain.mail.folders import Folder
from domain.sorting.label_changes import OUT_OF_REACH, LabelChange, LabelledMail, replacing_change
from domain.sorting.plans import AppliedReplacement, AppliedSorting, ConnectionContact, Replacement
from handlers.batches import ClaimedBatch
from handlers.context import Context
from handlers.ports.capabilities import LabelEditor


@dataclass(frozen=True, slots=True)
class EarlierMail:
    """Mail under the label of `old` in a thread in which a contact has new mail of category `new`. It need not be
    his, and the label need not be ours."""

    contact: ConnectionContact
    old: Category
    new: ContactCategory
    message_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Replaced:
    """What has become of earlier mails, as far as it is known, and whose new mail is to be tried again."""

    mails: tuple[AppliedReplacement, ...]
    troubles: Mapping[ConnectionContact, TryAgain] = field(default_factory=dict)


Begin = Callable[[Sequence[AppliedSorting], Sequence[EarlierMail]], Sequence[Replacement]]


def replace_labels(
    half_replaced: Sequence[Replacement],
    new_mails: Sequence[AppliedSorting],
    labels: ByCategory,
    editor: LabelEditor,
    begin: Begin,
) -> Replaced:
    """First what another try has begun, then what `begin` commits for this one. Trouble keeps the new mail's step
    open; what the provider refuses for good stays as it is."""
    in_threads = [one for one in new_mails if one.thread_id and one.planned.earlier]
    mails: list[AppliedReplacement] = []
    trouble: TryAgain | None = None
    try:
        for one in _replace(half_replaced, in_threads, labels, editor, begin):
            mails.append(one)  # what is known by then counts also when a later call comes to nothing
    except TryAgain as error:
        trouble = error
    except LabelUnknown as error:
        trouble = TryAgain(str(error), whole_mailbox=False)
    except GiveUp:
        pass
    troubles = {one.replacement.contact: one.trouble for one in mails if one.trouble}
    if trouble:
        contacts = [one.planned.contact for one in in_threads] + [one.contact for one in half_replaced]
        troubles |= dict.fromkeys(contacts, trouble)
    return Replaced(tuple(mails), troubles)


def _replace(
    half_replaced: Sequence[Replacement],
    new_mails: Sequence[AppliedSorting],
    labels: ByCategory,
    editor: LabelEditor,
    begin: Begin,
) -> Iterator[AppliedReplacement]:
    """Each earlier mail as soon as it is known what has become of it."""
    yield from (AppliedReplacement(one, None, by_user=True) for one in half_replaced if one.touched)
    changes: dict[Replacement, LabelChange] = {}
    for one, found in _look_again([one for one in half_replaced if not one.touched], labels, editor):
        if isinstance(found, LabelChange):
            changes[one] = found
        else:
            yield found
    if found_in_threads := _find(new_mails, labels, editor):
        for one in begin(new_mails, found_in_threads):
            if change := _change(one, Folder.OTHER, frozenset({labels[one.old]}), labels):
                changes[one] = change
    answers = editor.change({one.message_id: c for one, c in changes.items()}) if changes else {}
    yield from (_changed(one, labels, answers[one.message_id]) for one in changes)


def _look_again(
    half_replaced: Sequence[Replacement], labels: ByCategory, editor: LabelEditor
) -> Iterator[tuple[Replacement, AppliedReplacement | LabelChange]]:
    """What was begun and not recorded may have been done, or undone by the user: look first (W5, I6)."""
    message_ids = sorted(one.message_id for one in half_replaced)
    shown = editor.look(message_ids) if message_ids else {}
    return ((one, _resumed(one, shown[one.message_id], labels)) for one in half_replaced)


def _resumed(
    one: Replacement, shown: LabelledMail | TryAgain | GiveUp | None, labels: ByCategory
) -> AppliedReplacement | LabelChange:
    if isinstance(shown, TryAgain):
        return AppliedReplacement(one, None, trouble=shown)
    if not isinstance(shown, LabelledMail):
        return AppliedReplacement(one, None)
    if shown.label_ids & frozenset(labels.values()) == {labels[one.new]}:
        return AppliedReplacement(one, labels[one.new])
    change = _change(one, shown.folder, shown.label_ids, labels)
    return change or AppliedReplacement(one, None, by_user=shown.folder not in OUT_OF_REACH)


def _find(
    new_mails: Sequence[AppliedSorting], labels: ByCategory, editor: LabelEditor
) -> Sequence[EarlierMail]:
    """The provider names the mail of each sender under the other labels, and its threads."""
    asked = sorted({(e.category, e.author) for one in new_mails for e in one.planned.earlier})
    listed = {(category, author): editor.under(labels[category], author) for category, author in asked}
    found: dict[tuple[ConnectionContact, Category, ContactCategory], set[str]] = {}
    for one in new_mails:
        for e in one.planned.earlier:
            threads = listed[e.category, e.author]
            if ids := {i for i, thread_id in threads.items() if thread_id == one.thread_id}:
                found.setdefault((one.planned.contact, e.category, one.planned.category), set()).update(ids)
    return [EarlierMail(*key, frozenset(ids)) for key, ids in found.items()]


def begin_replacing(
    batch: ClaimedBatch, new_mails: Sequence[AppliedSorting], found: Sequence[EarlierMail], context: Context
) -> tuple[Replacement, ...]:
    """The ledger knows whose mail it is and who put the label there; the intent is committed before anything is
    changed (W5)."""
    mailbox_id, claims = batch.mailbox.id, [one.planned.claim for one in new_mails]
    with context.store.begin("labels.replace") as tx:
        sorting = {c.id: c.location for c in tx.connections.working(mailbox_id, locked=True) if c.sorts}
        held = tx.ledger.held(mailbox_id, Step.SORT, claims, context.me())
        ours = {one.planned.contact for one in new_mails if one.planned.claim.key in held}
        return tuple(
            replacement
            for one in found
            if one.contact.connection_id in sorting and one.contact in ours
            for replacement in tx.of(sorting[one.contact.connection_id]).sorting.replace(
                one.contact, one.old, one.new, one.message_ids
            )
        )


def _change(
    one: Replacement, folder: Folder, label_ids: frozenset[str], labels: ByCategory
) -> LabelChange | None:
    crm, put_by_us = frozenset(labels.values()), frozenset({labels[one.old]})
    return replacing_change(folder, label_ids, labels[one.new], crm, put_by_us)


def _changed(
    one: Replacement, labels: ByCategory, answer: TryAgain | GiveUp | LookupError | None
) -> AppliedReplacement:
    if isinstance(answer, TryAgain):
        return AppliedReplacement(one, None, trouble=answer)
    return AppliedReplacement(one, labels[one.new] if answer is None else None)
