"""The outbox's rows: claims, leases, what counts, what is due (W2, D15)."""

import pytest
from sqlalchemy import String, text, update

from domain.ids import MailboxId
from domain.outbox import DRAFT_GONE, NewItem, OutboxItem, SendState
from infra.db.store import Store
from infra.db.tables.ledger import outbox
from infra.db.tables.mailboxes import mailboxes
from tests.worlds import World

DRAFT = "r1"


def asked(world: World, key: str = "k1") -> NewItem:
    return NewItem(world.mailbox_id, world.connection_id, "ann", key)


def add(world: World, key: str = "k1", lease: float = 60) -> OutboxItem:
    with world.store.begin("tests.add") as tx:
        added = tx.outbox.add(asked(world, key), "caller", lease)
    assert added is not None
    return added


def waiting(world: World, key: str = "k1") -> OutboxItem:
    """One that was handed over."""
    sending = add(world, key)
    with world.store.begin("tests.drafted") as tx:
        assert tx.outbox.drafted(sending, "caller", DRAFT)
    return sending


def claim(world: World, owner: str = "me", lease: float = 60) -> OutboxItem | None:
    with world.store.begin("tests.claim") as tx:
        return tx.outbox.claim(world.mailbox_id, owner, lease)


def now(world: World, sending: OutboxItem) -> OutboxItem:
    with world.store.begin("tests.get", reads_only=True) as tx:
        found = tx.outbox.get(sending.id)
    assert found is not None
    return found


def let_pass(store: Store, seconds: float) -> None:
    columns = ("ready_at", "redrive_at", "created_at")
    moved = ", ".join(f"{name} = {name} - {round(seconds * 1000)}" for name in columns)
    with store.engine.begin() as db:
        db.execute(text(f"UPDATE outbox SET {moved}"))  # noqa: S608 - numbers and names of our own


@pytest.mark.rule("W2")
def test_they_are_claimed_in_the_order_of_asking_and_each_by_one(world: World) -> None:
    first, second = waiting(world, "k1"), waiting(world, "k2")
    claimed = [claim(world, owner) for owner in ("one", "two", "three")]
    assert [one and one.id for one in claimed] == [first.id, second.id, None]
    assert [one and one.state for one in claimed] == [SendState.WAITING, SendState.WAITING, None]
    assert now(world, first).state is SendState.SENDING
    assert now(world, first).attempts == 1


@pytest.mark.rule("W2", "I2")
def test_after_the_lease_it_is_taken_up_as_one_that_may_have_been_sent(world: World) -> None:
    waiting(world)
    mine = claim(world, "me", lease=60)
    assert mine is not None
    let_pass(world.store, 61)
    theirs = claim(world, "they")
    assert theirs is not None
    assert theirs.state is SendState.SENDING
    with world.store.begin("tests.late") as tx:
        assert not tx.outbox.finish(mine, "me", SendState.SENT, sent_id="s1", reason=None)
        assert not tx.outbox.finish(mine, "me", SendState.FAILED, sent_id=None, reason="x")
        assert tx.outbox.finish(theirs, "they", SendState.SENT, sent_id="s1", reason=None)
        assert not tx.outbox.finish(theirs, "they", SendState.FAILED, sent_id=None, reason="x")
    assert now(world, mine).state is SendState.SENT
    assert claim(world) is None


@pytest.mark.rule("I2")
def test_what_was_taken_for_interrupted_is_not_drafted_any_more(world: World) -> None:
    sending = add(world, lease=60)
    assert claim(world) is None
    let_pass(world.store, 61)
    taken = claim(world)
    assert taken is not None
    assert taken.state is SendState.DRAFTING
    with world.store.begin("tests.drafted") as tx:
        assert not tx.outbox.drafted(sending, "caller", DRAFT)
        assert not tx.outbox.finish(sending, "caller", SendState.FAILED, sent_id=None, reason="x")


def test_a_key_is_taken_once(world: World) -> None:
    add(world)
    with world.store.begin("tests.add") as tx:
        assert tx.outbox.add(asked(world), "caller", 60) is None


@pytest.mark.rule("D15")
@pytest.mark.parametrize(
    ("state", "reason", "counts"),
    [
        (SendState.DRAFTING, None, True),
        (SendState.WAITING, None, True),
        (SendState.SENDING, None, True),
        (SendState.SENT, None, True),
        (SendState.FAILED, "sendingLimit", False),
        (SendState.FAILED, DRAFT_GONE, True),
    ],
)
def test_against_the_limit_counts_what_has_gone_out_may_have_or_will(
    world: World, state: SendState, reason: str | None, counts: bool
) -> None:
    add(world)
    with world.store.engine.begin() as db:
        db.execute(update(outbox).values(state=state.value, reason=reason))
    with world.store.begin("tests.room") as tx:
        quota = tx.outbox.daily_quota(world.mailbox_id)
        assert tx.outbox.daily_quota(MailboxId(99)) is None
    assert quota is not None
    assert (quota.used, quota.free_at is not None) == (int(counts), counts)
    let_pass(world.store, 86_401)
    with world.store.begin("tests.room") as tx:
        later = tx.outbox.daily_quota(world.mailbox_id)
    assert later is not None
    assert (later.used, later.free_at, later.paused) == (0, None, False)


@pytest.mark.rule("W2", "W13")
def test_what_nobody_takes_is_asked_for_again_once_in_a_while(world: World) -> None:
    waiting(world, "k1")
    waiting(world, "k2")
    with world.store.begin("tests.redrive") as tx:
        assert tx.outbox.redrive(10) == ()
    let_pass(world.store, 61)
    with world.store.begin("tests.redrive") as tx:
        assert tx.outbox.redrive(10) == (world.mailbox_id,)
        assert tx.outbox.redrive(10) == ()


def test_a_paused_mailbox_gives_nothing_out(world: World) -> None:
    waiting(world)
    with world.store.engine.begin() as db:
        db.execute(update(mailboxes).values(paused_at=mailboxes.c.synced_at))
    assert claim(world) is None
    with world.store.begin("tests.room") as tx:
        quota = tx.outbox.daily_quota(world.mailbox_id)
    assert quota is not None
    assert quota.paused


@pytest.mark.rule("E87")
def test_what_is_released_waits_so_long_in_its_state(world: World) -> None:
    waiting(world)
    mine = claim(world)
    assert mine is not None
    with world.store.begin("tests.back") as tx:
        assert tx.outbox.release(mine, "me", 30, SendState.WAITING, "limit", 2)
    assert claim(world) is None
    let_pass(world.store, 31)
    again = claim(world)
    assert again is not None
    assert (again.state, again.reason, again.looks, again.attempts) == (SendState.WAITING, "limit", 2, 2)


@pytest.mark.rule("D2", "D2-4", "Z16")
def test_no_column_of_the_outbox_can_hold_anything_of_a_mail() -> None:
    """Ids of Gmail's and ours, and words of our own: so its writers need not ask what may be kept."""
    texts = {column.name for column in outbox.c if isinstance(column.type, String)}
    assert texts == {"contact_id", "key", "draft_id", "sent_id", "state", "reason", "owner"}


@pytest.mark.rule("I2", "W2")
def test_a_failed_mail_that_is_asked_for_again_begins_anew_in_its_row(world: World) -> None:
    item = add(world)
    with world.store.begin("tests.fail") as tx:
        assert tx.outbox.finish(item, "caller", SendState.FAILED, sent_id=None, reason="domainPolicy")
    let_pass(world.store, 7_200)
    failed = now(world, item)
    with world.store.begin("tests.again") as tx:
        again = tx.outbox.reopen(item.id, asked(world), "another", 60)
    assert again is not None
    assert (again.id, again.state, again.reason, again.attempts) == (item.id, SendState.DRAFTING, None, 0)
    assert again.ended_at is None
    assert again.created_at > failed.created_at
    assert claim(world) is None, "it is its asker's"
    with world.store.begin("tests.late") as tx:
        assert not tx.outbox.drafted(item, "caller", DRAFT)
        assert tx.outbox.drafted(again, "another", DRAFT)
