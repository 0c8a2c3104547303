"""History: what it tells, in pages, by type, and when it has forgotten."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from infra.local.gmail import GmailControl

ANA = "ana@example.com"
RAW = b"From: bob@client.example\r\nSubject: x\r\n\r\n"
Refused = Callable[[Any], tuple[int, str]]


@pytest.fixture
def start(users: Any) -> str:
    return str(users.getProfile(userId="me").execute()["historyId"])


def history(users: Any, start: str, **wanted: Any) -> Any:
    return users.history().list(userId="me", startHistoryId=start, **wanted).execute()


def kinds(answer: Any) -> list[list[str]]:
    return [sorted(set(record) - {"id", "messages"}) for record in answer.get("history", [])]


def test_it_tells_what_happened_in_order(users: Any, control: GmailControl, start: str) -> None:
    one = control.deliver(ANA, RAW).id
    control.change_labels(ANA, [one], add=["STARRED"])
    users.messages().modify(
        userId="me", id=one, body={"addLabelIds": ["SPAM"], "removeLabelIds": ["INBOX"]}
    ).execute()
    control.change_labels(ANA, [one], add=["STARRED"])
    control.delete(ANA, [one])
    answer = history(users, start)
    assert kinds(answer) == [
        ["messagesAdded"],
        ["labelsAdded"],
        ["labelsAdded", "labelsRemoved"],
        ["messagesDeleted"],
    ]
    added, starred, moved, _ = answer["history"]
    message = {"id": one, "threadId": one}
    assert added["messages"] == [message]
    assert added["messagesAdded"] == [{"message": {**message, "labelIds": ["INBOX", "UNREAD"]}}]
    assert starred["labelsAdded"][0]["labelIds"] == ["STARRED"]
    assert starred["labelsAdded"][0]["message"]["labelIds"] == ["INBOX", "STARRED", "UNREAD"]
    assert moved["labelsRemoved"][0]["labelIds"] == ["INBOX"]
    ids = [int(record["id"]) for record in answer["history"]]
    assert all(2 <= later - earlier <= 40 for earlier, later in pairwise([int(start), *ids]))
    assert answer["historyId"] == str(ids[-1])
    assert history(users, answer["historyId"]) == {"historyId": answer["historyId"]}


@pytest.mark.parametrize(
    ("types", "count"),
    [
        (["messageAdded"], 2),
        (["labelAdded"], 1),
        (["labelRemoved"], 1),
        (["messageDeleted"], 1),
        (["messageAdded", "messageDeleted"], 3),
    ],
)
def test_by_type(types: list[str], count: int, users: Any, control: GmailControl, start: str) -> None:
    one, two = control.deliver(ANA, RAW).id, control.deliver(ANA, RAW).id
    control.change_labels(ANA, [one], add=["STARRED"])
    control.change_labels(ANA, [one], remove=["UNREAD"])
    control.delete(ANA, [two])
    assert len(history(users, start, historyTypes=types)["history"]) == count


def test_by_label(users: Any, control: GmailControl, start: str) -> None:
    control.deliver(ANA, RAW)
    sent = control.deliver(ANA, RAW, ["SENT"]).id
    found = history(users, start, labelId="SENT")["history"]
    assert [record["messages"][0]["id"] for record in found] == [sent]


def test_in_pages(users: Any, control: GmailControl, start: str) -> None:
    ids = [control.deliver(ANA, RAW).id for _ in range(7)]
    request, seen, pages = users.history().list(userId="me", startHistoryId=start, maxResults=3), [], 0
    while request is not None:
        answer = request.execute()
        seen += [record["messages"][0]["id"] for record in answer["history"]]
        pages += 1
        request = users.history().list_next(request, answer)
    assert (seen, pages) == (ids, 3)


def test_an_expired_start_is_404_and_so_is_one_from_nowhere(
    users: Any, control: GmailControl, start: str, refused: Refused
) -> None:
    control.deliver(ANA, RAW)
    latest = users.getProfile(userId="me").execute()["historyId"]
    fresh = control.expire_history(ANA)
    for old in (start, latest, "1"):
        assert refused(users.history().list(userId="me", startHistoryId=old)) == (404, "notFound")
    assert refused(users.history().list(userId="me", startHistoryId="9" * 30)) == (404, "notFound")
    assert users.getProfile(userId="me").execute()["historyId"] == str(fresh)
    control.deliver(ANA, RAW)
    assert kinds(history(users, str(fresh))) == [["messagesAdded"]]


def test_bad_requests(http: Callable[..., Any], token: str) -> None:
    for query in ("", "startHistoryId=x", "startHistoryId=1&pageToken=x", f"startHistoryId={'9' * 5000}"):
        assert http("GET", f"/gmail/v1/users/me/history?{query}", Authorization=token).status == 400


def test_added_messages_can_come_without_their_labels(users: Any, control: GmailControl, start: str) -> None:
    control.deliver(ANA, RAW)
    control.fault("omit_label_ids", times=1)
    assert "labelIds" not in history(users, start)["history"][0]["messagesAdded"][0]["message"]
    assert "labelIds" in history(users, start)["history"][0]["messagesAdded"][0]["message"]


def walk(users: Any, start: str, **wanted: Any) -> list[Any]:
    """All the pages, as a client goes through them."""
    request, pages = users.history().list(userId="me", startHistoryId=start, **wanted), []
    while request is not None:
        pages.append(request.execute())
        request = users.history().list_next(request, pages[-1])
    return pages


def ids_of(pages: list[Any]) -> list[str]:
    return [record["messages"][0]["id"] for page in pages for record in page.get("history", ())]


def test_pages_can_be_empty_and_not_the_last(users: Any, control: GmailControl, start: str) -> None:
    ids = [control.deliver(ANA, RAW).id for _ in range(5)]
    control.fault("empty_page")
    pages = walk(users, start, maxResults=2)
    assert ids_of(pages) == ids
    assert [len(page.get("history", ())) for page in pages] == [0, 2, 0, 2, 0, 1]
    assert ["nextPageToken" in page for page in pages] == [True] * 5 + [False]


def test_records_can_come_again_in_a_page_and_in_the_next(
    users: Any, control: GmailControl, start: str
) -> None:
    one, two, three = (control.deliver(ANA, RAW).id for _ in range(3))
    control.fault("repeat_page")
    pages = walk(users, start, maxResults=2)
    assert ids_of(pages[:1]) == [one, one, two, two]
    assert ids_of(pages[1:]) == [two, three, three]
    assert pages[0]["history"][0] == pages[0]["history"][1]
    assert ids_of(walk(users, pages[-1]["historyId"])) == []


def test_one_walk_is_told_that_its_start_is_too_old(
    users: Any, control: GmailControl, start: str, refused: Refused
) -> None:
    one = control.deliver(ANA, RAW).id
    control.fault("expire_history", times=1)
    assert refused(users.history().list(userId="me", startHistoryId=start)) == (404, "notFound")
    assert ids_of(walk(users, start)) == [one]


def test_an_answer_can_be_ahead_of_the_records_it_shows(
    users: Any, control: GmailControl, start: str
) -> None:
    one = control.deliver(ANA, RAW).id
    fault = control.fault("history_lag", delay=600)
    two = control.deliver(ANA, RAW).id
    ahead = history(users, start)
    assert "history" not in ahead, "nothing is as old as the delay"
    assert int(ahead["historyId"]) == control.dump(ANA).history_id
    control.clear_faults(fault)
    assert ids_of(walk(users, start)) == [one, two], "late, and in order"
    assert ids_of(walk(users, ahead["historyId"])) == []


def test_some_records_can_be_late_while_younger_ones_are_shown(
    users: Any, control: GmailControl, start: str
) -> None:
    ids = [control.deliver(ANA, RAW).id for _ in range(40)]
    fault = control.fault("history_lag", share=0.5, seed=3, delay=600)
    shown = ids_of(walk(users, start, maxResults=7))
    assert shown == [one for one in ids if one in shown]
    assert 5 < len(shown) < 35
    assert ids_of(walk(users, start)) == shown, "the same ones"
    control.clear_faults(fault)
    assert ids_of(walk(users, start)) == ids


def test_a_record_that_came_while_records_are_dropped_is_never_shown(
    users: Any, control: GmailControl, start: str
) -> None:
    one = control.deliver(ANA, RAW).id
    fault = control.fault("history_drop")
    control.deliver(ANA, RAW)
    assert ids_of(walk(users, start)) == [one]
    control.clear_faults(fault)
    three = control.deliver(ANA, RAW).id
    assert ids_of(walk(users, start)) == [one, three]
    assert len(control.dump(ANA).messages) == 3


def test_a_mailbox_can_refuse_every_history_id(
    users: Any, control: GmailControl, start: str, refused: Refused
) -> None:
    fault = control.fault("refuse_history", mailbox=ANA)
    for _ in range(3):
        fresh = users.getProfile(userId="me").execute()["historyId"]
        for known in (start, fresh):
            assert refused(users.history().list(userId="me", startHistoryId=known)) == (404, "notFound")
    control.clear_faults(fault)
    assert ids_of(walk(users, start)) == []
