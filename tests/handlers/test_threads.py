"""One contact's mail under one CRM label in a thread (E47–E49), what that costs, and what comes between."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from domain.connections.connections import Features, Sharing
from domain.errors import TryAgain
from domain.ids import ConnectionId, MailboxId
from domain.mail.addresses import loose
from domain.mailboxes.accounts import Grant
from handlers.sorting.sort import sort
from infra.db.tables.connections import connections
from infra.db.tables.crm import contact_addresses, deal_contacts, deals
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions, messages
from infra.db.tables.schema import metadata
from infra.local.gmail.control.client import Delivered
from tests.handlers.conftest import House
from tests.handlers.test_windows import interrupted
from tests.journeys.world import CUSTOMERS, OPEN, UWE, mail
from tests.providers import Altered, entered_by, held
from tests.worlds import HERE, ONE_DATABASE

pytestmark = ONE_DATABASE

UNREAD = "UNREAD"


def writes(house: House, sender: str, number: int, thread: Delivered | None = None) -> Delivered:
    """A mail, in the thread of another one if it is given."""
    thread_id = thread.thread_id if thread else None
    return house.gmail.deliver(UWE, mail(sender, number), thread_id=thread_id)


def deal(house: House, deal_id: str, category: str | None) -> None:
    """The deal changes its stage, or goes."""
    with house.store.engine.begin() as db:
        if category is None:
            db.execute(delete(deals).where(deals.c.id == deal_id))
        else:
            db.execute(update(deals).where(deals.c.id == deal_id).values(category=category))


def row(house: House, message_id: str) -> Any:
    with house.store.engine.connect() as db:
        return db.execute(select(decisions).where(decisions.c.message_id == message_id)).one()


def touched(house: House) -> set[str]:
    with house.store.engine.connect() as db:
        return set(db.scalars(select(messages.c.message_id).where(messages.c.touched)))


def answered(house: House, happens: Callable[[], object] = lambda: None, *, category: str = "WON") -> Any:
    """Ann's mail is under Open Deals; her deal changes, she answers in the thread; both mails."""
    house.connect()
    first = writes(house, "ann", 1)
    house.catch_up()
    deal(house, "d1", category)
    happens()
    second = writes(house, "ann", 2, first)
    return first, second


@pytest.mark.rule("E47", "X2", "D10-5")
def test_the_earlier_mails_of_the_thread_get_the_new_mails_label(house: House) -> None:
    first, second = answered(house)
    elsewhere = writes(house, "ann", 3)
    with house.store.engine.begin() as db:
        db.execute(update(deals).values(category="WON"))
    house.catch_up()
    assert house.labels(first.id) == house.labels(second.id) == {UNREAD, CUSTOMERS}
    assert house.labels(elsewhere.id) == {UNREAD, CUSTOMERS}
    assert house.outcomes() == {
        first.id: "label.open",
        second.id: "label.customer",
        elsewhere.id: "label.customer",
    }
    old = row(house, first.id)
    names = house.gmail.dump(UWE).labels
    assert (old.category, old.replaces, old.deal_id) == ("CUSTOMER", None, "d1")
    assert [names[i] for i in old.changed["added"]] == [CUSTOMERS]
    assert old.changed["removed"] == ["INBOX"]
    house.catch_up()
    assert touched(house) == set(), "history's news of it is known as ours"


@pytest.mark.rule("E47", "Z39")
def test_other_threads_keep_their_labels(house: House) -> None:
    first, second = answered(house)
    third = writes(house, "ann", 3)
    house.catch_up()
    other = writes(house, "ann", 4, third)
    deal(house, "d1", "OPEN")
    house.catch_up()
    assert house.labels(third.id) == house.labels(other.id) == {UNREAD, OPEN}
    assert house.labels(first.id) == house.labels(second.id) == {UNREAD, CUSTOMERS}


@pytest.mark.rule("E47")
def test_an_earlier_mail_in_the_inbox_stays_there(house: House) -> None:
    first, second = answered(house)
    house.gmail.change_labels(UWE, [first.id], add=["INBOX"])
    house.catch_up()
    assert house.labels(first.id) == {UNREAD, "INBOX", CUSTOMERS}
    assert house.labels(second.id) == {UNREAD, CUSTOMERS}


@pytest.mark.rule("E47", "D9-4")
def test_with_no_category_today_the_new_mail_stays_and_old_labels_too(house: House) -> None:
    first, second = answered(house, category="LOST")
    house.catch_up()
    assert house.labels(first.id) == {UNREAD, OPEN}
    assert house.labels(second.id) == {UNREAD, "INBOX"}


@pytest.mark.rule("E48")
def test_the_users_own_answer_changes_no_label(house: House) -> None:
    first, _ = answered(house)
    raw = (
        mail("ann", 9)
        .replace(b"Ann <ann@example.com>", b"Uwe <uwe@firm.example>")
        .replace(b"To: uwe@firm.example", b"To: ann@example.com")
    )
    own = house.gmail.deliver(UWE, raw, labels=["SENT"], thread_id=first.thread_id)
    deal(house, "d1", "OPEN")
    house.catch_up()
    assert house.outcomes()[own.id] == "skip.outbound"
    assert house.labels(own.id) == {"SENT"}
    assert house.labels(first.id) == {UNREAD, OPEN}


@pytest.mark.rule("E49")
def test_two_contacts_in_a_thread_keep_their_own_labels(house: House) -> None:
    house.connect()
    ann = writes(house, "ann", 1)
    cid = writes(house, "cid", 2, ann)
    house.catch_up()
    assert house.labels(ann.id) == {UNREAD, OPEN}
    assert house.labels(cid.id) == {UNREAD, CUSTOMERS}
    deal(house, "d1", "WON")
    again = writes(house, "ann", 3, ann)
    deal(house, "d2", "OPEN")
    house.catch_up()
    assert house.labels(ann.id) == house.labels(again.id) == {UNREAD, CUSTOMERS}
    assert house.labels(cid.id) == {UNREAD, CUSTOMERS}, "Cid's mail waits for Cid's next one"


@pytest.mark.rule("E47", "I7")
def test_who_has_no_mail_under_another_label_pays_nothing_for_it(house: House) -> None:
    house.connect()
    first = writes(house, "ann", 1)
    house.catch_up()
    house.gmail.reset_counters()
    writes(house, "ann", 2, first)
    house.catch_up()
    counters = house.gmail.counters()
    assert {name: of["calls"] for name, of in counters.by_method.items()} == {
        "history.list": 1,
        "messages.get": 1,
        "messages.modify": 1,
    }
    assert (counters.http_requests, counters.units) == (3, 2 + 20 + 5)


@pytest.mark.rule("E47", "I7")
def test_the_look_at_a_thread_costs_one_list_and_is_counted_on_the_step(house: House) -> None:
    first, second = answered(house)
    house.gmail.reset_counters()
    house.catch_up()
    counters = house.gmail.counters()
    assert counters.calls_of("messages.list") == 1
    assert counters.calls_of("messages.get") == 1
    assert counters.calls_of("messages.modify") == 2
    with house.store.engine.connect() as db:
        units = db.scalar(
            select(steps.c.units).where(steps.c.step == "sort", steps.c.message_id == second.id)
        )
    assert units == 5 + 5 + 5
    assert house.labels(first.id) == {UNREAD, CUSTOMERS}


@pytest.mark.rule("E47")
def test_a_long_thread_is_changed_at_once(house: House) -> None:
    house.connect()
    first = writes(house, "ann", 1)
    rest = [writes(house, "ann", number, first) for number in range(2, 15)]
    house.catch_up()
    deal(house, "d1", "WON")
    house.gmail.reset_counters()
    last = writes(house, "ann", 99, first)
    house.catch_up()
    assert {house.labels(one.id) for one in (first, *rest, last)} == {frozenset({UNREAD, CUSTOMERS})}
    counters = house.gmail.counters()
    assert (counters.calls_of("messages.batchModify"), counters.calls_of("messages.modify")) == (1, 1)


@pytest.mark.rule("E47", "I6", "E59", "E60")
@pytest.mark.parametrize(
    ("hand", "stays"),
    [
        pytest.param({"remove": [OPEN]}, set(), id="took our label off"),
        pytest.param({"add": [CUSTOMERS], "remove": [OPEN]}, {CUSTOMERS}, id="chose another one"),
        pytest.param({"remove": [OPEN], "add": ["Mine"]}, {"Mine"}, id="has a label of his own"),
    ],
)
def test_what_the_user_has_touched_is_left_alone(
    house: House, hand: dict[str, list[str]], stays: set[str]
) -> None:
    house.connect()
    first = writes(house, "ann", 1)
    house.catch_up()
    house.gmail.change_labels(UWE, [first.id], **hand)
    house.catch_up()
    deal(house, "d1", "WON")
    second = writes(house, "ann", 2, first)
    house.catch_up()
    assert house.labels(first.id) == {UNREAD} | stays
    assert house.labels(second.id) == {UNREAD, CUSTOMERS}
    assert row(house, first.id).category == "OPEN"


@pytest.mark.rule("E47", "I6", "E60")
def test_an_old_label_that_the_user_puts_back_is_his(house: House) -> None:
    first, second = answered(house)
    house.catch_up()
    house.catch_up()
    house.gmail.change_labels(UWE, [first.id], add=[OPEN], remove=[CUSTOMERS])
    house.catch_up()
    assert touched(house) == {first.id}
    deal(house, "d1", "OPEN")
    third = writes(house, "ann", 3, first)
    house.catch_up()
    assert house.labels(second.id) == house.labels(third.id) == {UNREAD, OPEN}
    deal(house, "d1", "WON")
    writes(house, "ann", 4, first)
    house.catch_up()
    assert house.labels(first.id) == {UNREAD, OPEN}


@pytest.mark.rule("E47", "D10-4")
@pytest.mark.parametrize("place", ["SPAM", "TRASH"])
def test_an_earlier_mail_in_spam_or_trash_is_left_alone(house: House, place: str) -> None:
    first, second = answered(house)
    house.gmail.change_labels(UWE, [first.id], add=[place])
    house.catch_up()
    assert house.labels(first.id) == {UNREAD, place, OPEN}
    assert house.labels(second.id) == {UNREAD, CUSTOMERS}


@pytest.mark.rule("E47")
def test_a_dry_run_changes_no_earlier_mail(house: House) -> None:
    first, second = answered(house, lambda: house.connect(dry_run=True))
    house.catch_up()
    assert house.labels(first.id) == {UNREAD, OPEN}
    assert house.labels(second.id) == {UNREAD, "INBOX"}
    assert (row(house, first.id).category, row(house, first.id).replaces) == ("OPEN", None)


@pytest.mark.rule("E47", "E55")
def test_a_deleted_old_label_is_no_hindrance(house: House) -> None:
    first, second = answered(house)
    old = next(i for i, name in house.gmail.dump(UWE).labels.items() if name == OPEN)
    house.gmail.delete_label(UWE, old)
    house.catch_up()
    assert house.labels(first.id) == {UNREAD}
    assert house.labels(second.id) == {UNREAD, CUSTOMERS}


@pytest.mark.rule("E47", "E11", "E15", "W10")
def test_two_addresses_of_one_contact_end_under_the_newest_mails_label(house: House) -> None:
    """Ann shares an address with Max, who has a won deal only he has; hers alone has none."""
    with house.store.engine.begin() as db:
        db.execute(delete(deal_contacts).where(deal_contacts.c.deal_id == "d1"))
        db.execute(insert(deals).values(location_id=1, id="d9", stage="s", category="WON"))
        db.execute(insert(deal_contacts).values(location_id=1, deal_id="d9", contact_id="ann"))
        for contact in ("ann", "bob"):
            row = {"contact_id": contact, "address": "home@example.com", "loose": loose("home@example.com")}
            db.execute(insert(contact_addresses).values({"location_id": 1} | row))
        db.execute(update(deals).where(deals.c.id == "d3").values(category="OPEN"))
    house.connect()
    shared = writes(house, "home", 1)
    alone = writes(house, "ann", 2, shared)
    house.catch_up()
    assert house.outcomes() == {shared.id: "label.open", alone.id: "label.customer"}
    assert house.labels(shared.id) == house.labels(alone.id) == {UNREAD, CUSTOMERS}
    house.catch_up()
    assert touched(house) == set(), "history tells late of the label that was there for a moment"


@pytest.mark.rule("D2-4", "E47", "D2", "I3")
def test_no_thread_id_is_kept_or_logged(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    """A thread has the id of its first mail: here one that came before anything was switched on."""
    house.grant(UWE)
    before = writes(house, "nora", 0)
    house.connect()
    first = writes(house, "ann", 1, before)
    house.catch_up()
    deal(house, "d1", "WON")
    second = writes(house, "ann", 2, before)
    house.catch_up()
    assert house.labels(first.id) == {UNREAD, CUSTOMERS}
    with house.store.engine.connect() as db:
        kept = str([db.execute(select(table)).all() for table in metadata.sorted_tables])
    said = capfd.readouterr().out
    for text in (kept, said, str(house.sent)):
        assert before.id not in text
    assert second.id in kept
    assert second.id in said


class Cut(Exception):
    """The job dies here."""


class Breaking:
    """The real way into Gmail that dies before or after one call, or answers it with trouble."""

    def __init__(self, gmail: Any, call: str, when: str, error: Exception) -> None:
        self.gmail, self.call, self.when, self.error = gmail, call, when, error

    def open(self, grant: Grant) -> Any:
        return Altered(self.gmail.open(grant), self._part)

    def _part(self, name: str, real: Any) -> Any:
        def call(*args: Any) -> Any:
            if self.when == "before":
                raise self.error
            real(*args)
            raise self.error

        return call if name == self.call else real


def cut(house: House, call: str, when: str, error: Exception | None = None) -> None:
    """The mail is caught up until the job dies at this call."""
    broken = replace(
        house, context=entered_by(house.context, Breaking(house.context, call, when, error or Cut()))
    )
    with suppress(Cut):
        broken.catch_up()


@pytest.mark.rule("E47", "W5", "I2")
@pytest.mark.parametrize("call", ["change_in_threads", "under", "change"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", [Cut(), TryAgain("timeout"), TryAgain("x", whole_mailbox=False)], ids=str)
def test_a_job_that_dies_in_between_ends_under_one_label(
    house: House, call: str, when: str, error: Exception
) -> None:
    first, second = answered(house)
    cut(house, call, when, error)
    house.let_time_pass()
    house.queue.redis.flushall()
    sort(MailboxId(1), house.context)
    assert house.outcomes() == {first.id: "label.open", second.id: "label.customer"}
    assert house.labels(first.id) == house.labels(second.id) == {UNREAD, CUSTOMERS}
    assert (row(house, first.id).category, row(house, first.id).replaces) == ("CUSTOMER", None)
    house.catch_up()
    assert touched(house) == set()


@pytest.mark.rule("E47", "I6", "W5")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("hand", "stays"),
    [
        pytest.param({"remove": [OPEN, CUSTOMERS]}, set(), id="no label"),
        pytest.param({"add": [OPEN, CUSTOMERS]}, {OPEN, CUSTOMERS}, id="both"),
    ],
)
def test_the_users_hand_in_between_wins(
    house: House, when: str, hand: dict[str, list[str]], stays: set[str]
) -> None:
    first, second = answered(house)
    cut(house, "change", when)
    house.gmail.change_labels(UWE, [first.id], **hand)
    house.let_time_pass()
    house.queue.redis.flushall()
    sort(MailboxId(1), house.context)
    assert house.labels(first.id) == {UNREAD} | stays
    assert house.labels(second.id) == {UNREAD, CUSTOMERS}
    assert row(house, first.id).replaces is None
    assert touched(house) == {first.id}


@pytest.mark.rule("E47", "W5", "W15", "E86")
def test_an_earlier_mail_that_was_begun_under_a_grant_that_ended_is_finished_under_the_next(
    house: House,
) -> None:
    first, _ = answered(house)
    with house.store.begin("tests.second") as tx:
        connection = tx.connections.get(ConnectionId(1))
        assert connection is not None
        second = tx.of(HERE).connections.add("carla", MailboxId(1), house.grant(UWE), Sharing.PRIVATE)
        since = connection.features.magnet_since
        tx.connections.change(second, Features(magnet_since=since), dry_run=False)
    tokens = [held(connection.grant).refresh_token]

    def end_the_first(call: str) -> None:
        if call == "change" and tokens:
            house.gmail.revoke(refresh_token=tokens.pop())
            house.gmail.expire_access_tokens(UWE)

    interrupted(house, end_the_first).catch_up()
    assert house.labels(first.id) == {UNREAD, CUSTOMERS}
    assert (row(house, first.id).category, row(house, first.id).replaces) == ("CUSTOMER", None)
    with house.store.engine.connect() as db:
        assert list(db.scalars(select(connections.c.state).order_by(connections.c.id))) == [
            "reauth_needed",
            "active",
        ]


@pytest.mark.rule("E47", "E38")
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_earlier_mail_deleted_in_between_is_no_hindrance(house: House, when: str) -> None:
    first, second = answered(house)
    cut(house, "change", when)
    house.gmail.delete(UWE, [first.id])
    house.let_time_pass()
    house.queue.redis.flushall()
    sort(MailboxId(1), house.context)
    assert house.outcomes()[second.id] == "label.customer"
    assert row(house, first.id).replaces is None


@pytest.mark.rule("E47", "W5")
def test_a_half_replaced_label_is_finished_although_the_new_mail_is_gone(house: House) -> None:
    first, second = answered(house)
    cut(house, "change", "before")
    house.gmail.delete(UWE, [second.id])
    house.let_time_pass()
    house.queue.redis.flushall()
    sort(MailboxId(1), house.context)
    assert house.outcomes()[second.id] == "skip.gone"
    assert house.labels(first.id) == {UNREAD, CUSTOMERS}
    assert row(house, first.id).replaces is None


@pytest.mark.rule("D10", "W5", "I6")
@pytest.mark.parametrize("told", [False, True])
def test_a_category_that_changed_since_a_crash_replaces_our_own_label(house: House, told: bool) -> None:
    house.connect()
    first = writes(house, "ann", 1)
    cut(house, "change", "after")
    assert house.labels(first.id) == {UNREAD, OPEN}
    deal(house, "d1", "WON")
    house.let_time_pass()
    house.queue.redis.flushall()
    if told:  # history tells of the first label while the second is being put
        broken = entered_by(house.context, Breaking(house.context, "look", "before", Cut()))
        with suppress(Cut):
            sort(MailboxId(1), broken)
        house.catch_up_only()
        house.let_time_pass()
        house.queue.redis.flushall()
    sort(MailboxId(1), house.context)
    assert touched(house) == set()
    assert house.outcomes() == {first.id: "label.customer"}
    assert house.labels(first.id) == {UNREAD, CUSTOMERS}
    assert row(house, first.id).changed["removed"] == ["INBOX"]


@pytest.mark.rule("Z39", "W5", "I2")
@pytest.mark.parametrize(
    ("when", "outcome", "labels_then"),
    [
        pytest.param("before", "label.none", {UNREAD, "INBOX"}, id="Gmail was not called"),
        pytest.param("after", "label.open", {UNREAD, OPEN}, id="Gmail was called"),
    ],
)
@pytest.mark.parametrize("since", ["the deal is lost", "sorting is off"])
def test_a_label_put_before_a_crash_stands_and_is_known_when_none_is_due_any_more(
    house: House, when: str, outcome: str, labels_then: set[str], since: str
) -> None:
    house.connect()
    first = writes(house, "ann", 1)
    cut(house, "change", when)
    if since == "sorting is off":
        house.connect(sorting=False)
        outcome = outcome.replace("none", "off")
    else:
        deal(house, "d1", "LOST")
    house.let_time_pass()
    house.queue.redis.flushall()
    sort(MailboxId(1), house.context)
    assert house.outcomes() == {first.id: outcome}
    assert house.labels(first.id) == labels_then
    found = row(house, first.id)
    if when == "after":
        assert (found.category, found.changed["removed"]) == ("OPEN", ["INBOX"])
    else:
        assert (found.category, found.deal_id, found.changed) == (None, None, None)


@pytest.mark.rule("W5", "I6", "I9")
@pytest.mark.parametrize(
    ("hand", "outcome", "labels_then"),
    [
        pytest.param({"add": [CUSTOMERS]}, "label.open", {UNREAD, OPEN, CUSTOMERS}, id="another beside it"),
        pytest.param({"remove": [OPEN]}, "label.user_choice", {UNREAD}, id="ours is gone"),
    ],
)
def test_the_users_hand_after_a_cut_off_try_hides_nothing_that_we_did(
    house: House, hand: dict[str, list[str]], outcome: str, labels_then: set[str]
) -> None:
    house.connect()
    first = writes(house, "ann", 1)
    cut(house, "change", "after")
    house.gmail.change_labels(UWE, [first.id], **hand)
    house.catch_up_only()
    assert touched(house) == {first.id}
    house.let_time_pass()
    house.queue.redis.flushall()
    sort(MailboxId(1), house.context)
    assert house.outcomes() == {first.id: outcome}
    assert house.labels(first.id) == labels_then
    assert (row(house, first.id).changed is None) is (outcome == "label.user_choice")
