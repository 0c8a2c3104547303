"""Gmail's history as changes: its four types of records, and its labels for places."""

from collections.abc import Iterator
from typing import Any

from domain.errors import CursorExpired
from domain.mailboxes.history import Change, ChangeKind, HistoryPage
from infra.gmail.client import Answer, Calls
from infra.gmail.folders import FOLDERS, SCHEDULED, folder_of
from infra.gmail.responses import sense, text, texts

_OF_LABELS = (
    ("labelsAdded", ChangeKind.PUT_AWAY, ("SPAM", "TRASH"), ChangeKind.LABELLED),
    ("labelsRemoved", ChangeKind.CAME_BACK, ("SPAM", "TRASH", "DRAFT", SCHEDULED), ChangeKind.UNLABELLED),
)
"""A record's list, what it says of these places, and of all other labels."""


def pages(calls: Calls, cursor: str) -> Iterator[HistoryPage]:
    """Pages oldest first, one request each. A 404 here, and only here, means that the cursor expired."""
    token: str | None = None
    reached = position(cursor)
    while True:
        answer = _history(calls, cursor, token)
        token = answer.get("nextPageToken")
        page, reached = _page(answer, reached, last=not token)
        yield page
        if not token:
            return


def position(cursor: str) -> int:
    """A history id is a decimal without bounds; records and answers are numbered alike."""
    return int(cursor)


def _history(calls: Calls, cursor: str, token: str | None) -> Answer:
    try:
        return calls.one(calls.api.history_since(cursor, token))
    except LookupError:
        raise CursorExpired from None


def _page(answer: Answer, reached: int, *, last: bool) -> tuple[HistoryPage, int]:
    """In the middle the cursor is the last record's id; the answer's own only once all is read (W8)."""
    with sense():
        records = answer.get("history", ())
        ends = [int(record["id"]) for record in records]
        if last:
            ends.append(int(answer["historyId"]))
        changes = tuple(change for record in records for change in _changes(record))
    reached = max([reached, *ends])
    return HistoryPage(changes, str(reached), last), reached


def _changes(record: dict[str, Any]) -> Iterator[Change]:
    at = int(record["id"])
    for entry in record.get("messagesAdded", ()):
        message = entry["message"]
        labels = message.get("labelIds")
        folder = None if labels is None else folder_of(texts(labels))
        yield Change(ChangeKind.ARRIVED, text(message["id"]), folder, position=at)
    for name, moved, places, other in _OF_LABELS:
        for entry in record.get(name, ()):
            message_id, labels = text(entry["message"]["id"]), entry.get("labelIds")
            told = frozenset[str]() if labels is None else texts(labels)
            for place in told.intersection(places):
                yield Change(moved, message_id, FOLDERS[place], position=at)
            if label_ids := told.difference(places):
                yield Change(other, message_id, label_ids=label_ids, position=at)
    for entry in record.get("messagesDeleted", ()):
        yield Change(ChangeKind.GONE, text(entry["message"]["id"]), position=at)
