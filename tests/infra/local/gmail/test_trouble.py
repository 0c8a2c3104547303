"""Faults on demand."""

import time
from typing import Any

import pytest
from googleapiclient.errors import HttpError

from infra.local.gmail import ControlError, GmailControl, GmailServer
from infra.local.gmail.control.faults import KINDS
from tests.infra.local.gmail.conftest import ANA, Refused, profile

RAW = b"From: bob@client.example\r\nSubject: x\r\n\r\nbody"


EXPECTED = {
    "400.failedPrecondition": (400, "failedPrecondition"),
    "400.notEnabled": (400, "failedPrecondition"),
    "401": (401, "authError"),
    "403.rateLimitExceeded": (403, "rateLimitExceeded"),
    "403.userRateLimitExceeded": (403, "userRateLimitExceeded"),
    "403.dailyLimitExceeded": (403, "dailyLimitExceeded"),
    "403.domainPolicy": (403, "domainPolicy"),
    "404": (404, "notFound"),
    "409": (409, "aborted"),
    "429": (429, "rateLimitExceeded"),
    "500": (500, "backendError"),
    "503": (503, "backendError"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_fault(kind: str, users: Any, control: GmailControl, refused: Refused) -> None:
    control.fault(kind, ["getProfile"])
    assert refused(profile(users)) == EXPECTED[kind]
    assert users.labels().list(userId="me").execute()["labels"]
    control.clear_faults()
    profile(users).execute()


def test_what_the_client_may_wait_for(users: Any, control: GmailControl) -> None:
    control.fault("429", retry_after=30, times=1)
    control.fault("403.userRateLimitExceeded", retry_after=30, times=1)
    with pytest.raises(HttpError) as caught:
        profile(users).execute()
    assert caught.value.resp["retry-after"] == "30"
    with pytest.raises(HttpError, match=r"User-rate limit exceeded\.  Retry after 20"):
        profile(users).execute()
    profile(users).execute()


def test_a_401_fault_once_is_healed_by_the_client(users: Any, control: GmailControl) -> None:
    profile(users).execute()
    control.fault("401", times=1)
    profile(users).execute()
    assert control.counters().token_requests == 2


def test_faults_by_mailbox_and_number(users: Any, bea: Any, control: GmailControl, refused: Refused) -> None:
    fault = control.fault("500", ["getProfile", "messages.list"], mailbox="BEA@example.com", times=2)
    profile(users).execute()
    assert refused(profile(bea))[0] == 500
    assert refused(bea.messages().list(userId="me"))[0] == 500
    profile(bea).execute()
    assert [(f["id"], f["left"], f["struck"]) for f in control.faults()] == [(fault, 0, 2)]


def test_a_share_of_calls_is_the_same_for_the_same_seed(users: Any, control: GmailControl) -> None:
    def failures(seed: int) -> list[bool]:
        control.clear_faults()
        control.fault("503", share=0.3, seed=seed)
        found = []
        for _ in range(60):
            try:
                profile(users).execute()
            except HttpError:
                found.append(True)
            else:
                found.append(False)
        return found

    first = failures(1)
    assert failures(1) == first
    assert failures(2) != first
    assert 5 < sum(first) < 35


def test_a_fault_ends_by_itself(users: Any, control: GmailControl, refused: Refused) -> None:
    control.fault("500", seconds=2)
    assert refused(profile(users))[0] == 500
    deadline = time.monotonic() + 60
    while not control.faults()[0]["over"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    profile(users).execute()


def test_a_mail_that_has_just_come_is_not_there_yet(
    users: Any, control: GmailControl, refused: Refused, server: GmailServer
) -> None:
    start = profile(users).execute()["historyId"]
    control.fault("read_lag", mailbox=ANA, delay=60)
    new = control.deliver(ANA, RAW).id
    (told,) = users.history().list(userId="me", startHistoryId=start).execute()["history"]
    assert told["messagesAdded"][0]["message"]["id"] == new
    assert refused(users.messages().get(userId="me", id=new)) == (404, "notFound")
    server.world.mailbox(ANA).get(new).arrived -= 60
    assert users.messages().get(userId="me", id=new).execute()["id"] == new


def test_labels_are_seen_as_they_were(users: Any, control: GmailControl, server: GmailServer) -> None:
    def seen() -> set[str]:
        return set(users.messages().get(userId="me", id=one, format="minimal").execute()["labelIds"])

    one = control.deliver(ANA, RAW).id
    message = server.world.mailbox(ANA).get(one)
    message.arrived -= 60
    control.fault("read_lag", delay=60)
    assert seen() == {"INBOX", "UNREAD"}
    users.messages().modify(userId="me", id=one, body={"removeLabelIds": ["INBOX"]}).execute()
    assert seen() == {"INBOX", "UNREAD"}
    message.changed -= 60
    assert seen() == {"UNREAD"}


def test_reads_lag_for_a_share_of_the_mails(users: Any, control: GmailControl) -> None:
    def missing() -> set[str]:
        found = set()
        for message_id in ids:
            try:
                users.messages().get(userId="me", id=message_id, format="minimal").execute()
            except HttpError:
                found.add(message_id)
        return found

    control.fault("read_lag", delay=600, share=0.4, seed=1)
    ids = [control.deliver(ANA, RAW).id for _ in range(30)]
    first = missing()
    assert 0 < len(first) < 30
    assert missing() == first


def test_a_poisoned_message_fails_in_every_call_that_names_it(
    users: Any, control: GmailControl, refused: Refused
) -> None:
    bad, good = control.deliver(ANA, RAW).id, control.deliver(ANA, RAW).id
    control.poison(ANA, bad)
    messages, star = users.messages(), {"addLabelIds": ["STARRED"]}
    assert refused(messages.get(userId="me", id=bad))[0] == 500
    assert refused(messages.modify(userId="me", id=bad, body=star))[0] == 500
    assert refused(messages.batchModify(userId="me", body={"ids": [good, bad], **star}))[0] == 500
    messages.batchModify(userId="me", body={"ids": [good], **star}).execute()
    assert len(messages.list(userId="me").execute()["messages"]) == 2


def test_an_unknown_kind_or_setting_is_refused(control: GmailControl) -> None:
    with pytest.raises(ControlError, match="unknown fault"):
        control.fault("418")
    for wrong in (
        {"share": 1.5},
        {"share": -1},
        {"times": -1},
        {"seconds": -1},
        {"delay": -1},
        {"half": "a"},
    ):
        with pytest.raises(ControlError, match=r"share is|half is"):
            control.fault("500", **wrong)
    assert control.faults() == []
    with pytest.raises(ControlError, match="table"):
        control.quota(table="older")
    with pytest.raises(ControlError, match="refusal"):
        control.quota(refusal=418)
