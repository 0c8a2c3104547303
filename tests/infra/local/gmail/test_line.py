"""Bad lines: answers that are slow, held, cut or halved, and what has happened by then."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection, HTTPException, IncompleteRead, RemoteDisconnected
from typing import Any
from urllib.parse import urlsplit

import pytest
from googleapiclient.errors import HttpError

from infra.local.gmail import GmailControl, GmailServer
from infra.local.gmail.control.faults import LINE
from infra.local.ports import wait_until

ANA = "ana@example.com"
RAW = b"From: bob@client.example\r\nSubject: x\r\n\r\nbody"
PROFILE = "/gmail/v1/users/me/profile"
STAR = b'{"addLabelIds": ["STARRED"]}'
Http = Callable[..., Any]


def modify(http: Http, token: str, message_id: str) -> Any:
    target = f"/gmail/v1/users/me/messages/{message_id}/modify"
    return http("POST", target, STAR, Authorization=token, Content_Type="application/json")


def starred(control: GmailControl, message_id: str) -> bool:
    found = control.dump(ANA).message(message_id)
    assert found is not None
    return "STARRED" in found.label_ids


@pytest.mark.parametrize("kind", ["cut", "timeout"])
@pytest.mark.parametrize("after", [False, True], ids=["before its effect", "after its effect"])
def test_a_call_without_an_answer_has_or_has_not_had_its_effect(
    kind: str, after: bool, http: Http, token: str, control: GmailControl
) -> None:
    one = control.deliver(ANA, RAW).id
    control.fault(kind, ["messages.modify"], after=after, delay=0.05, times=1)
    with pytest.raises(RemoteDisconnected):
        modify(http, token, one)
    assert starred(control, one) == after
    assert control.counters().calls_of("messages.modify") == after
    assert modify(http, token, one).status == 200


def test_a_timeout_lasts_until_the_client_gives_up(
    server: GmailServer, http: Http, token: str, control: GmailControl
) -> None:
    before = _answering()
    control.fault("timeout", ["getProfile"], times=1, delay=3_600)
    with closing(HTTPConnection(urlsplit(server.url).netloc, timeout=0.2)) as connection:
        connection.request("GET", PROFILE, headers={"Authorization": token})
        with pytest.raises(TimeoutError):
            connection.getresponse()
    assert http("GET", PROFILE, Authorization=token).status == 200
    given_up = wait_until(lambda: not _answering() - before, seconds=60)
    assert given_up, "the answer is still held for a client that has gone"


def _answering() -> set[threading.Thread]:
    """The threads that are at an answer, whosever: a server of another test may be at one still."""
    return {thread for thread in threading.enumerate() if "process_request_thread" in thread.name}


def test_a_slow_answer_comes_whole(http: Http, token: str, control: GmailControl) -> None:
    fault = control.fault("slow", ["getProfile"], delay=0.05)
    assert http("GET", PROFILE, Authorization=token).json["emailAddress"] == ANA
    assert [f["struck"] for f in control.faults() if f["id"] == fault] == [1]


def test_an_answer_that_trickles_comes_whole_and_takes_its_time(
    http: Http, token: str, control: GmailControl
) -> None:
    fault = control.fault("trickle", ["getProfile"], delay=0.001)
    began = time.monotonic()
    assert http("GET", PROFILE, Authorization=token).json["emailAddress"] == ANA
    assert time.monotonic() - began > 0.1, "more than a hundred bytes"
    assert [f["struck"] for f in control.faults() if f["id"] == fault] == [1]


def test_half_an_answer_that_its_length_gives_away(http: Http, token: str, control: GmailControl) -> None:
    control.fault("half_answer", ["getProfile"], half="short")
    with pytest.raises(IncompleteRead) as caught:
        http("GET", PROFILE, Authorization=token)
    assert 0 < len(caught.value.partial) < 100


@pytest.mark.parametrize("half", ["long", "json"])
def test_half_an_answer_that_its_length_hides(
    half: str, http: Http, token: str, control: GmailControl
) -> None:
    whole = http("GET", PROFILE, Authorization=token).body
    control.fault("half_answer", ["getProfile"], half=half, times=1)
    part = http("GET", PROFILE, Authorization=token).body
    assert 0 < len(part) < len(whole)
    assert whole.startswith(part)
    assert http("GET", PROFILE, Authorization=token).body == whole


def test_what_is_left_on_the_line_is_no_answer_to_the_next_call(users: Any, control: GmailControl) -> None:
    users.getProfile(userId="me").execute()
    control.fault("half_answer", ["getProfile"], half="long", times=1)
    users.getProfile(userId="me").execute()  # half a JSON, which the library hands out as a text
    assert users.getProfile(userId="me").execute()["emailAddress"] == ANA


def test_halves_by_seed_are_all_there(http: Http, token: str, control: GmailControl) -> None:
    def met(seed: int) -> list[str]:
        control.clear_faults()
        control.fault("half_answer", seed=seed)
        return [how() for _ in range(12)]

    def how() -> str:
        try:
            return str(len(http("GET", PROFILE, Authorization=token).body))
        except HTTPException:
            return "cut short"

    first = met(3)
    assert met(3) == first
    assert met(4) != first
    assert "cut short" in first
    assert len(set(first)) > 3


def test_an_empty_answer_has_no_half(users: Any, control: GmailControl) -> None:
    one = control.deliver(ANA, RAW).id
    control.fault("half_answer", ["messages.batchModify"])
    users.messages().batchModify(userId="me", body={"ids": [one], "addLabelIds": ["STARRED"]}).execute()
    assert starred(control, one)


def test_a_batch_s_line_is_bad_for_all_its_calls(service: Any, users: Any, control: GmailControl) -> None:
    users.getProfile(userId="me").execute()
    one = control.deliver(ANA, RAW).id
    for methods in (["batch"], ["messages.get"], []):
        control.clear_faults()
        control.reset_counters()
        control.fault("cut", methods, mailbox=ANA)
        batch = service.new_batch_http_request()
        batch.add(users.messages().get(userId="me", id=one))
        with pytest.raises((ConnectionError, HTTPException)):
            batch.execute()
        assert control.counters().calls == 0


@pytest.mark.parametrize("kind", sorted(LINE))
def test_other_mailboxes_methods_and_messages_are_spared(
    kind: str, http: Http, token: str, control: GmailControl
) -> None:
    bad, good = control.deliver(ANA, RAW).id, control.deliver(ANA, RAW).id
    control.fault(kind, mailbox="bea@example.com")
    control.fault(kind, ["messages.get", "token"])
    control.fault(kind, message_id=bad)
    assert modify(http, token, good).status == 200
    assert {fault["struck"] for fault in control.faults()} == {0}


def test_the_token_s_line(users: Any, control: GmailControl) -> None:
    control.fault("half_answer", ["token"], half="json", times=1, mailbox=ANA)
    with pytest.raises(TypeError):  # google-auth takes half a JSON for a text
        users.getProfile(userId="me").execute()
    assert users.getProfile(userId="me").execute()["emailAddress"] == ANA
    control.expire_access_tokens(ANA)
    control.fault("cut", ["token"], times=1, mailbox=ANA)
    assert users.getProfile(userId="me").execute()["emailAddress"] == ANA


def test_a_refusal_can_be_halved_too(users: Any, control: GmailControl) -> None:
    control.fault("500", ["getProfile"])
    control.fault("half_answer", ["getProfile"], half="json")
    with pytest.raises(HttpError) as caught:
        users.getProfile(userId="me").execute()
    assert caught.value.resp.status == 500
    assert not caught.value.content.endswith(b"}")
