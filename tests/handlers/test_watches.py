"""The watch: renewed in time, made anew where push brings too little (E82, E85, E99)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from structlog.testing import capture_logs

from domain.errors import GiveUp
from domain.events import MailboxChanged
from domain.ids import MailboxId
from domain.mailboxes.accounts import AccountKey, Grant
from domain.mailboxes.state import MailboxState
from domain.mailboxes.watches import Recall
from handlers import reports, settings
from handlers.mailboxes import watches
from infra.db.tables.mail import messages
from infra.db.tables.mailboxes import mailboxes
from infra.db.types import db_now
from tests import sweep
from tests.handlers.conftest import LONG_AGO, House
from tests.journeys.world import UWE
from tests.providers import entered_by
from tests.worlds import ONE_DATABASE, let_pass

pytestmark = ONE_DATABASE

HOUR, DAY = 3_600, 86_400


def state(house: House) -> MailboxState:
    with house.store.begin("tests.state") as tx:
        found = tx.mailboxes.get(MailboxId(1))
    assert found is not None
    return found


def unwatched(house: House) -> int:
    """How many mailboxes the operator is told to be without a watch."""
    return reports.status(None, None, house.context).totals.unwatched


def renew(house: House) -> None:
    """The day is over."""
    change(house, watch_due_at=LONG_AGO)
    sweep.renew_watches(house.context)
    house.pump()


def change(house: House, **values: Any) -> None:
    with house.store.engine.begin() as db:
        db.execute(update(mailboxes).values(**values))


def sweeps(house: House, mails: int, first: int) -> None:
    """Nine minutes without a push, in which so many mails come; then the sweep, and what follows."""
    for number in range(first, first + mails):
        house.deliver("nora", number)
    let_pass(house.store, 545)
    assert sweep.catch_up_due(house.context) == 1
    house.pump()


def pushes(house: House, mails: int, first: int) -> None:
    for number in range(first, first + mails):
        house.deliver("nora", number)
        house.push()
        house.pump()


@pytest.fixture
def watched(house: House) -> House:
    """Connected four hours ago, looked into a moment ago."""
    house.connect()
    house.catch_up()
    with house.store.engine.begin() as db:
        db.execute(update(mailboxes).values(watch_renewed_at=db_now(-4 * HOUR)))
    house.gmail.reset_counters()
    return house


@pytest.mark.rule("E85")
def test_the_last_renewal_and_its_failure_are_kept(house: House) -> None:
    house.connect()
    change(house, watch_renewed_at=db_now(-3 * DAY))
    first = state(house).watch
    assert first.renewed_at is not None
    house.gmail.fault("403.domainPolicy", ["watch"], times=1)
    renew(house)
    failed = state(house).watch
    assert (failed.trouble, failed.renewed_at, failed.until) == (
        "domainPolicy",
        first.renewed_at,
        first.until,
    )
    assert failed.failed_at is not None
    assert failed.failed_at >= first.renewed_at

    renew(house)
    again = state(house).watch
    assert (again.trouble, again.failed_at) == (None, None)
    assert again.renewed_at is not None
    assert again.renewed_at >= first.renewed_at


@pytest.mark.rule("E85", "E82")
def test_with_an_expired_watch_the_sweep_carries_on_and_renewal_goes_on_being_tried(watched: House) -> None:
    house = watched
    change(house, watch_until=LONG_AGO, watch_renewed_at=LONG_AGO)
    house.gmail.fault("503", ["watch"], times=2)
    for number in range(2):
        renew(house)
        message_id = house.deliver("ann", number)
        let_pass(house.store, 545)
        assert sweep.catch_up_due(house.context) == 1
        house.pump()
        assert house.outcomes()[message_id] == "label.open"
        assert state(house).watch.until == LONG_AGO
    assert state(house).watch.recall == Recall(), "nobody expects a push without a watch"
    let_pass(house.store, 600)
    assert sweep.renew_watches(house.context) == 1, "it is tried again by itself"
    house.pump()
    until = state(house).watch.until
    assert until is not None
    assert until > LONG_AGO


@pytest.mark.rule("E82")
def test_push_recall_is_the_share_of_new_mail_that_push_brought(watched: House) -> None:
    pushes(watched, 3, first=0)
    assert state(watched).watch.recall == Recall(pushed=3, missed=0)
    sweeps(watched, 2, first=10)
    assert state(watched).watch.recall == Recall(pushed=3, missed=2)
    sweeps(watched, 0, first=20)
    assert state(watched).watch.recall == Recall(pushed=3, missed=2), "no new mail says nothing"


@pytest.mark.rule("E82")
def test_what_the_look_after_a_push_finds_counts_neither_way(watched: House) -> None:
    """Gmail drops what it would say within a second after a push (FACTS §1): that is no failure of the watch."""
    pushes(watched, 1, first=0)
    watched.deliver("nora", 1)
    let_pass(watched.store, 2)
    assert sweep.catch_up_due(watched.context) == 1
    watched.pump()
    with watched.store.engine.connect() as db:
        assert db.scalar(select(func.count()).where(messages.c.came_by == "sweep")) == 1
    assert state(watched).watch.recall == Recall(pushed=1, missed=0)


@pytest.mark.rule("E82", "E87")
def test_a_push_that_was_told_while_the_mailbox_rested_has_brought_its_mail(watched: House) -> None:
    watched.deliver("nora")
    with watched.store.begin("tests.rest") as tx:
        tx.mailboxes.rest(MailboxId(1), "rateLimitExceeded", 600)
    watched.push()
    watched.pump()
    let_pass(watched.store, 601)
    watched.push()
    watched.queue.emit(MailboxChanged(MailboxId(1), "sweep"))
    watched.pump()
    assert state(watched).watch.recall == Recall(pushed=1, missed=0)


@pytest.mark.rule("E84")
def test_mail_that_is_listed_again_says_nothing_of_push(watched: House) -> None:
    watched.gmail.expire_history(UWE)
    sweeps(watched, 3, first=0)
    assert state(watched).watch.recall == Recall()


@pytest.mark.rule("E82", "E85")
def test_where_push_fails_the_watch_is_stopped_and_made_anew(watched: House) -> None:
    house = watched
    sweeps(house, 9, first=0)
    assert sweep.renew_watches(house.context) == 0, "nine mails are too few to tell"
    sweeps(house, 3, first=20)
    assert state(house).watch.recall == Recall(pushed=0, missed=12)

    assert sweep.renew_watches(house.context) == 1
    house.pump()
    assert (house.gmail.counters().calls_of("stop"), house.gmail.counters().calls_of("watch")) == (1, 1)
    assert house.gmail.dump(UWE).watched_topic is not None
    assert state(house).watch.recall == Recall(), "the new one begins afresh"

    sweeps(house, 20, first=40)
    assert sweep.renew_watches(house.context) == 0, "not again within hours"
    pushes(house, 30, first=60)
    assert not state(house).watch.recall.is_low(0.5)


@pytest.mark.rule("E82", "E85")
@pytest.mark.parametrize("kind", ["404.noTopic", "500"])
def test_none_stands_where_a_watch_was_stopped_and_no_new_one_could_be_had(watched: House, kind: str) -> None:
    house = watched
    assert unwatched(house) == 0
    sweeps(house, 12, first=0)
    house.gmail.fault(kind, ["watch"])
    assert sweep.renew_watches(house.context) == 1
    house.pump()
    assert house.gmail.dump(UWE).watched_topic is None
    assert state(house).watch.until is None
    assert unwatched(house) == 1

    house.gmail.clear_faults()
    renew(house)
    assert house.gmail.dump(UWE).watched_topic is not None
    assert state(house).watch.until is not None
    assert unwatched(house) == 0


@pytest.mark.rule("E85")
def test_a_good_watch_is_renewed_without_being_stopped(watched: House) -> None:
    pushes(watched, 12, first=0)
    change(watched, watch_renewed_at=db_now(-3 * DAY))
    renew(watched)
    assert (watched.gmail.counters().calls_of("stop"), watched.gmail.counters().calls_of("watch")) == (0, 1)
    assert state(watched).watch.recall == Recall(pushed=12, missed=0), "a renewal changes no registration"


@pytest.mark.rule("E85")
def test_a_threshold_of_0_makes_no_watch_anew(watched: House) -> None:
    house = replace(
        watched, context=replace(watched.context, timing=replace(watched.context.timing, push_recall=0))
    )
    sweeps(house, 12, first=0)
    assert sweep.renew_watches(house.context) == 0
    renew(house)
    assert house.gmail.counters().calls_of("stop") == 0


@pytest.mark.rule("E85", "I4")
def test_of_many_mailboxes_one_at_a_time_gets_a_new_watch(watched: House) -> None:
    """While no dispatcher runs, push seems to fail everywhere."""
    watched.connect("carla", "carla@firm.example")
    for mailbox_id in (1, 2):
        watches.hasten_watch(MailboxId(mailbox_id), watched.context)
    with watched.store.begin("tests.due") as tx:
        assert tx.mailboxes.is_watch_due(MailboxId(1), 0)
    with watched.store.begin("tests.due") as tx:
        assert not tx.mailboxes.is_watch_due(MailboxId(2), 0), "its turn comes with its next mail"


@pytest.mark.rule("E85")
def test_two_renewals_of_one_mailbox_never_meet(watched: House) -> None:
    change(watched, watch_due_at=LONG_AGO, watch_renewed_at=db_now(-3 * DAY))

    class Meanwhile:
        """The real way into Gmail, on which a second job for the same mailbox comes along."""

        def open(self, grant: Grant) -> Any:
            watches.renew_watch(MailboxId(1), watched.context)
            return watched.context.open(grant)

    watches.renew_watch(MailboxId(1), entered_by(watched.context, Meanwhile()))
    assert watched.gmail.counters().calls_of("watch") == 1


@pytest.mark.rule("E99")
def test_a_renamed_mailbox_is_known_by_its_new_address_and_the_old_stays_its_own(watched: House) -> None:
    new = "uwe.new@firm.example"
    watched.gmail.rename_mailbox(UWE, new)
    renew(watched)
    assert state(watched).address == new
    with watched.store.begin("tests.own") as tx:
        assert {UWE, new} <= tx.mailboxes.own_addresses(MailboxId(1))
        assert tx.mailboxes.note_push(AccountKey("gmail", new)) == 1
    message_id = watched.deliver("ann", to=new)
    watched.catch_up()
    assert watched.outcomes()[message_id] == "label.open"


@pytest.mark.rule("E85", "Z16")
def test_a_name_changed_in_gmail_is_known_at_the_next_renewal(watched: House) -> None:
    assert state(watched).own_name == ""
    watched.gmail.set_aliases(UWE, (), names={UWE: "Uwe Müller"})
    renew(watched)
    assert state(watched).own_name == "Uwe Müller"
    watched.gmail.set_aliases(UWE, (), names={UWE: ""})
    renew(watched)
    assert state(watched).own_name == ""


@pytest.mark.rule("E85", "E14", "E99")
@pytest.mark.parametrize(
    ("days", "recall", "watches"),
    [
        pytest.param(1, Recall(), 0, id="nothing came"),
        pytest.param(1, Recall(3, 0), 0, id="push brought what came"),
        pytest.param(1, Recall(0, 3), 1, id="push brought nothing"),
        pytest.param(3, Recall(3, 0), 1, id="the third day"),
    ],
)
def test_a_daily_look_costs_a_unit_and_its_watch_where_that_is_due(
    watched: House, days: int, recall: Recall, watches: int
) -> None:
    change(
        watched,
        watch_renewed_at=db_now(-days * DAY),
        watch_until=db_now((7 - days) * DAY),
        mails_pushed=recall.pushed,
        mails_missed=recall.missed,
    )
    renew(watched)
    counters = watched.gmail.counters()
    assert [counters.calls_of(name) for name in ("watch", "settings.sendAs.list")] == [watches, 1]
    assert counters.units == 1 + 100 * watches
    assert sweep.renew_watches(watched.context) == 0, "until tomorrow"
    until = state(watched).watch.until
    assert until is not None
    assert (until - datetime.now(UTC) > timedelta(days=6.9)) is bool(watches)


@pytest.mark.rule("E82", "E85", "Z26", "E14")
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("404.noTopic", "topicMissing"),
        ("403.noPublisher", "topicClosed"),
        ("400.otherProject", "topicElsewhere"),
    ],
)
def test_a_mailbox_is_connected_and_swept_though_google_cannot_push_to_the_topic(
    house: House, kind: str, reason: str
) -> None:
    house.gmail.fault(kind, ["watch"])
    with capture_logs() as logs:
        house.connect()
    assert [(line["event"], line["reason"]) for line in logs if line["log_level"] == "warning"] == [
        ("watch.failed", reason)
    ]
    begun = state(house)
    assert (begun.watch.until, begun.watch.trouble) == (None, reason)
    assert settings.show("uwe", house.store).watch_trouble == reason
    message_id = house.deliver("ann")
    let_pass(house.store, 545)
    assert sweep.catch_up_due(house.context) == 1
    house.pump()
    assert house.outcomes() == {message_id: "label.open"}

    house.gmail.set_aliases(UWE, ["uwe@alias.example"])
    renew(house)
    with house.store.begin("tests.look") as tx:
        assert "uwe@alias.example" in tx.mailboxes.own_addresses(MailboxId(1))
    again = state(house)
    assert (again.watch.until, again.watch.trouble) == (None, reason)
    assert sweep.renew_watches(house.context) == 0, "not at every tick"

    house.gmail.clear_faults()
    renew(house)
    mended = state(house).watch
    assert mended.until is not None
    assert mended.trouble is None
    assert settings.show("uwe", house.store).watch_trouble is None
    pushes(house, 1, 7)
    assert len(house.outcomes()) == 2


@pytest.mark.rule("E85")
def test_what_google_refuses_for_another_reason_connects_no_mailbox(house: House) -> None:
    house.gmail.fault("403.domainPolicy", ["watch"])
    with pytest.raises(GiveUp, match="domainPolicy"):
        house.connect()
    with house.store.engine.connect() as db:
        assert db.scalar(select(func.count()).select_from(mailboxes)) == 0
