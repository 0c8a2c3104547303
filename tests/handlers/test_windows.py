"""The windows and invariants of docs/ARCHITECTURE.md where handlers, ledger and Gmail meet."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from domain.connections.connections import Features, Sharing, Wishes
from domain.events import MailAnnounced, MailboxChanged, MailFound
from domain.ids import ChannelId, MailboxId
from domain.locks import LockKind
from domain.mailboxes.accounts import Grant
from handlers import matching
from handlers.connections import connecting, disconnecting
from handlers.sorting.sort import sort
from infra.db.tables.connections import connections as connection_table
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions, messages
from infra.db.tables.mailboxes import mailboxes
from infra.queue import BACKLOG
from tests import sweep
from tests.handlers.conftest import LONG_AGO, House
from tests.journeys.world import OPEN, UWE, mail
from tests.providers import Altered, entered_by, held
from tests.worlds import HERE, ONE_DATABASE

pytestmark = ONE_DATABASE


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The real way into Gmail, with something that happens just before labels are changed."""

    gmail: Any
    happens: Any

    def open(self, grant: Grant) -> Any:
        return Altered(self.gmail.open(grant), self._part)

    def _part(self, name: str, real: Any) -> Any:
        def call(*args: Any) -> Any:
            self.happens(name)
            return real(*args)

        return call if name in ("headers", "change") else real


def interrupted(house: House, happens: Any) -> House:
    """The same house, where `happens` is called with the name of each call into Gmail that matters."""
    return replace(house, context=entered_by(house.context, Interrupted(house.context, happens)))


@pytest.mark.rule("I8")
def test_no_transaction_is_open_while_gmail_is_asked(house: House) -> None:
    house.connect()
    calls = []

    def look(name: str) -> None:
        calls.append((name, house.store.engine.pool.checkedout()))  # type: ignore[attr-defined]

    house.deliver("ann")
    interrupted(house, look).catch_up()
    assert calls == [("headers", 0), ("change", 0)]


@pytest.mark.rule("W6", "E92")
@pytest.mark.parametrize("call", ["headers", "change"])
def test_magnet_switched_off_in_flight_leaves_nothing_behind(house: House, call: str) -> None:
    house.connect()
    grant = house.grant(UWE)

    def switch_off(name: str) -> None:
        if name == call:
            connecting.save("uwe", grant, Wishes(magnet=False), context=house.context)

    house.deliver("ann")
    interrupted(house, switch_off).catch_up()
    house.pump()
    assert house.outcomes() == {}
    assert house.notified() == []
    with house.store.engine.connect() as db:
        assert db.scalar(select(func.count()).select_from(steps)) == 0
        assert db.scalar(select(func.count()).select_from(messages)) == 0


@pytest.mark.rule("W6")
def test_sorting_switched_off_in_flight_drops_the_result(house: House) -> None:
    connection_id = house.connect()

    def switch_off(name: str) -> None:
        if name == "headers":
            with house.store.begin("tests.off") as tx:
                connection = tx.connections.get(connection_id)
                assert connection is not None
                since = connection.features.magnet_since
                tx.connections.change(connection_id, Features(magnet_since=since), dry_run=False)

    message_id = house.deliver("ann")
    interrupted(house, switch_off).catch_up()
    assert house.outcomes() == {message_id: "label.off"}
    assert house.labels(message_id) == {"INBOX", "UNREAD"}


@pytest.mark.rule("W5")
@pytest.mark.parametrize(
    ("hand", "outcome", "label"),
    [
        pytest.param({}, "label.open", {OPEN}, id="ours is present: done"),
        pytest.param(
            {"add": ["TRASH"], "remove": [OPEN]}, "label.user_choice", set(), id="the user binned it"
        ),
        pytest.param(
            {"add": ["Customers"], "remove": [OPEN]},
            "label.user_choice",
            {"Customers"},
            id="another CRM label",
        ),
    ],
)
def test_a_crash_after_labelling_is_told_from_the_users_hand(
    house: House, hand: dict[str, list[str]], outcome: str, label: set[str]
) -> None:
    house.connect()
    message_id = house.deliver("ann")

    class Crash(BaseException):
        pass

    def crash(name: str) -> None:
        if name == "change":
            intent = house.store.engine.connect()
            with intent as db:
                assert db.scalar(select(decisions.c.category)) == "OPEN", "the intent is committed first"
            raise Crash

    with pytest.raises(Crash):
        interrupted(house, crash).catch_up()
    house.gmail.change_labels(UWE, [message_id], add=[OPEN], remove=["INBOX"])
    if hand:
        house.gmail.change_labels(UWE, [message_id], **hand)
    house.let_time_pass()
    house.queue.redis.flushall()
    sort(MailboxId(1), house.context)
    assert house.outcomes() == {message_id: outcome}
    assert house.labels(message_id) & {OPEN, "Customers"} == label


@pytest.mark.rule("W7", "E38")
def test_a_listed_message_that_is_missing_is_gone_only_after_three_looks_in_a_minute(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    fault = house.gmail.fault("404", ["messages.get"])
    house.catch_up()
    for _ in range(3):
        assert house.outcomes() == {}
        house.let_time_pass()
        matching.match(MailboxId(1), house.context)
    with house.store.engine.begin() as db:
        db.execute(update(messages).values(missing_since=LONG_AGO))
    house.let_time_pass()
    matching.match(MailboxId(1), house.context)
    assert house.outcomes() == {message_id: "skip.gone"}
    house.gmail.clear_faults(fault)


@pytest.mark.rule("W7", "D3-2", "E38")
def test_a_deleted_message_is_gone_at_once(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.gmail.delete(UWE, [message_id])
    house.catch_up()
    assert house.outcomes() == {message_id: "skip.gone"}
    assert house.gmail.counters().calls_of("messages.get") == 0


@pytest.mark.rule("E84", "W8")
def test_expired_history_is_listed_again_and_nothing_is_handled_twice(house: House) -> None:
    house.connect()
    handled = house.deliver("ann", 1)
    house.catch_up()
    missed = house.deliver("cid", 2)
    house.gmail.expire_history(UWE)
    later = house.deliver("lea", 3)
    house.catch_up()
    assert house.outcomes() == {handled: "label.open", missed: "label.customer", later: "label.none"}
    assert sorted(house.notified()) == sorted([handled, missed, later])
    assert house.gmail.counters().calls_of("messages.get") == 3


@pytest.mark.rule("W9", "E36", "E37")
@pytest.mark.parametrize("place", ["SPAM", "TRASH"])
def test_mail_rescued_from_spam_or_trash_is_handled_then(house: House, place: str) -> None:
    house.connect()
    message_id = house.deliver("ann", labels=[place])
    house.catch_up()
    assert house.outcomes() == {message_id: f"skip.{place.lower()}"}
    house.gmail.change_labels(UWE, [message_id], add=["INBOX"], remove=[place])
    house.catch_up()
    assert house.outcomes() == {message_id: "label.open"}
    assert house.notified() == [message_id]


@pytest.mark.rule("D3-3", "D3-4", "D3-5", "D3-6")
@pytest.mark.parametrize("label", ["DRAFT", "SPAM", "TRASH", "CHAT"])
def test_what_history_shows_to_be_none_of_ours_is_not_paid_for(house: House, label: str) -> None:
    house.connect()
    message_id = house.deliver("ann", labels=[label])
    house.catch_up()
    assert house.outcomes() == {message_id: f"skip.{label.lower()}"}
    assert house.gmail.counters().calls_of("messages.get") == 0


@pytest.mark.rule("W10")
def test_a_mailbox_is_sorted_by_one_run_at_a_time(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    turn = house.queue.acquire(LockKind.SORT, ChannelId(1), 60)
    assert turn is not None
    house.catch_up()
    assert house.outcomes() == {message_id: None}
    assert house.queue.release(turn, done=True), "whoever held the turn is told to look again"
    house.queue.emit(MailAnnounced(MailboxId(1)))
    house.pump()
    assert house.outcomes() == {message_id: "label.open"}


@pytest.mark.rule("W12", "E55")
def test_a_label_that_the_user_deleted_is_made_again_when_it_is_needed(house: House) -> None:
    house.connect()
    old = next(i for i, name in house.gmail.dump(UWE).labels.items() if name == OPEN)
    house.gmail.delete_label(UWE, old)
    message_id = house.deliver("ann")
    house.catch_up()
    assert house.labels(message_id) == {"UNREAD", OPEN}


@pytest.mark.rule("W14", "D3-7", "Z38")
def test_a_feature_starts_at_googles_time_of_switching_on(house: House) -> None:
    house.connect()
    hour_ago = int(datetime.now(UTC).timestamp() - 3600) * 1000
    message_id = house.deliver("ann", internal_date=hour_ago)
    house.catch_up()
    assert house.outcomes() == {message_id: "skip.too_old"}


@pytest.mark.rule("W15", "E86")
def test_when_one_grant_is_gone_the_next_is_tried(house: House) -> None:
    first = house.connect()
    with house.store.begin("tests.second") as tx:
        connection = tx.connections.get(first)
        assert connection is not None
        second = tx.of(HERE).connections.add("carla", MailboxId(1), house.grant(UWE), Sharing.PRIVATE)
        since = connection.features.magnet_since
        tx.connections.change(second, Features(magnet_since=since), dry_run=False)
        house.gmail.revoke(refresh_token=held(connection.grant).refresh_token)
    house.gmail.expire_access_tokens(UWE)
    message_id = house.deliver("ann")
    house.catch_up()
    with house.store.engine.connect() as db:
        states = dict(db.execute(select(connection_table.c.id, connection_table.c.state)).all())
        by_connection = db.execute(select(decisions.c.connection_id, decisions.c.message_id)).all()
    assert states == {first: "reauth_needed", second: "active"}
    assert by_connection == [(second, message_id)]


@pytest.mark.rule("E86", "I4")
def test_a_revoked_grant_stops_the_mailbox_and_is_not_retried(house: House) -> None:
    house.connect()
    house.gmail.revoke(UWE)
    house.deliver("ann")
    house.catch_up()
    house.gmail.reset_counters()
    for _ in range(3):
        house.let_time_pass()
        assert sweep.catch_up_due(house.context) == 0
        house.catch_up()
    counters = house.gmail.counters()
    assert counters.http_requests + counters.token_requests == 0


@pytest.mark.rule("I4", "E87")
def test_a_limited_mailbox_rests_while_another_goes_on(house: House) -> None:
    other = "carla@firm.example"
    house.connect()
    house.connect("carla", other)
    slow, quick = house.deliver("ann", 1), house.deliver("ann", 2, to=other)
    house.gmail.fault("403.userRateLimitExceeded", mailbox=UWE, retry_after=30)
    house.catch_up(MailboxId(1))
    house.catch_up(MailboxId(2))
    assert house.outcomes() == {quick: "label.open"}
    house.gmail.clear_faults()
    house.catch_up(MailboxId(1))
    assert house.outcomes() == {quick: "label.open"}, "it rests for as long as Gmail said"
    house.let_time_pass()
    house.catch_up(MailboxId(1))
    assert house.outcomes() == {quick: "label.open", slow: "label.open"}


@pytest.mark.rule("W3", "E88", "I4")
def test_one_poisonous_message_is_set_aside_and_its_neighbours_are_handled(house: House) -> None:
    house.connect()
    good = [house.deliver("ann", number) for number in range(10)]
    bad = house.deliver("ann", 99)
    house.gmail.poison(UWE, bad)
    house.catch_up()
    assert {i for i, outcome in house.outcomes().items() if outcome == "label.open"} == set(good)
    for _ in range(10):
        house.let_time_pass()
        matching.match(MailboxId(1), house.context)
    assert house.outcomes() == dict.fromkeys(good, "label.open") | {bad: "match.failed"}
    with house.store.engine.connect() as db:
        tries = dict(
            db.execute(select(steps.c.message_id, steps.c.attempts).where(steps.c.step == "match")).all()
        )
    assert {tries[i] for i in good} == {1}


@pytest.mark.rule("E90")
def test_when_labelling_failed_only_labelling_is_retried(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.gmail.fault("503", ["messages.modify"], times=1)
    house.catch_up()
    assert house.notified() == [message_id]
    house.let_time_pass()
    sweep.redrive(house.context)
    jobs = house.pump()
    assert jobs == ["labels.sort"]
    assert house.outcomes() == {message_id: "label.open"}
    assert house.notified() == [message_id]


@pytest.mark.rule("E82", "Z33", "Z26")
def test_a_lost_push_is_made_good_by_the_sweep(house: House) -> None:
    house.connect()
    house.queue.emit(MailboxChanged(MailboxId(1), "sweep"))
    house.pump()
    message_id = house.deliver("ann")
    assert sweep.catch_up_due(house.context) == 0, "synced a moment ago: no cost"
    with house.store.engine.begin() as db:
        row = db.execute(select(mailboxes.c.sync_due_at, mailboxes.c.synced_at)).one()
        assert row.sync_due_at - row.synced_at == timedelta(minutes=9)
        db.execute(update(mailboxes).values(sync_due_at=LONG_AGO))
    assert sweep.catch_up_due(house.context) == 1
    house.pump()
    assert house.outcomes() == {message_id: "label.open"}


@pytest.mark.rule("E82", "Z26")
def test_a_push_is_followed_by_one_more_look_for_mail_whose_own_push_gmail_dropped(house: House) -> None:
    house.connect()
    house.push()
    house.pump()
    message_id = house.deliver("ann")
    with house.store.engine.begin() as db:
        row = db.execute(select(mailboxes.c.sync_due_at, mailboxes.c.synced_at)).one()
        assert row.sync_due_at - row.synced_at == timedelta(seconds=house.context.timing.echo_after)
        db.execute(update(mailboxes).values(sync_due_at=LONG_AGO))
    assert sweep.catch_up_due(house.context) == 1
    house.pump()
    assert house.outcomes() == {message_id: "label.open"}
    assert sweep.catch_up_due(house.context) == 0, "once"


@pytest.mark.rule("E89")
def test_a_sweep_of_a_mailbox_does_not_start_while_one_is_on(house: House) -> None:
    house.connect()
    house.deliver("ann")
    turn = house.queue.acquire(LockKind.SYNC, ChannelId(1), 60)
    assert turn is not None
    assert sweep.catch_up_due(house.context) == 1
    house.gmail.reset_counters()
    house.pump()
    assert house.gmail.counters().calls == 0


@pytest.mark.rule("E85", "E14")
def test_a_watch_is_renewed_and_a_failure_is_tried_again(house: House) -> None:
    house.connect()
    with house.store.engine.begin() as db:
        db.execute(update(mailboxes).values(watch_due_at=LONG_AGO, watch_until=None))
    house.gmail.fault("503", ["watch"], times=1)
    for watched in (False, True):
        assert sweep.renew_watches(house.context) == 1
        assert house.pump() == ["mailboxes.renew_watch"]
        with house.store.engine.begin() as db:
            assert (db.scalar(select(mailboxes.c.watch_until)) is not None) is watched
            db.execute(update(mailboxes).values(watch_due_at=LONG_AGO))


@pytest.mark.rule("W13", "I1")
def test_what_the_queue_lost_is_asked_for_again(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    for _ in range(4):
        house.push()
        house.run_next()
        house.sent.clear()
        house.queue.redis.flushall()
        house.let_time_pass()
        sweep.redrive(house.context)
    house.pump()
    assert house.outcomes() == {message_id: "label.open"}
    assert house.notified() == [message_id]


@pytest.mark.rule("D12", "Z44", "Z43")
def test_disconnecting_leaves_nothing_but_gmail_as_it_is(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.catch_up()
    house.deliver("cid")
    house.push()
    disconnecting.disconnect("uwe", house.context)
    house.pump()
    assert house.labels(message_id) == {"UNREAD", OPEN}
    assert house.gmail.dump(UWE).watched_topic is None
    with house.store.engine.connect() as db:
        for table in (connection_table, mailboxes, messages, steps, decisions):
            assert db.scalar(select(func.count()).select_from(table)) == 0, table.name


@pytest.mark.rule("E102", "I9")
def test_a_slice_of_hostile_mail_ends_in_outcomes(house: House) -> None:
    house.connect()
    bombs = [
        b"From: " + b"(" * 200_000 + b"\r\n\r\n",
        b"\xff\x00" * 5_000,
        b"",
        b"From: a@b@c\r\nTo: <<<\r\n\r\n",
    ]
    ids = [house.gmail.deliver(UWE, bomb).id for bomb in bombs]
    plain = house.gmail.deliver(UWE, mail("ann", 1)).id
    house.catch_up()
    assert house.outcomes() == dict.fromkeys(ids, "skip.no_contact") | {plain: "label.open"}
    assert MailFound(MailboxId(1)) not in house.sent


@pytest.mark.rule("W2")
def test_while_the_queue_is_crowded_the_sweep_asks_for_nothing(house: House) -> None:
    house.connect()
    house.queue.redis.rpush(BACKLOG + "mail", *range(sweep.CROWDED + 1))
    assert sweep.catch_up_due(house.context) == sweep.redrive(house.context) == 0
    house.queue.redis.delete(BACKLOG + "mail")
    assert sweep.catch_up_due(house.context) == 1
