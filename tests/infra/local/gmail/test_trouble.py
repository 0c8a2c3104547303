"""Quota, limits, counters and faults on demand."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from googleapiclient.errors import HttpError

from infra.local.gmail import ControlError, GmailControl
from infra.local.gmail.faults import KINDS

ANA, BEA = "ana@example.com", "bea@example.com"
RAW = b"From: bob@client.example\r\nSubject: x\r\n\r\nbody"
Json = dict[str, Any]
Refused = Callable[[Any], tuple[int, str]]


def profile(users: Any) -> Any:
    return users.getProfile(userId="me")


@pytest.fixture
def bea(control: GmailControl, connect: Callable[[Json], Any]) -> Any:
    return connect(control.create_mailbox(BEA)).users()


def test_units_of_the_new_table_and_of_the_old(users: Any, control: GmailControl) -> None:
    one = control.deliver(ANA, RAW).id
    calls = {
        "getProfile": (profile(users), 1, 1),
        "messages.get": (users.messages().get(userId="me", id=one), 20, 5),
        "messages.list": (users.messages().list(userId="me"), 5, 5),
        "messages.trash": (users.messages().trash(userId="me", id=one), 20, 5),
        "history.list": (users.history().list(userId="me", startHistoryId="1"), 2, 2),
        "watch": (users.watch(userId="me", body={"topicName": "projects/p/topics/t"}), 100, 100),
        "stop": (users.stop(userId="me"), 50, 50),
    }
    for table, column in (("new", 1), ("old", 2)):
        control.quota(table=table)
        control.reset_counters()
        for call in calls.values():
            call[0].execute()
        spent = {name: counts["units"] for name, counts in control.counters().by_method.items()}
        assert spent == {name: call[column] for name, call in calls.items()}
        assert control.counters().units == sum(spent.values())


def test_counters_by_mailbox_and_the_reset(users: Any, bea: Any, control: GmailControl) -> None:
    profile(users).execute()
    for _ in range(2):
        profile(bea).execute()
    counters = control.counters()
    assert counters.by_mailbox == {ANA: {"calls": 1, "units": 1}, BEA: {"calls": 2, "units": 2}}
    assert (counters.http_requests, counters.token_requests, counters.calls) == (3, 2, 3)
    control.reset_counters()
    assert control.counters().units == 0
    assert control.counters().by_mailbox == {}


def test_no_limit_unless_switched_on(users: Any, control: GmailControl) -> None:
    control.quota(per_minute=1)
    for _ in range(3):
        profile(users).execute()


@pytest.mark.parametrize(("status", "reason"), [(403, "userRateLimitExceeded"), (429, "rateLimitExceeded")])
def test_the_limit_is_per_mailbox_and_says_when(
    status: int, reason: str, users: Any, bea: Any, control: GmailControl
) -> None:
    control.quota(enforced=True, per_minute=3, refusal=status)
    for _ in range(3):
        profile(users).execute()
    with pytest.raises(HttpError) as caught:
        profile(users).execute()
    error = json.loads(caught.value.content)["error"]
    assert (error["code"], error["errors"][0]["reason"]) == (status, reason)
    found = re.fullmatch(r"User-rate limit exceeded\.  Retry after (\S+Z)", error["message"])
    assert found
    wait = datetime.fromisoformat(found[1]) - datetime.now(UTC)
    assert timedelta(seconds=50) < wait <= timedelta(seconds=60)
    profile(bea).execute()
    assert control.counters().by_mailbox[ANA] == {"calls": 4, "units": 3}
    control.quota(enforced=False)
    profile(users).execute()


EXPECTED = {
    "401": (401, "authError"),
    "403.rateLimitExceeded": (403, "rateLimitExceeded"),
    "403.userRateLimitExceeded": (403, "userRateLimitExceeded"),
    "403.dailyLimitExceeded": (403, "dailyLimitExceeded"),
    "403.domainPolicy": (403, "domainPolicy"),
    "404": (404, "notFound"),
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
    with pytest.raises(ControlError, match="table"):
        control.quota(table="older")
