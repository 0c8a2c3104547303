"""Quota: what calls cost by both tables, the limits, and what was counted."""

import json
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from googleapiclient.errors import HttpError

from infra.local.gmail import GmailControl, GmailServer
from tests.infra.local.gmail.conftest import ANA, BEA, Refused, profile

RAW = b"From: bob@client.example\r\nSubject: x\r\n\r\nbody"


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


@pytest.mark.parametrize(("table", "units", "gets"), [("new", 6_000, 300), ("old", 15_000, 3_000)])
def test_both_tables_bring_their_limits(
    table: str, units: int, gets: int, users: Any, control: GmailControl, server: GmailServer
) -> None:
    """As many gets as a mailbox may have in a minute, and not one more."""
    one = control.deliver(ANA, RAW).id
    get = users.messages().get(userId="me", id=one, format="minimal")
    control.quota(enforced=True, table=table)
    for _ in range(gets - 2):
        server.world.meter.charge(ANA, "messages.get")
    get.execute()
    get.execute()
    assert control.counters().by_mailbox[ANA] == {"calls": gets, "units": units}
    with pytest.raises(HttpError, match="Retry after"):
        get.execute()
    assert control.counters().units == units


def test_a_switch_in_mid_flight_counts_from_the_next_call(
    users: Any, control: GmailControl, refused: Refused
) -> None:
    one = control.deliver(ANA, RAW).id
    get = users.messages().get(userId="me", id=one, format="minimal")
    control.quota(enforced=True, table="new", per_minute=30)
    get.execute()
    assert refused(get) == (403, "userRateLimitExceeded")
    control.quota(table="old", per_minute=30)
    get.execute()
    get.execute()
    assert control.counters().units == 20 + 5 + 5
    control.quota(refusal=429)
    assert refused(get) == (429, "rateLimitExceeded")


def test_the_minute_passes_and_calls_go_through_again(users: Any, control: GmailControl) -> None:
    profile(users).execute()
    control.quota(enforced=True, per_minute=2, window=0.5)
    began, done, refusals = time.monotonic(), 0, 0
    while done < 6:
        assert time.monotonic() - began < 20
        try:
            profile(users).execute()
        except HttpError:
            refusals += 1
            time.sleep(0.02)
        else:
            done += 1
    assert refusals > 0
    assert time.monotonic() - began >= 1.0  # two at once, then two every half second


@pytest.mark.parametrize("status", [403, 429])
def test_a_project_s_mailboxes_share_its_limit(
    status: int, users: Any, bea: Any, control: GmailControl, refused: Refused
) -> None:
    control.quota(enforced=True, per_project=3, refusal=status)
    for user in (users, bea, users):
        profile(user).execute()
    for user in (users, bea):
        assert refused(profile(user)) == (status, "rateLimitExceeded")
        with pytest.raises(HttpError, match="limit 'Queries per minute' of service"):
            profile(user).execute()
    control.quota(table="new")
    profile(bea).execute()
