"""However slowly Gmail answers, what was claimed stays claimed, and one call is not out for ever (W2, E87)."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select, update

from domain.ids import ConnectionId, MailboxId
from domain.mail.composition import MailRequest
from domain.outbox import SendState
from handlers import matching
from handlers.connections import disconnecting
from handlers.outbox import delivery, drafts
from handlers.sorting import undo as undoing
from handlers.sorting.sort import sort
from handlers.timing import Timing
from infra.db.tables.connections import connections as connection_table
from infra.db.tables.crm import deals
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions, messages, notifications
from infra.gmail.grants import NAME
from infra.gmail.provider import Gmail
from infra.local.gmail import GmailServer
from tests.handlers.conftest import LONG_AGO, House
from tests.handlers.test_windows import interrupted
from tests.journeys.world import OPEN, UWE, mail
from tests.providers import TOPIC, Altered, entered_by
from tests.worlds import ONE_DATABASE

pytestmark = ONE_DATABASE

SHORT = 4.0
"""Seconds of a lease: shorter than what Gmail takes here for one call, but not so short that it is over before a
machine with other work has extended it."""
LONGER = SHORT + 1


@pytest.fixture
def brief(house: House) -> House:
    """The house, connected, with short leases."""
    house = replace(house, context=replace(house.context, timing=Timing(lease=SHORT, long_lease=SHORT)))
    house.connect()
    return house


@contextmanager
def meanwhile(do: Callable[[], object]) -> Iterator[None]:
    """What another worker does over and over."""
    done = threading.Event()
    troubles: list[Exception] = []

    def go_on() -> None:
        while not done.wait(0.05):
            try:
                do()
            except Exception as error:
                troubles.append(error)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert troubles == []


def attempts(house: House, step: str) -> set[int]:
    with house.store.engine.connect() as db:
        return set(db.scalars(select(steps.c.attempts).where(steps.c.step == step)))


def passes_on(house: House, step: str) -> None:
    """All claims are somebody else's, as after a process that slept."""
    with house.store.engine.begin() as db:
        db.execute(update(steps).where(steps.c.step == step).values(owner="another"))


@pytest.mark.rule("W2", "I7")
def test_a_claim_outlives_an_answer_that_trickles_for_longer_than_its_lease(brief: House) -> None:
    ids = [brief.deliver("ann", number) for number in range(5)]
    brief.catch_up_only()
    brief.gmail.reset_counters()
    brief.gmail.fault("trickle", ["messages.get"], mailbox=UWE, delay=0.0012)
    with meanwhile(lambda: matching.match(MailboxId(1), brief.context)):
        brief.run_next()
    assert attempts(brief, "match") == {1}
    assert brief.gmail.counters().calls_of("messages.get") == len(ids)
    brief.pump()
    assert brief.outcomes() == dict.fromkeys(ids, "label.open")


@pytest.mark.rule("W2", "W5", "W10", "I7")
@pytest.mark.parametrize(
    ("mails", "delay"),
    [
        pytest.param(50, LONGER, id="each longer than the lease"),
        pytest.param(150, SHORT / 4, id="each shorter than a third of it"),
    ],
)
def test_mails_that_are_looked_at_again_in_many_slow_calls_are_looked_at_once(
    mails: int, delay: float, brief: House
) -> None:
    """Each look costs 20 units: by a second run, whose claim is over, they would be paid twice."""
    ids = [brief.deliver("ann", number) for number in range(mails)]
    fault = brief.gmail.fault("429", ["messages.modify", "messages.batchModify"], mailbox=UWE)
    brief.catch_up()
    brief.gmail.clear_faults(fault)
    brief.let_time_pass()
    brief.gmail.reset_counters()
    brief.gmail.fault("slow", ["messages.get"], mailbox=UWE, delay=delay)
    with meanwhile(lambda: sort(MailboxId(1), brief.context)):
        sort(MailboxId(1), brief.context)
    assert brief.outcomes() == dict.fromkeys(ids, "label.open")
    counters = brief.gmail.counters()
    assert counters.calls_of("messages.get") == len(ids)
    assert counters.calls_of("messages.batchModify") == 1
    assert counters.units == 20 * len(ids) + 50


@pytest.mark.rule("W2", "I2")
def test_a_mail_that_is_sent_slowly_is_looked_for_by_nobody_else(brief: House) -> None:
    brief.gmail.create_mailbox("ann@example.com")
    asked = drafts.ask(MailRequest("uwe", "Dear Ann", "Our offer", contact_id="ann"), brief.context)
    brief.gmail.reset_counters()
    brief.gmail.fault("slow", ["drafts.send"], mailbox=UWE, delay=LONGER)
    with meanwhile(lambda: delivery.deliver(MailboxId(1), brief.context)):
        delivery.deliver(MailboxId(1), brief.context)
    found = delivery.look_up(asked.id, brief.context)
    assert found is not None
    assert found.state is SendState.SENT
    counters = brief.gmail.counters()
    assert set(counters.by_method) == {"drafts.send"}


@pytest.mark.rule("W2", "W15")
def test_a_grant_that_is_ended_slowly_is_not_due_to_be_ended_again(brief: House) -> None:
    with brief.store.begin("tests.off") as tx:
        tx.connections.switch_off(ConnectionId(1))
    brief.gmail.fault("slow", ["stop"], mailbox=UWE, delay=LONGER)
    due: set[int] = set()

    def sweep() -> None:
        with brief.store.begin("tests.leaving") as tx:
            due.update(tx.connections.redrive_disconnecting(10, 60))

    sweep()
    assert due == {1}
    due.clear()

    def sweep_while_gmail_is_asked() -> None:
        """What is deleted before that is left for a moment."""
        if brief.gmail.faults()[0]["struck"]:
            sweep()

    with meanwhile(sweep_while_gmail_is_asked):
        disconnecting.leave(ConnectionId(1), brief.context)
    assert due == set()
    with brief.store.engine.connect() as db:
        assert db.scalar(select(func.count()).select_from(connection_table)) == 0


@pytest.mark.rule("W2", "W10", "I6")
def test_while_undoing_waits_for_gmail_nobody_sorts(brief: House) -> None:
    first = brief.deliver("ann", 1)
    brief.catch_up()
    later = brief.deliver("ann", 2)
    brief.catch_up_only()
    brief.run_next()
    brief.run_next()
    brief.gmail.fault("slow", ["messages.get"], mailbox=UWE, delay=LONGER)
    seen: set[str | None] = set()
    [(mailbox, _)] = undoing.sorted_mailboxes(LONG_AGO, brief.context)

    def look(_: float) -> None:
        raise AssertionError

    def sort_and_look() -> None:
        sort(MailboxId(1), brief.context)
        seen.add(brief.outcomes().get(later))

    undo = undoing.Undoing(mailbox, LONG_AGO, brief.context, False, look, lambda _: None)
    with meanwhile(sort_and_look):
        done = undo.undo()
        still = set(seen)
    assert done.restored == 1
    assert not done.left
    assert still <= {None}
    assert brief.labels(first) == {"INBOX", "UNREAD"}


@pytest.mark.rule("W2", "E87")
def test_a_call_that_trickles_on_and_on_is_cut_and_costs_its_mail_a_try(
    house: House, gmail_server: GmailServer
) -> None:
    house.connect()
    gmail = Gmail(gmail_server.url, timeout_seconds=0.4, topic=TOPIC)
    house = replace(house, context=replace(house.context, providers={NAME: gmail}))
    bad, good = house.deliver("ann", 1), house.deliver("ann", 2)
    house.gmail.fault("trickle", ["messages.get"], mailbox=UWE, message_id=bad, delay=0.05)
    house.catch_up()
    assert house.outcomes() == {good: "label.open"}
    assert attempts(house, "match") == {1}
    gmail.close()


@pytest.mark.rule("W2", "W7")
def test_a_404_counts_only_for_whoever_holds_the_claim(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.gmail.fault("404", ["messages.get"], message_id=message_id)
    interrupted(house, lambda name: passes_on(house, "match")).catch_up()
    with house.store.engine.connect() as db:
        assert db.scalar(select(messages.c.missing)) == 0


@pytest.mark.rule("W2", "E67")
def test_sorting_is_not_stopped_by_whoever_has_lost_the_claim(house: House) -> None:
    house.connect()
    names = {name: label_id for label_id, name in house.gmail.dump(UWE).labels.items()}
    house.gmail.delete_label(UWE, names[OPEN])
    house.gmail.limit_labels(UWE, len(house.gmail.dump(UWE).labels))
    house.deliver("ann")

    def lose(name: str) -> None:
        if name == "change":
            passes_on(house, "sort")

    interrupted(house, lose).catch_up()
    with house.store.engine.connect() as db:
        assert db.scalar(select(connection_table.c.sorting_trouble)) is None
        assert "sorting_failed" not in set(db.scalars(select(notifications.c.kind)))


@pytest.mark.rule("W2", "E47")
@pytest.mark.parametrize("call", ["under", "change"])
def test_an_earlier_mail_is_relabelled_for_whoever_holds_the_claim(house: House, call: str) -> None:
    house.connect()
    first = house.gmail.deliver(UWE, mail("ann", 1))
    house.catch_up()
    won(house)
    second = house.gmail.deliver(UWE, mail("ann", 2), thread_id=first.thread_id)
    calls: list[str] = []

    class Slept:
        """The claim passes on while Gmail answers."""

        def open(self, grant: Any) -> Any:
            return Altered(house.context.open(grant), self._part)

        def _part(self, name: str, real: Any) -> Any:
            def late(*args: Any) -> Any:
                answer = real(*args)
                calls.append(name)
                passes_on(house, "sort")
                return answer

            return late if name == call else real

    replace(house, context=entered_by(house.context, Slept())).catch_up()
    assert calls == [call]
    with house.store.engine.connect() as db:
        row = db.execute(select(decisions).where(decisions.c.message_id == first.id)).one()
    begun = call == "change"
    assert (row.category, row.replaces) == (("CUSTOMER", "OPEN") if begun else ("OPEN", None))
    house.let_time_pass()
    sort(MailboxId(1), house.context)
    assert house.labels(first.id) == house.labels(second.id) == {"UNREAD", "Customers"}


def won(house: House) -> None:
    with house.store.engine.begin() as db:
        db.execute(update(deals).values(category="WON"))
