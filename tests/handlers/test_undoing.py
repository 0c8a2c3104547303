"""What sorting did is taken back, and nothing that the user did."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import func, select, update
from structlog.testing import capture_logs

from domain.ids import ChannelId, MailboxId
from domain.locks import LockKind
from domain.mailboxes.accounts import Grant
from domain.sorting.label_changes import LeftBecause
from domain.sorting.undoing import Undone
from handlers.context import Context
from handlers.sorting.undo import AT_ONCE, LOCK_TRIES, Busy, Undoing, sorted_mailboxes
from infra.db.tables.connections import connections
from infra.db.tables.mail import decisions, messages
from tests.handlers.conftest import House
from tests.handlers.test_threads import Breaking, Cut, answered
from tests.journeys.world import CUSTOMERS, OPEN, UWE
from tests.providers import Altered, entered_by
from tests.worlds import HERE, ONE_DATABASE

pytestmark = ONE_DATABASE

UNREAD = "UNREAD"
AGES_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def undo(
    house: House,
    since: datetime = AGES_AGO,
    *,
    dry_run: bool = False,
    context: Context | None = None,
    wait: Any = lambda _: None,
    at_once: int = AT_ONCE,
) -> Undone:
    """In Uwe's mailbox; waits are over at once."""
    context = context or house.context
    with house.store.begin("tests.mailbox") as tx:
        mailbox = tx.mailboxes.get(MailboxId(1))
    assert mailbox is not None
    return Undoing(mailbox, since, context, dry_run, wait, lambda _: None, at_once).undo()


def undone(house: House) -> set[str]:
    with house.store.engine.connect() as db:
        return set(db.scalars(select(decisions.c.message_id).where(decisions.c.undone_at.is_not(None))))


def count(house: House, since: datetime = AGES_AGO) -> dict[str, int]:
    return {mailbox.address: number for mailbox, number in sorted_mailboxes(since, house.context)}


@pytest.mark.rule("D10", "I6", "I2")
def test_labels_go_and_mail_is_back_where_it_was(house: House) -> None:
    house.connect()
    house.gmail.add_filter(UWE, "cid@example.com", label="Projects", archive=True)
    ann = [house.deliver("ann", number) for number in range(12)]
    filed, none = house.deliver("cid", 20), house.deliver("bob", 21)
    house.catch_up()
    assert count(house) == {UWE: 13}
    told: list[int] = []
    with house.store.begin("tests.mailbox") as tx:
        mailbox = tx.mailboxes.get(MailboxId(1))
    assert mailbox is not None
    done = Undoing(mailbox, AGES_AGO, house.context, False, lambda _: None, told.append).undo()
    assert done == Undone(restored=13)
    assert told == [13]
    assert {house.labels(message_id) for message_id in (*ann, none)} == {frozenset({UNREAD, "INBOX"})}
    assert house.labels(filed) == {UNREAD, "Projects"}
    assert undone(house) == {*ann, filed}
    assert count(house) == {}
    assert undo(house) == Undone()
    house.catch_up()
    house.pump()
    assert house.labels(ann[0]) == {UNREAD, "INBOX"}, "it is not sorted again"


@pytest.mark.rule("T2")
def test_the_log_says_in_which_location_a_mail_was_restored(house: House) -> None:
    connection_id = house.connect()
    message_id = house.deliver("ann")
    house.catch_up()
    with capture_logs() as logs:
        undo(house)
    told = [line for line in logs if line["event"] == "message.restored"]
    assert [(line["message_id"], line["connection_id"], line["location_id"]) for line in told] == [
        (message_id, connection_id, HERE.id)
    ]


@pytest.mark.rule("I6", "E58", "E59", "E60")
@pytest.mark.parametrize("told", [False, True], ids=["before history tells", "known from history"])
def test_what_the_user_has_changed_since_stays(house: House, told: bool) -> None:
    house.connect()
    moved, bare, other, binned, gone, plain = (house.deliver("ann", number) for number in range(6))
    house.catch_up()
    house.gmail.change_labels(UWE, [moved], add=["INBOX"])
    house.gmail.change_labels(UWE, [bare], remove=[OPEN])
    house.gmail.change_labels(UWE, [other], add=[CUSTOMERS])
    house.gmail.trash(UWE, [binned])
    house.gmail.delete(UWE, [gone])
    if told:
        house.catch_up()
    done = undo(house)
    left = {LeftBecause.IN_INBOX: (moved,), LeftBecause.GONE: (gone,)}
    by_hand = tuple(sorted([bare, other, binned])) if told else ()
    if not told:
        left |= {
            LeftBecause.LABEL_GONE: (bare,),
            LeftBecause.OTHER_LABEL: (other,),
            LeftBecause.SPAM_OR_TRASH: (binned,),
        }
    assert done == Undone(restored=1, left=left, by_hand=by_hand)
    assert house.labels(moved) == {UNREAD, OPEN, "INBOX"}
    assert house.labels(bare) == {UNREAD}
    assert house.labels(other) == {UNREAD, OPEN, CUSTOMERS}
    assert house.labels(binned) >= {OPEN, "TRASH"}
    assert house.labels(plain) == {UNREAD, "INBOX"}
    assert undone(house) == {plain}


@pytest.mark.rule("E47")
def test_what_was_restored_is_no_earlier_mail_any_more(house: House) -> None:
    first, second = answered(house)
    undo(house)
    house.catch_up()
    assert house.labels(first.id) == {UNREAD, "INBOX"}
    assert house.labels(second.id) == {UNREAD, CUSTOMERS}


@pytest.mark.rule("E47")
def test_a_replaced_label_is_not_put_back(house: House) -> None:
    first, second = answered(house)
    house.catch_up()
    assert undo(house) == Undone(restored=2)
    assert house.labels(first.id) == house.labels(second.id) == {UNREAD, "INBOX"}


def test_only_what_was_changed_since_then(house: House) -> None:
    house.connect()
    old = house.deliver("ann", 1)
    house.catch_up()
    with house.store.engine.begin() as db:
        db.execute(update(decisions).values(changed_at=datetime.now(UTC) - timedelta(hours=3)))
    new = house.deliver("ann", 2)
    house.catch_up()
    hours_ago = datetime.now(UTC) - timedelta(hours=2)
    assert count(house, hours_ago) == {UWE: 1}
    assert undo(house, hours_ago) == Undone(restored=1)
    assert house.labels(old) == {UNREAD, OPEN}
    assert house.labels(new) == {UNREAD, "INBOX"}


def test_a_dry_run_looks_and_changes_nothing(house: House) -> None:
    house.connect()
    moved, plain = house.deliver("ann", 1), house.deliver("ann", 2)
    house.catch_up()
    house.gmail.change_labels(UWE, [moved], add=["INBOX"])
    assert undo(house, dry_run=True) == Undone(restored=1, left={LeftBecause.IN_INBOX: (moved,)})
    assert house.labels(plain) == {UNREAD, OPEN}
    assert undone(house) == set()
    with house.store.engine.connect() as db:
        assert db.scalar(select(func.count()).where(messages.c.touched)) == 0


@pytest.mark.rule("I2", "W5")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("told", [False, True], ids=["at once", "after history has told"])
def test_whoever_is_killed_half_way_begins_again(house: House, when: str, told: bool) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.catch_up()
    broken = Breaking(house.context, "change", when, Cut())
    with suppress(Cut):
        undo(house, context=entered_by(house.context, broken))
    assert undone(house) == set()
    if told:
        house.catch_up()
    done = undo(house)
    assert house.labels(message_id) == {UNREAD, "INBOX"}
    assert done.restored == (0 if told and when == "after" else 1)


@pytest.mark.rule("E87")
def test_a_limit_that_ends_soon_is_waited_for(house: House) -> None:
    house.connect()
    ids = [house.deliver("ann", number) for number in range(3)]
    house.catch_up()
    house.gmail.fault("403.userRateLimitExceeded", ["messages.get"], times=1, retry_after=40)
    waits: list[float] = []
    assert undo(house, wait=waits.append) == Undone(restored=3)
    assert {house.labels(message_id) for message_id in ids} == {frozenset({UNREAD, "INBOX"})}
    assert sum(waits) >= 40
    assert max(waits) <= 15, "the turn is kept up meanwhile"


def not_restored(logs: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, int]]:
    """What the log says of mails that were not restored: the kind of error, Google's word, how many mails."""
    said = [line for line in logs if line["event"] == "messages.not_restored"]
    return [(line["error"], line["reason"], len(line["message_ids"])) for line in said]


@pytest.mark.rule("E87")
@pytest.mark.parametrize(
    ("kind", "seconds", "error"),
    [
        pytest.param("503", None, "TryAgain", id="away"),
        pytest.param("500", None, "TryAgain", id="failing for every mail"),
        pytest.param("403.rateLimitExceeded", None, "TryAgain", id="a limit without an end"),
        pytest.param("429", 3_600, "TryAgain", id="a limit that lasts"),
        pytest.param("403.domainPolicy", None, "GiveUp", id="refused for good"),
    ],
)
def test_the_first_answer_that_the_rest_would_get_too_ends_the_walk(
    house: House, kind: str, seconds: float | None, error: str
) -> None:
    house.connect()
    ids = [house.deliver("ann", number) for number in range(6)]
    house.catch_up()
    fault = house.gmail.fault(kind, ["messages.get"], retry_after=seconds)
    house.gmail.reset_counters()
    waits: list[float] = []
    with capture_logs() as logs:
        done = undo(house, wait=waits.append, at_once=2)
    assert (done.restored, done.failed, waits) == (0, 0, [])
    assert type(done.stopped).__name__ == error
    assert done.stopped is not None
    assert not_restored(logs) == [(error, done.stopped.reason, 2)], "one line, of the first slice"
    assert house.gmail.counters().calls_of("messages.get") == 2
    house.gmail.clear_faults(fault)
    assert undo(house) == Undone(restored=6), "when it is given again"
    assert {house.labels(message_id) for message_id in ids} == {frozenset({UNREAD, "INBOX"})}


@pytest.mark.rule("E87")
def test_waiting_that_does_not_help_ends_the_walk(house: House) -> None:
    house.connect()
    house.deliver("ann")
    house.catch_up()
    house.gmail.fault("429", ["messages.get"], retry_after=40)
    waits: list[float] = []
    done = undo(house, wait=waits.append)
    assert done.stopped is not None
    assert 40 <= sum(waits) < 80, "once"


@pytest.mark.rule("E88")
def test_what_gmail_refuses_on_every_try_has_failed(house: House) -> None:
    house.connect()
    bad, good = house.deliver("ann", 1), house.deliver("ann", 2)
    house.catch_up()
    house.gmail.poison(UWE, bad)
    with capture_logs() as logs:
        assert undo(house) == Undone(restored=1, failed=1)
    assert [(error, mails) for error, _, mails in not_restored(logs)] == [("Hung", 1)]
    assert house.labels(bad) == {UNREAD, OPEN}
    assert house.labels(good) == {UNREAD, "INBOX"}


@pytest.mark.rule("I6")
def test_a_mailbox_in_which_the_user_has_changed_everything_is_named_too(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.catch_up()
    house.gmail.change_labels(UWE, [message_id], remove=[OPEN])
    house.catch_up()
    assert count(house) == {UWE: 0}
    assert undo(house) == Undone(by_hand=(message_id,))


@pytest.mark.rule("E86")
def test_a_mailbox_that_nobody_is_signed_in_to_is_named(house: House) -> None:
    house.connect()
    house.deliver("ann")
    house.catch_up()
    house.gmail.revoke(UWE)
    assert undo(house).needs_sign_in
    with house.store.engine.connect() as db:
        assert db.scalar(select(connections.c.state)) == "reauth_needed"
    assert undo(house).needs_sign_in


@pytest.mark.rule("W10")
def test_nobody_sorts_meanwhile_and_whoever_came_is_asked_again(house: House) -> None:
    house.connect()
    house.deliver("ann", 1)
    house.catch_up()
    new = house.deliver("ann", 2)

    class Meanwhile:
        def open(self, grant: Grant) -> Any:
            return Altered(house.context.open(grant), self._part)

        def _part(self, name: str, real: Any) -> Any:
            if name == "look":
                house.catch_up()
                assert house.labels(new) == {UNREAD, "INBOX"}
            return real

    undo(house, context=entered_by(house.context, Meanwhile()))
    house.pump()
    assert house.labels(new) == {UNREAD, OPEN}


@pytest.mark.rule("W10")
def test_a_mailbox_that_is_sorted_all_the_time_is_left(house: House) -> None:
    house.connect()
    house.deliver("ann")
    house.catch_up()
    assert house.queue.acquire(LockKind.SORT, ChannelId(1), 60) is not None
    waits: list[float] = []
    with pytest.raises(Busy):
        undo(house, wait=waits.append)
    assert len(waits) == LOCK_TRIES
    assert undone(house) == set()


@pytest.mark.rule("W10")
def test_its_turn_lasts_as_long_as_the_work(house: House, redis: Redis) -> None:
    house.connect()
    house.deliver("ann")
    house.catch_up()
    turn = "lodestone:turn:sort:1"

    class Slow:
        def open(self, grant: Grant) -> Any:
            redis.pexpire(turn, 5_000)
            return house.context.open(grant)

    with house.store.begin("tests.mailbox") as tx:
        mailbox = tx.mailboxes.get(MailboxId(1))
    assert mailbox is not None
    left: list[Any] = []
    context = entered_by(house.context, Slow())
    Undoing(mailbox, AGES_AGO, context, False, lambda _: None, lambda _: left.append(redis.pttl(turn))).undo()
    assert [milliseconds > 5_000 for milliseconds in left] == [True]
