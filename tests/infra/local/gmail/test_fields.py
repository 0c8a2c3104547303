"""The `fields` parameter: partial answers."""

from collections.abc import Callable
from typing import Any

import pytest

from infra.local.gmail import GmailControl
from infra.local.gmail.http.errors import ApiError
from infra.local.gmail.http.fields import parse

ANA = "ana@example.com"
RAW = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b--\r\n"
TYPE = "multipart/mixed"
NAMES = [{"name": "From"}]
MESSAGE = {
    "id": "1",
    "threadId": "2",
    "labelIds": ["A", "B"],
    "payload": {
        "headers": [{"name": "From", "value": "x"}],
        "mimeType": "multipart/mixed",
        "parts": [{"mimeType": "text/plain", "parts": [{"mimeType": "a/b", "body": {"size": 1}}]}],
    },
}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("id", {"id": "1"}),
        ("id,labelIds", {"id": "1", "labelIds": ["A", "B"]}),
        (" id , threadId ", {"id": "1", "threadId": "2"}),
        ("payload/mimeType", {"payload": {"mimeType": TYPE}}),
        ("payload/headers/name", {"payload": {"headers": NAMES}}),
        ("payload(headers(name),mimeType)", {"payload": {"headers": NAMES, "mimeType": TYPE}}),
        ("payload/parts/parts(body)", {"payload": {"parts": [{"parts": [{"body": {"size": 1}}]}]}}),
        ("payload/mimeType,payload/headers/name", {"payload": {"headers": NAMES, "mimeType": TYPE}}),
        ("payload,payload/mimeType", {"payload": MESSAGE["payload"]}),
        ("payload(*)", {"payload": MESSAGE["payload"]}),
        ("*", MESSAGE),
        ("snippet", {}),
    ],
)
def test_masks(fields: str, expected: Any) -> None:
    assert parse(fields, "Message").apply(MESSAGE) == expected


@pytest.mark.parametrize(
    "fields",
    ["nonsense", "id/x", "payload(", "payload()", "payload(mimeType", "id,", ",", "/id", "id)", "(" * 5000],
)
def test_a_broken_selection_is_400(fields: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse(fields, "Message")
    assert caught.value.code == 400


def test_nesting_without_end_is_400_not_a_crash() -> None:
    with pytest.raises(ApiError):
        parse("payload(" + "parts(" * 20_000 + "mimeType" + ")" * 20_001, "Message")


def test_the_client_s_masks(users: Any, control: GmailControl) -> None:
    one = control.deliver(ANA, RAW)
    nested = "parts(mimeType,headers,parts(mimeType,headers,parts(mimeType,headers)))"
    fields = f"id,threadId,labelIds,internalDate,sizeEstimate,payload(headers,mimeType,{nested})"
    answer = users.messages().get(userId="me", id=one.id, fields=fields).execute()
    assert set(answer) == {"id", "threadId", "labelIds", "internalDate", "sizeEstimate", "payload"}
    assert set(answer["payload"]) == {"headers", "mimeType", "parts"}
    assert answer["payload"]["parts"] == [{"mimeType": "text/plain", "headers": []}]
    sized = users.messages().get(userId="me", id=one.id, fields="payload/parts/body").execute()
    assert sized == {"payload": {"parts": [{"body": {"size": 5, "data": "aGVsbG8="}}]}}
    assert set(users.messages().get(userId="me", id=one.id, fields="*").execute()) >= {"payload", "snippet"}
    assert users.labels().list(userId="me", fields="labels/id").execute()["labels"][0] == {"id": "CHAT"}
    start = str(one.history_id - 1)
    assert users.history().list(
        userId="me", startHistoryId=start, fields="historyId,history/messagesAdded/message(id,labelIds)"
    ).execute() == {
        "historyId": str(one.history_id),
        "history": [{"messagesAdded": [{"message": {"id": one.id, "labelIds": ["INBOX", "UNREAD"]}}]}],
    }


def test_a_call_too_long_for_an_address_goes_as_a_post(users: Any, ana: Any) -> None:
    fields = ",".join(["emailAddress"] * 300)
    assert users.getProfile(userId="me", fields=fields).execute() == {"emailAddress": ANA}


def test_an_unknown_field_is_named(http: Callable[..., Any], token: str) -> None:
    error = http("GET", "/gmail/v1/users/me/profile?fields=nonsense", Authorization=token).json["error"]
    assert error["details"][0]["fieldViolations"][0]["field"] == "nonsense"
