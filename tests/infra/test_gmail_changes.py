"""What Gmail's labels and its records of history say, in our words (D3, D10, E36, W9)."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest

from domain.mail.folders import Folder
from domain.mailboxes.history import Change, ChangeKind
from infra.gmail import changes
from infra.gmail.client import Answer, Calls
from infra.gmail.folders import folder_of


@pytest.mark.parametrize(
    ("labels", "folder"),
    [
        pytest.param(
            ("SENT", "INBOX", "CHAT", "TRASH", "SPAM", "DRAFT"),
            Folder.DRAFTS,
            marks=pytest.mark.rule("D3-3"),
            id="a draft first",
        ),
        pytest.param(
            ("INBOX", "CHAT", "TRASH", "SPAM"), Folder.SPAM, marks=pytest.mark.rule("D3-4"), id="then spam"
        ),
        pytest.param(
            ("INBOX", "CHAT", "TRASH"), Folder.TRASH, marks=pytest.mark.rule("D3-5"), id="then the trash"
        ),
        pytest.param(("SENT", "CHAT"), Folder.CHAT, marks=pytest.mark.rule("D3-6"), id="then chats"),
        pytest.param(
            ("SCHEDULED", "Label_1"),
            Folder.DRAFTS,
            marks=pytest.mark.rule("E35"),
            id="to be sent later, no draft in name",
        ),
        pytest.param(("UNREAD", "SENT", "INBOX"), Folder.INBOX, id="sent to himself"),
        pytest.param(("SENT", "Label_1"), Folder.SENT, id="sent"),
        pytest.param(("UNREAD", "Label_1"), Folder.OTHER, id="archived"),
        pytest.param((), Folder.OTHER, id="no label at all"),
    ],
)
def test_the_folder_of_a_mail(labels: Sequence[str], folder: Folder) -> None:
    assert folder_of(labels) is folder


class Answers:
    """Pages of history, in their order."""

    def __init__(self, pages: Iterator[Answer]) -> None:
        self.pages = pages

    @property
    def api(self) -> "Answers":
        return self

    def history_since(self, cursor: str, page_token: str | None) -> None:
        """Whatever is asked, `one` has the answer."""

    def one(self, request: object) -> Answer:
        return next(self.pages)


def told(**record: Any) -> list[Change]:
    answer = {"history": [{"id": "7", **record}], "historyId": "9"}
    [page] = changes.pages(cast(Calls, Answers(iter([answer]))), "5")
    return list(page.changes)


def entry(*labels: str) -> dict[str, object]:
    return {"message": {"id": "a"}, "labelIds": list(labels)}


def test_a_mail_arrives_in_the_folder_of_its_labels() -> None:
    assert told(messagesAdded=[{"message": {"id": "a", "labelIds": ["UNREAD", "SPAM"]}}]) == [
        Change(ChangeKind.ARRIVED, "a", Folder.SPAM, position=7)
    ]
    assert told(messagesAdded=[{"message": {"id": "a", "labelIds": []}}]) == [
        Change(ChangeKind.ARRIVED, "a", Folder.OTHER, position=7)
    ]
    assert told(messagesAdded=[{"message": {"id": "a"}}]) == [Change(ChangeKind.ARRIVED, "a", position=7)]


@pytest.mark.rule("D10-4", "E36", "E37", "W9")
def test_spam_and_trash_are_places_and_no_labels() -> None:
    assert told(labelsAdded=[entry("TRASH", "Label_1")]) == [
        Change(ChangeKind.PUT_AWAY, "a", Folder.TRASH, position=7),
        Change(ChangeKind.LABELLED, "a", label_ids=frozenset({"Label_1"}), position=7),
    ]
    assert told(labelsRemoved=[entry("SPAM")]) == [Change(ChangeKind.CAME_BACK, "a", Folder.SPAM, position=7)]
    assert {change.folder for change in told(labelsAdded=[entry("SPAM", "TRASH")])} == {
        Folder.SPAM,
        Folder.TRASH,
    }


@pytest.mark.rule("E34", "E35", "W9")
@pytest.mark.parametrize("label", ["DRAFT", "SCHEDULED"])
def test_a_draft_that_is_sent_comes_back_and_one_that_is_begun_goes_nowhere(label: str) -> None:
    assert told(labelsRemoved=[entry(label)]) == [
        Change(ChangeKind.CAME_BACK, "a", Folder.DRAFTS, position=7)
    ]
    assert [change.kind for change in told(labelsAdded=[entry(label)])] == [ChangeKind.LABELLED]


@pytest.mark.rule("W9")
def test_other_labels_are_labels() -> None:
    labels = ("INBOX", "UNREAD", "CHAT", "Label_1")
    assert told(labelsAdded=[entry(*labels)], labelsRemoved=[entry(*labels)]) == [
        Change(kind, "a", label_ids=frozenset(labels), position=7)
        for kind in (ChangeKind.LABELLED, ChangeKind.UNLABELLED)
    ]
    assert told(labelsAdded=[{"message": {"id": "a"}}]) == [], "which labels, Gmail does not say"


@pytest.mark.rule("W7")
def test_what_is_deleted_is_gone_whatever_labels_it_had() -> None:
    assert told(messagesDeleted=[entry("SPAM")]) == [Change(ChangeKind.GONE, "a", position=7)]
