"""What history shows late is found all the same, and what it shows again is not done again (E108, W5, W8)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from domain.events import MailboxChanged
from domain.ids import MailboxId
from domain.ledger import Step
from infra.db.tables.mail import decisions, messages
from infra.db.tables.mailboxes import judged, mailboxes
from infra.db.types import db_now
from infra.local.gmail.control.client import Mail
from infra.local.gmail.control.faults import Fault
from tests.handlers.conftest import House
from tests.handlers.test_threads import answered, deal, touched, writes
from tests.journeys.world import CUSTOMERS, OPEN, UWE, mail

UNREAD = "UNREAD"


def wait(house: House, **span: float) -> None:
    """As if so much time had passed since the last look."""
    with house.store.engine.begin() as db:
        back = timedelta(**span)
        row = db.execute(select(mailboxes)).one()
        for name in ("settled_at", "settling_at", "synced_at"):
            if moment := getattr(row, name):
                db.execute(update(mailboxes).values({name: moment - back}))
        for changed_at in db.scalars(
            select(decisions.c.changed_at).where(decisions.c.changed_at.is_not(None))
        ).all():
            these = decisions.c.changed_at == changed_at
            db.execute(update(decisions).where(these).values(changed_at=changed_at - back))
        for judged_at in set(db.scalars(select(judged.c.judged_at))):
            db.execute(
                update(judged).where(judged.c.judged_at == judged_at).values(judged_at=judged_at - back)
            )


def remembered(house: House) -> int:
    with house.store.engine.connect() as db:
        return len(db.execute(select(judged)).all())


def lag(house: House, *, hidden: str = "", shown: str = "") -> int:
    """Gmail leaves out what has just happened; where the id of a record is given, that one and hardly another."""
    if not hidden:
        return house.gmail.fault("history_lag", delay=600)
    seed = next(
        seed
        for seed in range(10_000)
        if (fault := Fault(0, "history_lag", share=0.01, seed=seed)).picks(hidden) and not fault.picks(shown)
    )
    return house.gmail.fault("history_lag", delay=600, share=0.01, seed=seed)


def last_record(house: House) -> str:
    return str(house.gmail.dump(UWE).history_id)


@pytest.mark.rule("E108", "I1", "W8")
@pytest.mark.parametrize(
    "between",
    [
        pytest.param({}, id="the next push comes at once"),
        pytest.param({"seconds": 90}, id="within two minutes"),
        pytest.param({"minutes": 9}, id="nobody looks before the next sweep"),
        pytest.param({"days": 3}, id="nobody looks for days"),
    ],
)
def test_mail_that_history_shows_late_is_handled(house: House, between: dict[str, float]) -> None:
    house.connect()
    house.catch_up()
    wait(house, minutes=9)
    late = house.deliver("ann")
    fault = lag(house)
    house.catch_up()
    assert house.outcomes() == {}
    house.gmail.clear_faults(fault)
    wait(house, **between)
    house.catch_up()
    assert house.outcomes() == {late: "label.open"}
    assert house.notified() == [late]


@pytest.mark.rule("E108", "I1")
def test_mail_that_is_shown_after_younger_mail_is_handled(house: House) -> None:
    house.connect()
    late = house.deliver("ann", 1)
    hidden = last_record(house)
    early = house.deliver("ann", 2)
    fault = lag(house, hidden=hidden, shown=last_record(house))
    house.catch_up()
    assert house.outcomes() == {early: "label.open"}
    house.gmail.clear_faults(fault)
    house.catch_up()
    assert house.outcomes() == {early: "label.open", late: "label.open"}


@pytest.mark.rule("E108", "I2", "I7", "E80")
def test_what_is_walked_again_wakes_nobody_and_costs_a_page(house: House) -> None:
    house.connect()
    for number in range(30):
        house.deliver("ann", number)
    house.catch_up()
    house.gmail.reset_counters()
    with capture_logs() as logs:
        for _ in range(20):
            assert house.catch_up() == ["mailboxes.catch_up"]
    assert house.gmail.counters().units == 20 * 2
    assert [entry["event"] for entry in logs if entry["event"].startswith("message.")] == []


@pytest.mark.rule("E108", "E82", "Z33")
def test_a_sweep_of_a_mailbox_where_nothing_has_happened_costs_a_unit_and_a_statement_that_writes(
    house: House, statements: list[str]
) -> None:
    house.connect()
    late = house.deliver("ann")
    fault = lag(house)
    house.catch_up()
    house.gmail.clear_faults(fault)
    assert swept(house) == {"getProfile": 0, "history.list": 1}, "what was left out is not known yet"
    assert house.outcomes() == {late: "label.open"}
    assert swept(house) == {"getProfile": 1, "history.list": 1}, "our own label has come since"
    assert swept(house) == {"getProfile": 0, "history.list": 1}, "and more may come"
    for _ in range(3):
        assert swept(house, statements) == {"getProfile": 1, "history.list": 0}
        written = [one for one in statements if one.startswith(("INSERT", "UPDATE", "DELETE"))]
        assert len(written) == 1
    another = house.deliver("ann", 1)
    assert swept(house) == {"getProfile": 1, "history.list": 1}
    assert house.outcomes() == {late: "label.open", another: "label.open"}
    with house.store.engine.connect() as db:
        row = db.execute(select(mailboxes)).one()
    assert row.sync_due_at - row.synced_at == timedelta(minutes=9)


@pytest.mark.rule("E108", "E82")
def test_a_push_of_a_mailbox_where_nothing_has_happened_asks_history_at_once(house: House) -> None:
    house.connect()
    house.gmail.reset_counters()
    house.catch_up()
    assert (calls(house), house.gmail.counters().units) == ({"getProfile": 0, "history.list": 1}, 2)


@pytest.mark.rule("W1")
@pytest.mark.parametrize("values", [{"cursor": "1"}, {"paused_at": 0}], ids=["moved", "paused"])
def test_a_sweep_that_finds_nothing_leaves_what_another_has_done_meanwhile(
    house: House, values: dict[str, Any]
) -> None:
    house.connect()
    wait(house, minutes=9)
    with house.store.begin("tests.look") as tx:
        before = tx.mailboxes.get(MailboxId(1))
    assert before is not None
    assert before.cursor is not None
    with house.store.engine.begin() as db:
        db.execute(
            update(mailboxes).values({n: db_now() if n == "paused_at" else v for n, v in values.items()})
        )
    with house.store.begin("tests.stay") as tx:
        assert not tx.history.stay(MailboxId(1), before.cursor, datetime.now(UTC), 540)
        after = tx.mailboxes.get(MailboxId(1))
    assert after is not None
    assert after.synced_at == before.synced_at


def calls(house: House) -> dict[str, int]:
    counters = house.gmail.counters()
    return {name: counters.calls_of(name) for name in ("getProfile", "history.list")}


def swept(house: House, statements: list[str] | None = None) -> dict[str, int]:
    """Nine minutes later the sweep comes by; what it asked of Gmail, and of the database."""
    wait(house, minutes=9)
    house.gmail.reset_counters()
    if statements is not None:
        statements.clear()
    house.queue.emit(MailboxChanged(MailboxId(1), "sweep"))
    house.pump()
    return calls(house)


@pytest.mark.rule("E108", "W8")
def test_after_a_while_less_is_walked_again_and_less_is_remembered(house: House) -> None:
    house.connect()
    for number in range(3):
        house.deliver("ann", number)
    house.catch_up()
    house.catch_up()
    assert remembered(house) == 3, "one record of ours for each mail"
    for _ in range(3):
        wait(house, minutes=9)
        house.catch_up()
    assert remembered(house) == 0
    with house.store.engine.connect() as db:
        row = db.execute(select(mailboxes)).one()
    assert row.cursor == row.settled_cursor == last_record(house)


@pytest.mark.rule("E108", "W5", "I6")
def test_a_label_record_that_is_walked_twice_touches_nothing(house: House) -> None:
    """Ours that was put on, ours that took its place, and what was taken off for it (E47)."""
    first, second = answered(house)
    for _ in range(3):
        house.catch_up()
        assert touched(house) == set()
    assert house.labels(first.id) == house.labels(second.id) == {UNREAD, CUSTOMERS}
    deal(house, "d1", "OPEN")
    third = writes(house, "ann", 3, second)
    house.catch_up()
    for _ in range(3):
        house.catch_up()
        assert touched(house) == set()
    assert house.labels(first.id) == house.labels(third.id) == {UNREAD, OPEN}


@pytest.mark.rule("E108", "W5", "I6", "E47")
def test_our_own_label_is_known_as_ours_although_history_tells_of_it_last(house: House) -> None:
    house.connect()
    first = writes(house, "ann", 1)
    house.catch_up_only()
    house.pump()
    put_on = last_record(house)
    deal(house, "d1", "WON")
    writes(house, "ann", 2, first)
    fault = lag(house, hidden=put_on, shown=last_record(house))
    house.catch_up()
    house.catch_up()
    assert house.labels(first.id) == {UNREAD, CUSTOMERS}
    house.gmail.clear_faults(fault)
    house.catch_up()
    assert touched(house) == set()


@pytest.mark.rule("E108", "I6", "E47")
@pytest.mark.parametrize("when", [{}, {"minutes": 1}, {"minutes": 9}, {"hours": 1}], ids=str)
def test_the_label_that_the_user_puts_back_is_his_although_it_was_ours_once(
    house: House, when: dict[str, float]
) -> None:
    first, _ = answered(house)
    house.catch_up()
    for _ in range(2):
        wait(house, **when)
        house.catch_up()
    house.gmail.change_labels(UWE, [first.id], add=[OPEN], remove=[CUSTOMERS])
    house.catch_up()
    assert touched(house) == {first.id}


@pytest.mark.rule("E108", "I6", "E59")
def test_the_users_hand_that_history_shows_late_is_seen(house: House) -> None:
    house.connect()
    first = writes(house, "ann", 1)
    house.catch_up()
    house.gmail.change_labels(UWE, [first.id], remove=[OPEN])
    hidden = last_record(house)
    other = house.deliver("ann", 2)
    fault = lag(house, hidden=hidden, shown=last_record(house))
    house.catch_up()
    assert house.outcomes()[other] == "label.open"
    assert touched(house) == set()
    house.gmail.clear_faults(fault)
    house.catch_up()
    assert touched(house) == {first.id}


@pytest.mark.rule("E108", "W9", "E36", "I2", "I7")
@pytest.mark.parametrize("place", ["SPAM", "TRASH"])
def test_a_rescued_mail_is_handled_once_however_often_its_rescue_is_walked(house: House, place: str) -> None:
    house.connect()
    rescued = house.deliver("ann", labels=[place])
    house.catch_up()
    assert house.outcomes() == {rescued: f"skip.{place.lower()}"}
    house.gmail.change_labels(UWE, [rescued], add=["INBOX"], remove=[place])
    house.catch_up()
    assert house.outcomes() == {rescued: "label.open"}
    house.gmail.reset_counters()
    for _ in range(3):
        assert house.catch_up() == ["mailboxes.catch_up"]
    assert house.gmail.counters().calls_of("messages.get") == 0
    assert house.notified() == [rescued]


@pytest.mark.rule("E108", "W9", "I7")
def test_a_match_that_is_under_way_is_not_begun_anew_by_the_same_rescue(house: House) -> None:
    house.connect()
    rescued = house.deliver("ann", labels=["SPAM"])
    house.catch_up()
    house.gmail.change_labels(UWE, [rescued], add=["INBOX"], remove=["SPAM"])
    house.catch_up_only()
    with house.store.begin("contacts.claim") as tx:
        assert len(tx.ledger.claim(MailboxId(1), Step.MATCH, 25, "another", 60)) == 1
    house.sent.clear()
    assert house.catch_up() == ["mailboxes.catch_up"]


@pytest.mark.rule("E108", "W8", "E83")
def test_history_of_many_pages_is_walked_again_and_nothing_is_doubled(house: House) -> None:
    house.connect()
    house.gmail.deliver_many([Mail(UWE, mail("nora", number)) for number in range(1_100)])
    house.catch_up_only()
    house.sent.clear()
    house.gmail.reset_counters()
    house.catch_up_only()
    assert house.sent == []
    assert house.gmail.counters().units == 3 * 2
    with house.store.engine.connect() as db:
        assert len(db.execute(select(messages)).all()) == 1_100
