"""A mail on which Gmail hangs or cuts the line holds up no other; after its tries it is set aside (E88, W3)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from domain.ledger import TRIES
from handlers import labels, sweep
from infra.db.schema import mailboxes, steps
from infra.gmail import Gmail
from infra.local.gmail import GmailServer
from tests.handlers.conftest import House
from tests.journeys.world import UWE
from tests.worlds import ONE_DATABASE

pytestmark = ONE_DATABASE

LINES: Mapping[str, dict[str, Any]] = {
    "hangs": {"kind": "timeout", "delay": 60, "after": False},
    "hangs after it was done": {"kind": "timeout", "delay": 60, "after": True},
    "cuts the line": {"kind": "cut"},
    "answers 503": {"kind": "503"},
}


@pytest.fixture
def impatient(house: House, gmail_server: GmailServer) -> Iterator[House]:
    """The house, connected, with little patience for a silent Gmail."""
    gmail = Gmail(gmail_server.url, timeout_seconds=0.25)
    patient = replace(house, work=replace(house.work, gmail=gmail))
    patient.connect()
    yield patient
    gmail.close()


def attempts(house: House, step: str) -> dict[str, int]:
    with house.store.engine.connect() as db:
        rows = db.execute(select(steps.c.gmail_id, steps.c.attempts).where(steps.c.step == step))
        return {row.gmail_id: row.attempts for row in rows}


def failures(house: House) -> int:
    with house.store.engine.connect() as db:
        return int(db.scalars(select(mailboxes.c.failures)).one())


def go_on(house: House) -> None:
    """Every wait is over, and the sweep asks for what is left."""
    house.let_time_pass()
    house.catch_up()
    sweep.redrive(house.work)
    house.pump()


@pytest.mark.rule("E88", "W3", "I4")
@pytest.mark.parametrize("line", LINES)
def test_one_mail_is_set_aside_and_all_others_go_on(line: str, impatient: House) -> None:
    ids = [impatient.deliver("ann", number) for number in range(25)]
    bad = ids[7]
    impatient.gmail.fault(**LINES[line], methods=["messages.get"], mailbox=UWE, message_id=bad)
    impatient.catch_up()
    good = dict.fromkeys([i for i in ids if i != bad], "label.open")
    assert impatient.outcomes() == good, "the first round already brings the others through"
    assert attempts(impatient, "match")[bad] == 1
    good[impatient.deliver("ann", 99)] = "label.open"
    for _ in range(TRIES):
        go_on(impatient)
    assert impatient.outcomes() == good | {bad: "label.failed"}
    assert sorted(impatient.notified()) == sorted(good)
    assert failures(impatient) == 0, "the mailbox never had to rest"


@pytest.mark.rule("E88", "W3")
@pytest.mark.parametrize("mails", [6, 14], ids=["by modify", "by batchModify"])
@pytest.mark.parametrize("line", ["hangs", "hangs after it was done", "cuts the line"])
def test_one_mail_that_cannot_be_labelled_is_set_aside(line: str, mails: int, impatient: House) -> None:
    ids = [impatient.deliver("ann", number) for number in range(mails)]
    bad = ids[3]
    changes = ["messages.modify", "messages.batchModify"]
    impatient.gmail.fault(**LINES[line], methods=changes, mailbox=UWE, message_id=bad)
    impatient.catch_up()
    good = dict.fromkeys([i for i in ids if i != bad], "label.open")
    assert impatient.outcomes() == good | {bad: None}
    good[impatient.deliver("ann", 99)] = "label.open"
    for _ in range(TRIES):
        go_on(impatient)
    done = LINES[line].get("after")
    assert impatient.outcomes() == good | {bad: "label.open" if done else "label.failed"}
    assert sorted(impatient.notified()) == sorted([*good, bad])


@pytest.mark.rule("E88", "W3", "W5")
def test_one_mail_that_cannot_be_looked_at_again_is_set_aside(impatient: House) -> None:
    ids = [impatient.deliver("ann", number) for number in range(6)]
    bad = ids[3]
    fault = impatient.gmail.fault("429", ["messages.modify"], mailbox=UWE)
    impatient.catch_up()
    impatient.gmail.clear_faults(fault)
    impatient.gmail.fault(**LINES["hangs"], methods=["messages.get"], mailbox=UWE, message_id=bad)
    for _ in range(TRIES + 1):
        impatient.let_time_pass()
        labels.sort(1, impatient.work)
    good = dict.fromkeys([i for i in ids if i != bad], "label.open")
    assert impatient.outcomes() == good | {bad: "label.failed"}


@pytest.mark.rule("E88", "W3")
def test_after_two_that_hang_the_rest_waits_without_a_try(impatient: House) -> None:
    ids = [impatient.deliver("ann", number) for number in range(8)]
    for bad in ids[2:5]:
        impatient.gmail.fault(**LINES["hangs"], methods=["messages.get"], mailbox=UWE, message_id=bad)
    seen: list[dict[str, int]] = []

    def look(call: Callable[..., Any]) -> Any:
        answer = call()
        seen.append(attempts(impatient, "match"))
        return answer

    impatient.catch_up_only()
    look(impatient.run_next)
    assert impatient.gmail.counters().calls_of("getProfile") >= 2
    tried = seen[0]
    assert {i: tried[i] for i in ids[2:4]} == dict.fromkeys(ids[2:4], 1)
    for _ in range(TRIES + 4):
        go_on(impatient)
    good = dict.fromkeys([*ids[:2], *ids[5:]], "label.open")
    assert impatient.outcomes() == good | dict.fromkeys(ids[2:5], "label.failed")


@pytest.mark.rule("E87", "I4")
def test_where_nothing_answers_the_mailbox_rests_and_no_try_counts(impatient: House) -> None:
    ids = [impatient.deliver("ann", number) for number in range(8)]
    impatient.catch_up_only()
    fault = impatient.gmail.fault(**LINES["hangs"], mailbox=UWE)
    impatient.run_next()
    assert set(attempts(impatient, "match").values()) == {0}
    assert failures(impatient) == 1
    impatient.gmail.clear_faults(fault)
    go_on(impatient)
    assert impatient.outcomes() == dict.fromkeys(ids, "label.open")


@pytest.mark.rule("E87")
def test_where_no_mail_is_answered_the_mailbox_rests_too_and_two_tries_count(impatient: House) -> None:
    """Gmail answers, but for no mail: it may be out of order there, and nobody's mail is set aside at once."""
    ids = [impatient.deliver("ann", number) for number in range(8)]
    impatient.catch_up_only()
    impatient.gmail.fault(**LINES["cuts the line"], methods=["messages.get"], mailbox=UWE)
    impatient.run_next()
    assert sorted(attempts(impatient, "match").values()) == [0] * 6 + [1] * 2
    assert failures(impatient) == 1
    impatient.gmail.clear_faults()
    go_on(impatient)
    assert impatient.outcomes() == dict.fromkeys(ids, "label.open")
