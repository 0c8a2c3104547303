"""Putting labels on, at the lower price, and having them in the first place."""

from collections.abc import Iterator, Mapping, Sequence

from domain.crm.categories import Category
from domain.errors import GiveUp, LabelConflict, LabelRefused, LabelUnknown, TryAgain
from domain.sorting.label_changes import LabelChange, LabelledMail
from infra.gmail.api import ME
from infra.gmail.client import Answer, Calls, slices, whole_mailbox_trouble
from infra.gmail.errors import ODD_ANSWER
from infra.gmail.responses import each, labelled_mail, listed, sense, thread_id
from infra.gmail.transport import Hung

Changed = TryAgain | GiveUp | LookupError | None
ChangedInThread = str | TryAgain | GiveUp | LookupError

BATCH_MODIFY = 1_000
"""Ids that one batchModify takes (FACTS §3)."""


class GmailLabels:
    """The labels of one mailbox: the port `LabelEditor`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def under(self, label_id: str, sender: str) -> dict[str, str]:
        """By messages.list."""
        found: dict[str, str] = {}
        name = sender.replace('"', "")
        try:
            for messages in listed(self._calls, labelIds=[label_id], q=f'from:"{name}"'):
                found |= messages
        except LabelUnknown:
            return {}
        return found

    def look(self, message_ids: Sequence[str]) -> dict[str, LabelledMail | TryAgain | GiveUp | None]:
        """By messages.get."""
        return each(self._calls, message_ids, self._calls.api.get_labels, labelled_mail)

    def change(self, changes: Mapping[str, LabelChange]) -> dict[str, Changed]:
        """By the cheaper of modify and batchModify."""
        return _change(self._calls, changes)

    def change_in_threads(self, changes: Mapping[str, LabelChange]) -> dict[str, ChangedInThread]:
        """By modify alone: batchModify does not name the threads."""
        answers = self._calls.many([self._calls.api.modify(i, change) for i, change in changes.items()])
        return {i: _in_thread(i, answer) for i, answer in zip(changes, answers, strict=True)}

    def ensure(self, names: Mapping[Category, str], known: Mapping[Category, str]) -> dict[Category, str]:
        """By known id (E54), else by name (E56), else made (Z14). Listed once, unless somebody was faster."""
        ids, by_name = _listed(self._calls)
        found: dict[Category, str] = {}
        for category, name in names.items():
            if known.get(category) in ids:
                found[category] = known[category]
            else:
                key = name.casefold()
                found[category] = by_name[key] = by_name.get(key) or _create(self._calls, name)
        return found


def _change(calls: Calls, changes: Mapping[str, LabelChange]) -> dict[str, Changed]:
    """batchModify where it costs no more than modify; the rest in batches, whatever group it is of."""
    answers: dict[str, Changed] = dict.fromkeys(changes)
    singly: list[str] = []
    for change, message_ids in _alike(changes):
        if stopped := whole_mailbox_trouble(list(answers.values())):
            answers |= dict.fromkeys(message_ids, stopped)
            continue
        done = _all_at_once(calls, message_ids, change)
        if isinstance(done, TryAgain):
            answers |= dict.fromkeys(message_ids, done)
        elif not done:
            singly += message_ids
    if stopped := whole_mailbox_trouble(list(answers.values())):
        return answers | dict.fromkeys(singly, stopped)
    found = calls.many([calls.api.modify(message_id, changes[message_id]) for message_id in singly])
    return answers | {i: _changed(i, answer) for i, answer in zip(singly, found, strict=True)}


def _alike(changes: Mapping[str, LabelChange]) -> Iterator[tuple[LabelChange, Sequence[str]]]:
    """Messages of which one call may change all."""
    groups: dict[LabelChange, list[str]] = {}
    for message_id, change in changes.items():
        if not change.is_empty:
            groups.setdefault(change, []).append(message_id)
    for change, message_ids in groups.items():
        for some in slices(message_ids, BATCH_MODIFY):
            yield change, some


def _in_thread(message_id: str, answer: Answer | Exception) -> ChangedInThread:
    if isinstance(answer, dict):
        return thread_id(message_id, answer)
    if isinstance(answer, TryAgain | GiveUp | LookupError):
        return answer
    raise answer


def _all_at_once(calls: Calls, message_ids: Sequence[str], change: LabelChange) -> TryAgain | bool:
    """Whether all are changed; not where they are too few to pay for the call, or one of them may spoil it."""
    if calls.costs["messages.batchModify"] > len(message_ids) * calls.costs["messages.modify"]:
        return False
    answer = calls.many([calls.api.batch_modify(message_ids, change)])[0]
    if isinstance(answer, LabelUnknown):
        raise answer
    if isinstance(answer, GiveUp | LookupError | Hung):
        return False
    return answer if isinstance(answer, TryAgain) else True


def _changed(message_id: str, answer: Answer | Exception) -> Changed:
    if isinstance(answer, dict):
        return None if answer.get("id") == message_id else TryAgain(ODD_ANSWER, whole_mailbox=False)
    if isinstance(answer, TryAgain | GiveUp | LookupError):
        return answer
    raise answer


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
