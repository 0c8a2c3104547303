"""Connections: what works, what a change of settings means for jobs in flight, and what their end leaves."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

from domain.connections.connections import Connection, ConnectionState, Features, Mode, Sharing
from domain.ids import ConnectionId
from domain.ledger import Claim
from domain.mailboxes.accounts import AccountKey
from domain.outcomes import Outcome
from domain.retention import After, Forgotten
from infra.db.store import Store
from infra.db.tables.connections import connections
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions, messages, notifications
from tests.providers import changed
from tests.worlds import GRANT, HERE, KEPT, START, World, arrive, connect, connection_of, make_world, match


def get(world: World, connection_id: ConnectionId | None = None) -> Connection:
    with world.store.begin("tests.get") as tx:
        found = tx.connections.get(connection_id or world.connection_id)
    assert found
    return found


def working(world: World) -> list[int]:
    with world.store.begin("tests.working") as tx:
        return [connection.id for connection in tx.connections.working(world.mailbox_id)]


def change(world: World, *, magnet: bool = True, sorting: bool = True) -> None:
    with world.store.begin("connections.record") as tx:
        tx.connections.change(
            world.connection_id,
            Features(magnet_since=START if magnet else None, sorting_since=START if sorting else None),
            dry_run=False,
        )


def announce(world: World, *message_ids: str) -> None:
    arrive(world, *message_ids)
    match(world, *message_ids)
    with world.store.begin("notifications.record") as tx:
        claims = [Claim(message_id, world.connection_id, 1) for message_id in message_ids]
        tx.notifications.notify(connection_of(tx, world), claims, tx.decisions.links(claims), KEPT)


def kept(store: Store) -> dict[str, int]:
    with store.begin("tests.kept") as tx:
        tables = (messages, steps, decisions, notifications)
        return {t.name: len(tx.db.execute(select(t)).all()) for t in tables}


NOTHING = {"messages": 0, "steps": 0, "decisions": 0, "notifications": 0}


@pytest.mark.rule("D2-6", "D2", "Z2")
def test_a_new_connection_has_nothing_to_do_until_a_feature_is_on(store: Store) -> None:
    with store.begin("tests.add") as tx:
        mailbox_id = tx.mailboxes.add(AccountKey("gmail", "uwe@firm.example"), "uwe@firm.example")
        connection_id = tx.of(HERE).connections.add("uwe", mailbox_id, GRANT, Sharing.PRIVATE)
        made = tx.connections.get(connection_id)
        assert made
        assert (made.mode, made.state, made.features) == (Mode.LIVE, ConnectionState.ACTIVE, Features())
        assert not made.works
        assert tx.connections.working(mailbox_id) == ()
        assert tx.connections.of_mailbox(mailbox_id) == tx.of(HERE).connections.of_user("uwe") == (made,)


@pytest.mark.rule("D3-1")
@pytest.mark.parametrize("ends", ["reauth_needed", "off", "magnet off"])
def test_a_connection_that_is_not_active_is_not_worked_for(world: World, ends: str) -> None:
    assert working(world) == [world.connection_id]
    if ends == "magnet off":
        change(world, magnet=False, sorting=False)
    else:
        with world.store.begin("tests.end") as tx:
            if ends == "off":
                tx.connections.switch_off(world.connection_id)
            else:
                tx.connections.need_sign_in(connection_of(tx, world))

    assert working(world) == []
    assert not get(world).works


@pytest.mark.rule("W15", "E79")
def test_the_end_of_one_connection_leaves_the_mailbox_s_others(world: World) -> None:
    with world.store.begin("tests.second") as tx:
        second = connect(tx, world.mailbox_id, "eva")
    assert working(world) == [world.connection_id, second], "the first made comes first"

    with world.store.begin("tests.expire") as tx:
        tx.connections.need_sign_in(connection_of(tx, world))

    assert working(world) == [second]


@pytest.mark.rule("E86")
def test_the_first_who_sees_the_grant_gone_tells_the_user_and_nobody_else(
    world: World, second_store: Store
) -> None:
    def expire(store: Store) -> bool:
        with store.begin("mailboxes.need_sign_in") as tx:
            return tx.connections.need_sign_in(connection_of(tx, world))

    with ThreadPoolExecutor(4) as pool:
        first = list(pool.map(expire, 2 * (world.store, second_store)))

    assert first.count(True) == 1
    assert get(world).state is ConnectionState.REAUTH_NEEDED


@pytest.mark.rule("W6")
def test_every_change_of_settings_makes_a_new_version_and_a_token_does_not(world: World) -> None:
    versions = [get(world).version]
    change(world, sorting=False)
    versions.append(get(world).version)
    with world.store.begin("tests.expire") as tx:
        tx.connections.need_sign_in(connection_of(tx, world))
    versions.append(get(world).version)
    with world.store.begin("tests.sign_in") as tx:
        tx.connections.sign_in_again(world.connection_id, GRANT)
    versions.append(get(world).version)
    with world.store.begin("tests.off") as tx:
        tx.connections.switch_off(world.connection_id)
    versions.append(get(world).version)
    assert versions == [versions[0] + step for step in range(5)]

    with world.store.begin("tests.keep") as tx:
        tx.connections.keep_grant(connection_of(tx, world), GRANT)
    assert get(world).version == versions[-1]


@pytest.mark.rule("W6")
def test_settings_do_not_change_while_a_commit_checks_them(world: World, second_store: Store) -> None:
    checked, may_commit = threading.Event(), threading.Event()

    def commit_slowly() -> int:
        with world.store.begin("labels.record") as tx:
            [connection] = tx.connections.working(world.mailbox_id, locked=True)
            checked.set()
            assert may_commit.wait(60)
            return connection.version

    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(commit_slowly)
        assert checked.wait(60)
        changing = pool.submit(change, replace(world, store=second_store), sorting=False)
        time.sleep(0.1)
        assert not changing.done()
        may_commit.set()
        assert slow.result(60) == 2
        changing.result(60)

    assert get(world).version == 3


@pytest.mark.rule("I10")
def test_a_grant_comes_back_whole_and_is_nowhere_in_clear(world: World) -> None:
    refreshed = changed(GRANT, access_token="access-token-2")
    with world.store.begin("tests.keep") as tx:
        tx.connections.keep_grant(connection_of(tx, world), refreshed)
        sealed = tx.db.scalars(select(connections.c.grant)).one()

    assert get(world).grant == refreshed
    for secret in ("client-secret-1", "refresh-token-1", "access-token-2"):
        assert secret.encode() not in bytes(sealed)
        assert secret not in repr(get(world))


@pytest.mark.rule("I3")
def test_an_error_of_the_database_does_not_carry_the_values(world: World) -> None:
    """Only PostgreSQL's own DETAIL line may still name a row: logs say no more than the error's type."""
    statement = text("INSERT INTO connections (user_id, mailbox_id) VALUES (:user, :mailbox)")
    with pytest.raises(IntegrityError) as caught, world.store.begin("tests.fail") as tx:
        tx.db.execute(statement, {"user": "ann@example.com", "mailbox": None})

    assert caught.value.hide_parameters
    assert "[SQL parameters hidden due to hide_parameters=True]" in str(caught.value)


@pytest.mark.rule("D2", "Z36")
def test_what_was_kept_of_mail_goes_when_mailmagnet_goes(world: World) -> None:
    announce(world, "a")
    with world.store.begin("connections.record") as tx:
        tx.decisions.skip(world.mailbox_id, {"b": Outcome.SKIP_NO_CONTACT}, [world.connection_id])
    assert kept(world.store) == {"messages": 1, "steps": 3, "decisions": 2, "notifications": 1}

    change(world, magnet=False, sorting=False)
    with world.store.begin("connections.forget") as tx:
        forgotten = tx.connections.delete_mail(connection_of(tx, world), 100, (), alone=True)

    assert forgotten == Forgotten(2, None)
    assert kept(world.store) == NOTHING
    assert get(world).id == world.connection_id


@pytest.mark.rule("D2", "E79")
def test_another_connection_keeps_what_is_its_own(world: World) -> None:
    announce(world, "a")
    with world.store.begin("tests.second") as tx:
        second = World(world.store, world.mailbox_id, connect(tx, world.mailbox_id, "eva"))
    announce(second, "b")
    before = kept(world.store)
    assert before["notifications"] == 2

    change(world, magnet=False, sorting=False)
    with world.store.begin("connections.forget") as tx:
        tx.connections.delete_mail(connection_of(tx, world), 100, (), alone=False)

    with world.store.begin("tests.left") as tx:
        for table in (decisions, notifications):
            assert set(tx.db.scalars(select(table.c.connection_id))) == {second.connection_id}
        left = set(tx.db.scalars(select(steps.c.connection_id)))
    assert left == {0, second.connection_id}, "matching is done once for all connections"
    assert kept(world.store)["messages"] == 2


@pytest.mark.rule("D2", "D12-3", "W11")
def test_of_much_mail_a_stretch_deletes_so_many_and_says_where_to_go_on(world: World) -> None:
    """In every table so many rows at most, but for the other steps of the last mail."""
    mails = [f"m{n:02}" for n in range(20)]
    announce(world, *mails)
    change(world, magnet=False, sorting=False)
    after: After | None = ()
    left = [kept(world.store)]
    while after is not None:
        with world.store.begin("connections.forget") as tx:
            forgotten = tx.connections.delete_mail(connection_of(tx, world), 5, after, alone=True)
        after = forgotten.after
        left.append(kept(world.store))

    assert left[-1] == NOTHING
    gone = [{name: old[name] - new[name] for name in old} for old, new in pairwise(left)]
    assert len(gone) > 5
    assert all(0 < rows["decisions"] <= 5 and rows["steps"] <= 5 + 2 for rows in gone[:-1])


@pytest.mark.rule("D12-2", "D2")
def test_with_sorting_goes_what_was_kept_for_it_alone(world: World) -> None:
    announce(world, "a", "b")
    with world.store.begin("tests.old") as tx:
        old = {"author": None, "category": "OPEN"}
        tx.db.execute(update(decisions).where(decisions.c.message_id == "a").values(old))
    change(world, sorting=False)
    with world.store.begin("connections.forget") as tx:
        tx.connections.delete_mail(connection_of(tx, world), 100, (), alone=False)
        assert set(tx.db.scalars(select(decisions.c.message_id))) == {"b"}
    assert kept(world.store) == {"messages": 2, "steps": 6, "decisions": 1, "notifications": 2}


def test_mail_of_other_mailboxes_stays(store: Store) -> None:
    ending, staying = make_world(store), make_world(store, "eva@firm.example", "eva")
    for world in (ending, staying):
        announce(world, "a")

    with store.begin("connections.switch_off") as tx:
        tx.connections.switch_off(ending.connection_id)
        tx.connections.delete_mail(connection_of(tx, ending), 100, (), alone=True)
        tx.connections.delete(connection_of(tx, ending))
        tx.mailboxes.delete(ending.mailbox_id)

    assert kept(store) == {"messages": 1, "steps": 3, "decisions": 1, "notifications": 1}
    assert working(staying) == [staying.connection_id]
    with store.begin("tests.gone") as tx:
        assert tx.connections.get(ending.connection_id) is None
