"""Mails uploaded as they are: in one piece, with JSON beside them, piece by piece; and those too large."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from http.client import HTTPException
from io import BytesIO
from typing import Any

import pytest
from googleapiclient.errors import HttpError, ResumableUploadError
from googleapiclient.http import MediaInMemoryUpload, MediaIoBaseUpload

from infra.local.gmail import GmailControl
from tests.infra.local.gmail.conftest import ANA

MOST = 36_700_160
HEAD = b"From: ana@example.com\r\nTo: bob@client.example\r\nSubject: x\r\n\r\n"
RAW = HEAD + b"--b\r\nFrom nobody\r\n\r\nHello\r\n.\r\n"
BYTES = HEAD + b"Sch\xc3\xb6n\xff\r\nbare\nlines\r\n"
"""With JSON beside it the client library takes ASCII only."""
Json = dict[str, Any]


def media(raw: bytes = RAW, kind: str = "message/rfc822", **more: Any) -> Any:
    return MediaInMemoryUpload(raw, mimetype=kind, **more)


def pieces(raw: bytes, size: int) -> Any:
    return MediaIoBaseUpload(BytesIO(raw), "message/rfc822", chunksize=size, resumable=True)


def test_a_mail_in_one_piece(users: Any, control: GmailControl) -> None:
    draft = users.drafts().create(userId="me", media_body=media(BYTES)).execute()
    assert control.raw(ANA, draft["message"]["id"]) == BYTES
    sent = users.messages().send(userId="me", media_body=media(BYTES)).execute()
    assert control.raw(ANA, sent["id"]).endswith(BYTES)


def test_a_mail_with_json_beside_it(users: Any, control: GmailControl) -> None:
    first = control.deliver(ANA, b"Message-ID: <1@x.example>\r\nSubject: x\r\n\r\n")
    reply = b"In-Reply-To: <1@x.example>\r\nReferences: <1@x.example>\r\n" + RAW
    body = {"message": {"threadId": first.thread_id}}
    draft = users.drafts().create(userId="me", body=body, media_body=media(reply)).execute()
    assert draft["message"]["threadId"] == first.thread_id
    assert control.raw(ANA, draft["message"]["id"]) == reply
    again = users.drafts().update(userId="me", id=draft["id"], body=body, media_body=media(RAW)).execute()
    assert again["id"] == draft["id"]
    assert control.raw(ANA, again["message"]["id"]) == RAW
    sent = users.drafts().send(userId="me", body={"id": draft["id"]}, media_body=media(reply)).execute()
    assert control.raw(ANA, sent["id"]).endswith(reply)
    assert control.counters().calls_of("drafts.create") == 1


def test_any_bytes_with_json_beside_them(http: Callable[..., Any], token: str, control: GmailControl) -> None:
    sent = b"--B\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{}\r\n"
    sent += b"--B\r\nContent-Type: message/rfc822\r\n\r\n" + BYTES + b"\r\n--B--"
    path = "/upload/gmail/v1/users/me/drafts?uploadType=multipart&fields=id,message(id)"
    typed = {"Authorization": token, "Content_Type": "multipart/related; boundary=B"}
    draft = http("POST", path, sent, **typed).json
    assert control.raw(ANA, draft["message"]["id"]) == BYTES


@pytest.mark.parametrize("size", [7, 64, 10_000])
def test_a_mail_piece_by_piece(size: int, users: Any, control: GmailControl) -> None:
    request = users.drafts().create(userId="me", body={"message": {}}, media_body=pieces(BYTES, size))
    answer, steps = None, 0
    while answer is None:
        _, answer = request.next_chunk()
        steps += 1
    assert steps == -(-len(BYTES) // size)
    assert control.raw(ANA, answer["message"]["id"]) == BYTES
    assert control.counters().calls_of("drafts.create") == 1


def test_a_last_piece_whose_answer_was_lost_is_asked_for_again(users: Any, control: GmailControl) -> None:
    request = users.drafts().create(userId="me", body={}, media_body=pieces(RAW, 10_000))
    control.fault("half_answer", ["drafts.create"], half="short", times=2)
    with pytest.raises((OSError, HTTPException)):
        request.next_chunk()
    control.clear_faults()
    _, answer = request.next_chunk()
    assert control.dump(ANA).drafts == {answer["id"]: answer["message"]["id"]}


def test_the_largest_mail_and_one_byte_more(users: Any, control: GmailControl) -> None:
    largest = HEAD + b"x" * (MOST - len(HEAD))
    sent = users.drafts().create(userId="me", body={"message": {}}, media_body=media(largest)).execute()
    message = control.dump(ANA).message(sent["message"]["id"])
    assert message is not None
    assert message.size == MOST


@pytest.mark.parametrize("way", ["media", "multipart", "resumable", "json"])
def test_one_byte_too_many(way: str, http: Callable[..., Any], token: str, control: GmailControl) -> None:
    raw, headers = HEAD + b"x" * (MOST - len(HEAD) + 1), {"Authorization": token}
    if way == "json":
        path, sent = (
            "/gmail/v1/users/me/drafts",
            json.dumps({"message": {"raw": urlsafe_b64encode(raw).decode()}}).encode(),
        )
    else:
        path, sent = f"/upload/gmail/v1/users/me/drafts?uploadType={way}", raw
        headers["Content_Type"] = "message/rfc822"
    if way == "multipart":
        headers["Content_Type"] = "multipart/related; boundary=B"
        sent = (
            b"--B\r\nContent-Type: application/json\r\n\r\n{}\r\n--B\r\nContent-Type: message/rfc822\r\n\r\n"
        )
        sent += raw + b"\r\n--B--"
    if way == "resumable":
        headers |= {"X_Upload_Content_Length": str(len(raw)), "X_Upload_Content_Type": "message/rfc822"}
        sent = b"{}"
    reply = http("POST", path, sent, **headers)
    assert (reply.status, reply.json["error"]["errors"][0]["reason"]) == (413, "uploadTooLarge")
    assert control.dump(ANA).drafts == {}


def test_what_is_no_mail_is_refused(users: Any, http: Callable[..., Any], token: str) -> None:
    path = "/upload/gmail/v1/users/me/drafts?uploadType="
    typed = {"Authorization": token, "Content_Type": "text/plain"}
    for kind, body in (("media", b"x"), ("multipart", b"x"), ("other", b"x"), ("", b"x")):
        assert http("POST", path + kind, body, **typed).status == 400
    related = {"Authorization": token, "Content_Type": "multipart/related; boundary=B"}
    for body in (
        b"",
        b"--B\r\n\r\nx\r\n--B--",
        b"--B\r\n\r\n{}\r\n--B\r\nContent-Type: text/plain\r\n\r\nx\r\n--B--",
    ):
        assert http("POST", path + "multipart", body, **related).status == 400
    reply = http("PUT", path + "resumable&upload_id=unknown", b"x", Authorization=token)
    assert reply.status == 404


def test_an_upload_needs_a_token_and_its_scope(
    ana: Any, connect: Callable[[Json], Any], control: GmailControl, http: Callable[..., Any]
) -> None:
    reader = control.create_mailbox(ANA, scopes=["https://www.googleapis.com/auth/gmail.readonly"])
    drafts = connect(reader).users().drafts()
    with pytest.raises(HttpError, match="insufficient authentication scopes"):
        drafts.create(userId="me", body={}, media_body=media()).execute()
    with pytest.raises(ResumableUploadError):
        drafts.create(userId="me", body={}, media_body=pieces(RAW, 100)).next_chunk()
    path = "/upload/gmail/v1/users/me/drafts?uploadType=media"
    assert http("POST", path, RAW, Content_Type="message/rfc822").status == 401
    assert control.dump(ANA).drafts == {}


def test_faults_concern_uploads_too(users: Any, control: GmailControl) -> None:
    control.fault("503", ["drafts.create"], times=1)
    with pytest.raises(HttpError) as caught:
        users.drafts().create(userId="me", body={}, media_body=media()).execute()
    assert caught.value.resp.status == 503
    assert control.dump(ANA).drafts == {}
    control.fault("cut", ["drafts.create"], after=True, times=2)
    with pytest.raises((OSError, HTTPException)):
        users.drafts().create(userId="me", body={}, media_body=media()).execute()
    assert len(control.dump(ANA).drafts) == 2  # httplib2 tries a lost connection twice
