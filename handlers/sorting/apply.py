"""What sorting does in the mailbox: labels made, mails looked at again after a crash, mails changed (D10, W5, W12)."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from domain.crm.categories import ByCategory
from domain.errors import GiveUp, LabelConflict, LabelRefused, LabelUnknown, TryAgain
from domain.outcomes import Outcome
from domain.quota import Purpose
from domain.sorting.label_changes import LabelledMail
from domain.sorting.plans import (
    AppliedReplacement,
    AppliedSorting,
    PlannedSorting,
    Relabelling,
    Replacement,
    acknowledged,
    relabelling,
)
from handlers.context import Context
from handlers.ports.capabilities import LabelEditor, Mailbox
from handlers.sessions import with_mailbox
from handlers.sorting.editor import label_editor
from handlers.sorting.plan import Plan
from handlers.sorting.threads import EarlierMail, Replaced, begin_replacing, replace_labels

Shown = LabelledMail | TryAgain | GiveUp | None
"""A mail that was looked at, as the mailbox shows it; None where it knows no such mail, or nobody has looked."""


NoLabels = LabelConflict | LabelRefused
"""Why the CRM labels could not be had."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What has become of a batch in the mailbox: of each of its mails, and of `earlier` ones in their threads.

    `refused`: the labels could not be had, and nothing was changed.
    """

    mails: tuple[AppliedSorting, ...]
    earlier: tuple[AppliedReplacement, ...] = ()
    refused: NoLabels | None = None
    units: int = 0

    @property
    def troubles(self) -> Mapping[str, TryAgain | GiveUp]:
        """What is to be tried again and why, by message id."""
        return {one.planned.message_id: one.trouble for one in self.mails if one.trouble}


@dataclass(frozen=True, slots=True)
class _Relabelled:
    """What has become of those mails that were changed or in doubt, and the labels that the mailbox has now."""

    mails: Sequence[AppliedSorting]
    labels: ByCategory
    refused: NoLabels | None = None


def applied_as_planned(plan: Plan) -> Applied:
    """Where nothing is to be done in the mailbox."""
    return Applied(_of_all(plan, ()))


def apply(plan: Plan, context: Context, extend: Callable[[], bool]) -> Applied | None:
    """Change the mailbox as planned; None when no grant works.

    A grant may end half-way. The next one starts from the plan again, and looks first at the earlier mails that were
    begun under the one before (W5).
    """
    half_replaced = plan.half_replaced

    def begin(mails: Sequence[AppliedSorting], found: Sequence[EarlierMail]) -> Sequence[Replacement]:
        nonlocal half_replaced
        begun = begin_replacing(plan.batch, mails, found, context)
        half_replaced += begun
        return begun

    def in_mailbox(mailbox: Mailbox) -> Applied:
        editor = label_editor(mailbox)
        new = _relabel(plan, editor, context)
        if new.refused:
            return Applied(_of_all(plan, new.mails), refused=new.refused)
        replaced = replace_labels(half_replaced, new.mails, new.labels, editor, begin)
        mails = _with_troubles(_of_all(plan, new.mails), replaced)
        return Applied(mails, replaced.mails, units=mailbox.spent.units)

    connections = list(plan.connections.values())
    return with_mailbox(connections, context, in_mailbox, plan.batch.lease(extend), purpose=Purpose.SORT)


def _of_all(plan: Plan, applied: Collection[AppliedSorting]) -> tuple[AppliedSorting, ...]:
    """Mails that the mailbox was not asked about end as they were planned."""
    known = {one.planned.claim: one for one in applied}
    return tuple(known.get(one.claim) or AppliedSorting(one, one.outcome) for one in plan.mails)


def _with_troubles(mails: tuple[AppliedSorting, ...], replaced: Replaced) -> tuple[AppliedSorting, ...]:
    """A contact's new mail is tried again as long as there is trouble with his earlier mail (E47)."""
    if not replaced.troubles:
        return mails
    return tuple(
        replace(one, trouble=one.trouble or replaced.troubles.get(one.planned.contact)) for one in mails
    )


def _relabel(plan: Plan, editor: LabelEditor, context: Context) -> _Relabelled:
    """The batch's own mails. A label that the user has deleted is made again, once (E55, W12)."""
    shown = _look_again(plan, editor)
    doubtful = [_acknowledge(one, shown.get(one.message_id), plan.labels) for one in plan.in_doubt]
    labels = plan.labels
    try:
        if not {one.category.category for one in plan.to_change} <= labels.keys():
            labels = _ensure_labels(plan, labels, editor, context)
        try:
            changed = _change(plan, shown, labels, editor)
        except LabelUnknown:
            labels = _ensure_labels(plan, labels, editor, context)
            changed = _change(plan, shown, labels, editor)
    except (LabelConflict, LabelRefused) as error:
        failed = [_failed(one, shown.get(one.message_id)) for one in plan.to_change]
        return _Relabelled([*doubtful, *failed], labels, error)
    return _Relabelled([*doubtful, *changed], labels)


def _look_again(plan: Plan, editor: LabelEditor) -> Mapping[str, Shown]:
    """Where an intent stood before this one, first look at what became of it, and of the mail meanwhile (W5); at all
    of them where no history tells what the user does (E84)."""
    to_change = [one for one in plan.to_change if one.tried or plan.history_unusable]
    message_ids = [one.message_id for one in (*to_change, *plan.in_doubt)]
    return editor.look(message_ids) if message_ids else {}


def _ensure_labels(plan: Plan, known: ByCategory, editor: LabelEditor, context: Context) -> ByCategory:
    labels = editor.ensure(plan.label_names, known)
    with context.store.begin("labels.keep") as tx:
        tx.mailboxes.keep_labels(plan.batch.mailbox.id, labels, plan.label_names)
    return labels


def _change(
    plan: Plan, shown: Mapping[str, Shown], labels: ByCategory, editor: LabelEditor
) -> list[AppliedSorting]:
    """Those mails whose thread matters are changed one by one, because only then the provider names it (E47)."""
    decided = [_decide(one, shown.get(one.message_id), labels, plan) for one in plan.to_change]
    open_ = [one for one in decided if isinstance(one, Relabelling) and not one.change.is_empty]
    in_threads = {one.planned.message_id: one.change for one in open_ if one.planned.earlier}
    alone = {i: one.change for one in open_ if (i := one.planned.message_id) not in in_threads}
    answers: dict[str, str | TryAgain | GiveUp | LookupError | None] = {}
    answers |= editor.change(alone) if alone else {}
    answers |= editor.change_in_threads(in_threads) if in_threads else {}
    return [
        _changed(one, answers.get(one.planned.message_id)) if isinstance(one, Relabelling) else one
        for one in decided
    ]


def _acknowledge(one: PlannedSorting, shown: Shown, labels: ByCategory) -> AppliedSorting:
    if isinstance(shown, LabelledMail):
        return acknowledged(one, shown, labels)
    return _not_shown(one, shown)


def _decide(
    one: PlannedSorting, shown: Shown, labels: ByCategory, plan: Plan
) -> AppliedSorting | Relabelling:
    """What is still to be changed, or what becomes of the mail without a change. One that has just come may merely
    be shown late: then the change itself will tell whether it is gone."""
    if isinstance(shown, TryAgain | GiveUp) or (shown is None and one.tried):
        return _not_shown(one, shown)
    found = relabelling(one, shown, labels, history_unusable=plan.history_unusable)
    return found or AppliedSorting(one, Outcome.LABEL_USER_CHOICE)


def _not_shown(one: PlannedSorting, shown: TryAgain | GiveUp | None) -> AppliedSorting:
    return AppliedSorting(one, one.outcome if shown else Outcome.SKIP_GONE, trouble=shown)


def _changed(one: Relabelling, answer: str | TryAgain | GiveUp | LookupError | None) -> AppliedSorting:
    """By the provider's answer, which is the thread where it was asked for."""
    if isinstance(answer, TryAgain | GiveUp):
        return AppliedSorting(one.planned, one.planned.outcome, trouble=answer)
    if isinstance(answer, LookupError):
        return AppliedSorting(one.planned, Outcome.SKIP_GONE)
    return AppliedSorting(one.planned, one.planned.outcome, one.in_all, thread_id=answer or one.thread_id)


def _failed(one: PlannedSorting, shown: Shown) -> AppliedSorting:
    """Its label could not be had."""
    trouble = shown if isinstance(shown, TryAgain | GiveUp) else None
    return AppliedSorting(one, Outcome.LABEL_FAILED, trouble=trouble)
