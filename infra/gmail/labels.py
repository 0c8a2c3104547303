"""Putting labels on, at the lower price, and having them in the first place."""

from collections.abc import Mapping, Sequence

from domain.errors import GiveUp, LabelConflict, LabelRefused, LabelUnknown, TryAgain
from domain.sorting import Category, LabelChange
from infra.gmail.api import ME
from infra.gmail.client import Answer, Calls, slices, whole_mailbox_trouble
from infra.gmail.errors import ODD_ANSWER
from infra.gmail.responses import sense, thread_id
from infra.gmail.transport import Hung

Verdict = TryAgain | GiveUp | LookupError | None
InThread = str | TryAgain | GiveUp | LookupError

BATCH_MODIFY = 1_000
"""Ids that one batchModify takes (FACTS §3)."""


def change_labels(calls: Calls, changes: Mapping[str, LabelChange]) -> dict[str, Verdict]:
    """batchModify where it costs no more than modify; the rest in batches, whatever group it is of."""
    verdicts: dict[str, Verdict] = dict.fromkeys(changes)
    groups: dict[LabelChange, list[str]] = {}
    for message_id, change in changes.items():
        if change.add or change.remove:
            groups.setdefault(change, []).append(message_id)
    singly: list[str] = []
    for change, message_ids in groups.items():
        for some in slices(message_ids, BATCH_MODIFY):
            singly += _all_at_once(calls, some, change, verdicts)
    stopped = whole_mailbox_trouble(list(verdicts.values()))
    if stopped:
        return verdicts | dict.fromkeys(singly, stopped)
    answers = calls.many([calls.api.modify(message_id, changes[message_id]) for message_id in singly])
    return verdicts | {i: _verdict(i, answer) for i, answer in zip(singly, answers, strict=True)}


def change_in_threads(calls: Calls, changes: Mapping[str, LabelChange]) -> dict[str, InThread]:
    """One modify each, in batches; its answer names the message's thread."""
    answers = calls.many([calls.api.modify(message_id, change) for message_id, change in changes.items()])
    return {i: _in_thread(i, answer) for i, answer in zip(changes, answers, strict=True)}


def _in_thread(message_id: str, answer: Answer | Exception) -> InThread:
    if isinstance(answer, dict):
        return thread_id(message_id, answer)
    if isinstance(answer, TryAgain | GiveUp | LookupError):
        return answer
    raise answer


def _all_at_once(
    calls: Calls, message_ids: Sequence[str], change: LabelChange, verdicts: dict[str, Verdict]
) -> Sequence[str]:
    """Returns the ids that are left for modify: too few to pay for it, or one of them may spoil the call."""
    if stopped := whole_mailbox_trouble(list(verdicts.values())):
        verdicts |= dict.fromkeys(message_ids, stopped)
        return ()
    if calls.costs["messages.batchModify"] > len(message_ids) * calls.costs["messages.modify"]:
        return message_ids
    answer = calls.many([calls.api.batch_modify(message_ids, change)])[0]
    if isinstance(answer, LabelUnknown):
        raise answer
    if isinstance(answer, GiveUp | LookupError | Hung):
        return message_ids
    if isinstance(answer, TryAgain):
        verdicts |= dict.fromkeys(message_ids, answer)
    return ()


def _verdict(message_id: str, answer: Answer | Exception) -> Verdict:
    if isinstance(answer, dict):
        return None if answer.get("id") == message_id else TryAgain(ODD_ANSWER, whole_mailbox=False)
    if isinstance(answer, TryAgain | GiveUp | LookupError):
        return answer
    raise answer


def ensure_labels(
    calls: Calls, names: Mapping[Category, str], known: Mapping[Category, str]
) -> dict[Category, str]:
    """By known id (E54), else by name (E56), else made (Z14). Listed once, unless somebody was faster."""
    ids, by_name = _listed(calls)
    found: dict[Category, str] = {}
    for category, name in names.items():
        if known.get(category) in ids:
            found[category] = known[category]
        else:
            key = name.casefold()
            found[category] = by_name[key] = by_name.get(key) or _create(calls, name)
    return found


def _create(calls: Calls, name: str) -> str:
    """A refusal of the whole mailbox is raised as such; one of the label alone is E67's."""
    body = {"name": name, "labelListVisibility": "labelShow", "messageListVisibility": "show"}
    answer = calls.many([calls.api.labels.create(userId=ME, body=body, fields="id")])[0]
    if isinstance(answer, GiveUp):
        raise LabelRefused(answer.reason)
    if isinstance(answer, TryAgain):
        raise answer
    if isinstance(answer, FileExistsError):
        label_id = _listed(calls)[1].get(name.casefold())
    else:
        label_id = None if isinstance(answer, Exception) else answer.get("id")
    if isinstance(label_id, str):
        return label_id
    raise LabelConflict


def _listed(calls: Calls) -> tuple[frozenset[str], dict[str, str]]:
    """All ids of the user's labels, and those by name, case aside. System labels are not ours to use."""
    answer = calls.one(calls.api.labels.list(userId=ME, fields="labels(id,name,type)", prettyPrint=False))
    with sense():
        mine = [label for label in answer["labels"] if label.get("type") != "system"]
        return frozenset(label["id"] for label in mine), {la["name"].casefold(): la["id"] for la in mine}
