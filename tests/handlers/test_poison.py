"""A mail on which Gmail hangs or cuts the line holds up no other; after its tries it is set aside (E88, W3)."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from domain.ledger import TRIES
from infra.db.tables.ledger import steps
from infra.db.tables.mailboxes import mailboxes
from infra.db.types import db_now
from infra.gmail.grants import NAME
from infra.gmail.provider import Gmail
from infra.local.gmail import GmailServer
from tests import sweep
from tests.handlers.conftest import House
from tests.journeys.world import UWE
from tests.providers import TOPIC
from tests.worlds import ONE_DATABASE

pytestmark = ONE_DATABASE

LINES: Mapping[str, dict[str, Any]] = {
    "hangs": {"kind": "timeout", "delay": 60, "after": False},
    "hangs after it was done": {"kind": "timeout", "delay": 60, "after": True},
    "cuts the line": {"kind": "cut"},
    "answers 503": {"kind": "503"},
    "lets nobody in": {"kind": "400.failedPrecondition"},
}


@pytest.fixture
def impatient(house: House, gmail_server: GmailServer) -> Iterator[House]:
    """The house, connected, with little patience for a silent Gmail."""
    gmail = Gmail(gmail_server.url, timeout_seconds=1, topic=TOPIC)
    patient = replace(house, context=replace(house.context, providers={NAME: gmail}))
    patient.connect()
    yield patient
    gmail.close()


def attempts(house: House, step: str) -> dict[str, int]:
    with house.store.engine.connect() as db:
        rows = db.execute(select(steps.c.message_id, steps.c.attempts).where(steps.c.step == step))
        return {row.message_id: row.attempts for row in rows}


def failures(house: House) -> int:
    with house.store.engine.connect() as db:
        return int(db.scalars(select(mailboxes.c.failures)).one())


def ends(house: House, *message_ids: str) -> None:
    """All tries but the last have been made, and time goes on until the mails have an outcome."""
    with house.store.engine.begin() as db:
        these = (steps.c.message_id.in_(message_ids), steps.c.state == "waiting")
        db.execute(update(steps).where(*these).values(attempts=TRIES - 1))
    for _ in range(3 * TRIES):
        if not {None} & {house.outcomes().get(message_id) for message_id in message_ids}:
            return
        go_on(house)


def go_on(house: House) -> None:
    """Every wait is over, and the sweep asks for what is left."""
    house.let_time_pass()
    house.catch_up()
    sweep.redrive(house.context)
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
    assert attempts(impatient, "match")[bad] in (1, 2), (
        "where rounds are slow, its second try comes in the first"
    )
    good[impatient.deliver("ann", 99)] = "label.open"
    go_on(impatient)
    assert impatient.outcomes() == good
    ends(impatient, bad)
    assert impatient.outcomes() == good | {bad: "match.failed"}
    assert sorted(impatient.notified()) == sorted(good)


@pytest.mark.rule("E88", "W3")
@pytest.mark.parametrize(
    ("line", "mails"),
    [
        pytest.param("hangs", 14, id="hangs, by batchModify"),
        pytest.param("hangs after it was done", 14, id="hangs after it was done, by batchModify"),
        pytest.param("cuts the line", 6, id="cuts the line, by modify"),
    ],
)
def test_one_mail_that_cannot_be_labelled_is_set_aside(line: str, mails: int, impatient: House) -> None:
    ids = [impatient.deliver("ann", number) for number in range(mails)]
    bad = ids[3]
    changes = ["messages.modify", "messages.batchModify"]
    impatient.gmail.fault(**LINES[line], methods=changes, mailbox=UWE, message_id=bad)
    impatient.catch_up()
    good = dict.fromkeys([i for i in ids if i != bad], "label.open")
    assert impatient.outcomes() == good | {bad: None}
    good[impatient.deliver("ann", 99)] = "label.open"
    go_on(impatient)
    ends(impatient, bad)
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
    ends(impatient, bad)
    good = dict.fromkeys([i for i in ids if i != bad], "label.open")
    assert impatient.outcomes() == good | {bad: "label.failed"}


@pytest.mark.rule("E88", "W3")
def test_after_two_that_hang_the_rest_waits_without_a_try(impatient: House) -> None:
    ids = [impatient.deliver("ann", number) for number in range(8)]
    for bad in ids[2:5]:
        impatient.gmail.fault(**LINES["hangs"], methods=["messages.get"], mailbox=UWE, message_id=bad)
    impatient.catch_up_only()
    impatient.run_next()
    assert impatient.gmail.counters().calls_of("getProfile") >= 2
    tried = attempts(impatient, "match")
    assert {tried[i] for i in [*ids[:2], *ids[5:]]} == {1}, "once left out, then handled"
    ends(impatient, *ids[2:5])
    good = dict.fromkeys([*ids[:2], *ids[5:]], "label.open")
    assert impatient.outcomes() == good | dict.fromkeys(ids[2:5], "match.failed")


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


@pytest.mark.rule("E87", "E88")
def test_the_tries_of_a_lone_mail_outlast_an_outage_of_its_kind_of_call(impatient: House) -> None:
    """Gmail answers for everything but mail: nothing says whether this one is to blame."""
    lone = impatient.deliver("ann", 1)
    impatient.gmail.fault("503", ["messages.get"], mailbox=UWE)
    impatient.catch_up()
    for _ in range(3):
        go_on(impatient)
    with impatient.store.engine.connect() as db:
        ready_at = db.scalars(select(steps.c.ready_at).where(steps.c.message_id == lone)).one()
        assert ready_at - db.scalars(select(db_now())).one() > timedelta(minutes=4)
    impatient.gmail.clear_faults()
    go_on(impatient)
    assert impatient.outcomes() == {lone: "label.open"}
