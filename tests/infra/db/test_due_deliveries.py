"""What is due for a channel is found in few rows, however much waits; what may not go is out of the way (W2, E91)."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, insert, select, update

from domain.channels import ChannelKind, Target
from domain.ids import ChannelId
from domain.parcels import Parcel
from infra.db.tables.channels import deliveries
from infra.db.tables.connections import connections
from infra.db.tables.mail import notifications
from tests.scale.frame import statements
from tests.worlds import HERE, OF_HERE, World, connection_of, make_world

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=2)


def channel_of(world: World) -> ChannelId:
    with world.store.begin("tests.channel") as tx:
        return tx.of(HERE).channels.add(None, ChannelKind.WEBHOOK, Target("https://hooks.example.com/x"))


def tell(world: World, channel_id: ChannelId, user_id: str, *numbers: int, late: bool = False) -> None:
    """So many mails on the user's list and on their way to the channel."""
    mail = {"connection_id": world.connection_id, "user_id": user_id, "late": late}
    times = {"received_at": LONG_AGO if late else NOW, "created_at": NOW}
    way = {"channel_id": channel_id, "user_id": user_id, "state": "waiting"}
    due = {"ready_at": LONG_AGO, "redrive_at": LONG_AGO}
    with world.store.begin("tests.tell") as tx:
        rows = [{"id": n, "message_id": f"m{n}", **mail, **times} for n in numbers]
        tx.db.execute(insert(notifications).values(OF_HERE), rows)
        tx.db.execute(insert(deliveries), [{"notification_id": n, **way, **due} for n in numbers])


def claim(world: World, channel_id: ChannelId) -> Parcel | None:
    """The next event alone."""
    return next(iter(claim_many(world, channel_id, 1)), None)


def claim_many(world: World, channel_id: ChannelId, most: int, owner: str = "me") -> tuple[Parcel, ...]:
    """As the notifier does: again while more may be due."""
    while True:
        with world.store.begin("tests.claim") as tx:
            parcels, more = tx.deliveries.claim(channel_id, owner, 60, most)
        if parcels or not more:
            return tuple(one for one in parcels if isinstance(one, Parcel))


def sign_out(world: World) -> None:
    """Google takes the grant no more."""
    with world.store.begin("tests.expire") as tx:
        mine = update(connections).where(connections.c.id == world.connection_id)
        tx.db.execute(mine.values(state="reauth_needed"))


def sign_in(world: World) -> None:
    with world.store.begin("tests.sign_in") as tx:
        connection = connection_of(tx, world)
        assert connection.grant
        tx.connections.sign_in_again(world.connection_id, connection.grant)
        tx.deliveries.signed_in(world.connection_id)


def waiting_now(world: World) -> int:
    with world.store.begin("tests.count") as tx:
        ready = deliveries.c.ready_at <= datetime.now(UTC)
        return tx.db.scalar(select(func.count()).select_from(deliveries).where(ready)) or 0


@pytest.mark.rule("E91")
@pytest.mark.parametrize("late", [False, True])
def test_the_next_event_asks_as_few_questions_of_a_backlog_as_of_one(world: World, late: bool) -> None:
    channel_id = channel_of(world)
    tell(world, channel_id, "uwe", 1, late=late)
    alone = statements(world.store, lambda: claim(world, channel_id))

    tell(world, channel_id, "uwe", *range(2, 202), late=late)

    assert statements(world.store, lambda: claim(world, channel_id)) == alone


def test_many_events_are_taken_and_ended_by_as_few_statements_as_one(world: World) -> None:
    channel_id = channel_of(world)

    def turn(most: int) -> None:
        parcels = claim_many(world, channel_id, most)
        assert len(parcels) == most
        with world.store.begin("tests.finish") as tx:
            ours = tx.deliveries.finish(parcels, "me")
        assert ours == {parcel.batch for parcel in parcels}

    tell(world, channel_id, "uwe", *range(1, 102))
    alone = statements(world.store, lambda: turn(1))

    assert statements(world.store, lambda: turn(100)) == alone
    assert waiting_now(world) == 0


def test_what_is_taken_together_comes_in_the_order_in_which_it_was_ready(world: World) -> None:
    channel_id = channel_of(world)
    tell(world, channel_id, "uwe", 5, 3, 9)
    tell(world, channel_id, "eva", 4)
    with world.store.begin("tests.order") as tx:
        later = update(deliveries).where(deliveries.c.notification_id == 3)
        tx.db.execute(later.values(ready_at=LONG_AGO + timedelta(minutes=1)))

    assert [parcel.batch for parcel in claim_many(world, channel_id, 3)] == ["4", "5", "9"]
    assert [parcel.batch for parcel in claim_many(world, channel_id, 3)] == ["3"]


@pytest.mark.rule("W3")
def test_what_nobody_came_back_with_goes_by_itself(world: World) -> None:
    channel_id = channel_of(world)
    tell(world, channel_id, "uwe", 1, 2, 3)
    assert len(claim_many(world, channel_id, 10, "dead")) == 3
    tell(world, channel_id, "uwe", 4, 5)
    with world.store.begin("tests.lease") as tx:
        mine = update(deliveries).where(deliveries.c.owner == "dead")
        tx.db.execute(mine.values(ready_at=LONG_AGO + timedelta(minutes=1)))

    taken = [[parcel.batch for parcel in claim_many(world, channel_id, 10)] for _ in range(5)]

    assert taken == [["4", "5"], ["1"], ["2"], ["3"], []]


@pytest.mark.rule("I2", "E91")
def test_what_is_released_unsent_is_as_if_nobody_had_claimed_it(world: World) -> None:
    channel_id = channel_of(world)
    tell(world, channel_id, "uwe", 1, 2)
    first = claim_many(world, channel_id, 2)
    with world.store.begin("tests.back") as tx:
        assert tx.deliveries.release_unsent(first, "me", 0) == {"1", "2"}
        assert not tx.deliveries.release_unsent(first, "me", 0), "once"
        moments = tx.db.execute(
            select(deliveries.c.ready_at, deliveries.c.batch, deliveries.c.attempts)
        ).all()
        made = tx.db.scalars(select(notifications.c.created_at)).all()
    assert moments == [(made[0], None, 0)] * 2


@pytest.mark.rule("I2", "E91")
def test_what_may_have_gone_out_before_keeps_its_shape_when_it_is_released(world: World) -> None:
    channel_id = channel_of(world)
    tell(world, channel_id, "uwe", 1, 2, late=True)
    for untouched in (False, True, None):
        [summary] = claim_many(world, channel_id, 200)
        with world.store.begin("tests.back") as tx:
            if untouched is None:
                tx.deliveries.release_unsent([summary], "me", 0)
            else:
                tx.deliveries.release([summary], "me", 0, "x", counted=False, untouched=untouched)
    tell(world, channel_id, "uwe", 3, 4, late=True)
    again = {
        parcel.batch: [item.id for item in parcel.items] for parcel in claim_many(world, channel_id, 200)
    }
    assert again.pop(summary.batch) == [1, 2]
    assert list(again.values()) == [[3, 4]]


@pytest.mark.rule("E91", "W11")
def test_late_mail_of_many_users_is_taken_in_short_transactions(world: World) -> None:
    channel_id = channel_of(world)
    for number in range(1, 61):
        tell(world, channel_id, f"u{number}", number, late=True)
    taken = [len(claim_many(world, channel_id, 200)) for _ in range(4)]
    assert sum(taken) == 60
    assert max(taken) <= 20


@pytest.mark.rule("D12", "E86")
def test_what_waits_for_a_sign_in_is_out_of_others_way_until_it_comes(world: World) -> None:
    other = make_world(world.store, "eva@firm.example", "eva")
    channel_id = channel_of(world)
    tell(world, channel_id, "uwe", *range(1, 121))
    tell(other, channel_id, "eva", 121)
    sign_out(world)

    first = claim(world, channel_id)

    assert first
    assert [item.id for item in first.items] == [121]
    assert waiting_now(world) == 0, "no later turn reads it again"
    assert claim(world, channel_id) is None
    sign_in(world)
    assert waiting_now(world) == 120
    again = claim(world, channel_id)
    assert again
    assert [item.id for item in again.items] == [1]


@pytest.mark.rule("W2", "I2")
def test_a_sign_in_takes_nothing_from_whoever_is_sending_it(world: World) -> None:
    channel_id = channel_of(world)
    tell(world, channel_id, "uwe", 1)
    sign_out(world)
    assert claim(world, channel_id) is None
    sign_in(world)
    assert claim(world, channel_id), "this is me"

    sign_in(world)

    assert claim_many(world, channel_id, 1, "other") == ()


@pytest.mark.rule("D12", "W2")
def test_what_nobody_came_back_with_and_then_waits_for_a_sign_in_waits_no_longer_than_that(
    world: World,
) -> None:
    channel_id = channel_of(world)
    tell(world, channel_id, "uwe", 1, 2)
    assert len(claim_many(world, channel_id, 2, "dead")) == 2
    sign_out(world)
    with world.store.begin("tests.lease") as tx:
        tx.db.execute(update(deliveries).values(ready_at=LONG_AGO))
    assert claim(world, channel_id) is None

    sign_in(world)

    assert [parcel.batch for parcel in claim_many(world, channel_id, 2)] == ["1", "2"]


@pytest.mark.rule("E91")
def test_late_mail_steps_aside_until_the_last_of_it_has_come_together(world: World) -> None:
    channel_id = channel_of(world)
    tell(world, channel_id, "uwe", 1, 2, late=True)
    soon = datetime.now(UTC) + timedelta(seconds=40)
    with world.store.begin("tests.gather") as tx:
        tx.db.execute(update(deliveries).where(deliveries.c.notification_id == 2).values(ready_at=soon))

    assert claim(world, channel_id) is None
    with world.store.begin("tests.look") as tx:
        moments = tx.db.scalars(select(deliveries.c.ready_at)).all()
    assert len(set(moments)) == 1, "both at the moment of the last"
    with world.store.begin("tests.pass") as tx:
        tx.db.execute(update(deliveries).values(ready_at=LONG_AGO))
    summary = claim(world, channel_id)
    assert summary
    assert summary.summary
    assert [item.id for item in summary.items] == [1, 2]


@pytest.mark.rule("W2")
def test_a_re_driver_writes_so_many_rows_of_a_backlog_and_no_more(world: World) -> None:
    channel_id = channel_of(world)
    tell(world, channel_id, "uwe", *range(1, 31))

    with world.store.begin("tests.redrive") as tx:
        assert tx.deliveries.redrive(10) == (channel_id,)
        moved = tx.db.scalar(
            select(func.count()).select_from(deliveries).where(deliveries.c.redrive_at > LONG_AGO)
        )
    assert moved == 10
