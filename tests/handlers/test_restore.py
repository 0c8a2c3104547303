"""An older database is put back: what happens to the mail that came since the backup (docs/RUNBOOK.md)."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select, text

from domain.crm.categories import Category
from domain.ids import MailboxId
from handlers import reports
from infra.db.tables.mail import notifications
from tests.handlers.conftest import House
from tests.handlers.test_explain import explained
from tests.journeys.world import CUSTOMERS, OPEN, UWE

EVA = "eva@firm.example"

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def back_up(house: House, tmp_path: Path) -> Callable[[], Callable[[], None]]:
    """Copies the database; what it returns puts the copy back, while no process runs, and empties Redis."""
    place = house.store.engine.url.database
    assert place is not None

    def copy() -> Callable[[], None]:
        backup = tmp_path / "backup.db"
        with house.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
            db.connection.driver_connection.execute(f"VACUUM INTO '{backup}'")  # type: ignore[union-attr]

        def restore() -> None:
            house.store.engine.dispose()
            for leftover in ("-wal", "-shm"):
                Path(place + leftover).unlink(missing_ok=True)
            shutil.copyfile(backup, place)
            house.queue.redis.flushall()

        return restore

    return copy


def ids(house: House) -> dict[str, int]:
    """The id of each notification, by message."""
    with house.store.engine.connect() as db:
        return {row.message_id: row.id for row in db.execute(select(notifications))}


@pytest.mark.rule("I1", "I2", "I6", "E84", "E60")
@pytest.mark.parametrize("expired", [False, True], ids=["history there", "history expired"])
def test_mail_since_the_backup_is_handled_again_and_labelled_mail_is_left_alone(
    house: House, back_up: Callable[[], Callable[[], None]], expired: bool
) -> None:
    house.connect()
    before = house.deliver("ann", 1)
    house.catch_up()
    restore = back_up()
    labelled, other = house.deliver("ann", 2), house.deliver("cid", 3)
    house.catch_up()
    unlabelled = house.deliver("lea", 4)
    house.gmail.expire_access_tokens(UWE)
    if expired:
        house.gmail.expire_history(UWE)
    restore()
    missed = house.deliver("ann", 5)
    house.gmail.reset_counters()
    house.catch_up()
    assert house.outcomes() == {
        before: "label.open",
        labelled: "label.user_choice",
        other: "label.user_choice",
        unlabelled: "label.none",
        missed: "label.open",
    }
    assert sorted(house.notified()) == sorted([before, labelled, other, unlabelled, missed])
    assert house.labels(labelled) == {"UNREAD", OPEN}
    assert house.labels(other) == {"UNREAD", CUSTOMERS}
    counters = house.gmail.counters()
    assert (counters.calls_of("messages.get"), counters.calls_of("messages.modify")) == (4, 1)
    assert counters.token_requests == 1, "the backup's access token is stale, its refresh token is not"
    assert "not labelled: the user, or a filter of his" in explained(house, labelled)


def test_a_reader_must_go_back_because_numbers_are_given_again(
    house: House, back_up: Callable[[], Callable[[], None]]
) -> None:
    house.connect()
    house.deliver("ann", 1)
    house.catch_up()
    restore = back_up()
    since = [house.deliver("ann", 2), house.deliver("ann", 3)]
    house.catch_up()
    last = max(ids(house).values())
    restore()
    missed = house.deliver("ann", 4)
    house.catch_up()
    assert [one.message_id for one in reports.notifications("uwe", 1, None, context=house.context)] == [
        *since,
        missed,
    ]
    assert missed not in [
        one.message_id for one in reports.notifications("uwe", last + 1, None, context=house.context)
    ]


def test_numbers_above_all_that_were_given_spare_the_readers_that(
    house: House, back_up: Callable[[], Callable[[], None]]
) -> None:
    house.connect()
    house.deliver("ann", 1)
    house.catch_up()
    restore = back_up()
    house.deliver("ann", 2)
    house.catch_up()
    last = max(ids(house).values())
    restore()
    with house.store.engine.begin() as db:
        db.execute(
            text("UPDATE sqlite_sequence SET seq = seq + 1000000 WHERE name IN ('notifications', 'events')")
        )
    missed = house.deliver("ann", 3)
    house.catch_up()
    assert missed in [
        one.message_id for one in reports.notifications("uwe", last, None, context=house.context)
    ]


@pytest.mark.rule("Z8", "D12")
def test_who_was_connected_since_the_backup_is_unknown_and_may_connect_again(
    house: House, back_up: Callable[[], Callable[[], None]]
) -> None:
    house.connect()
    restore = back_up()
    house.connect("eva", EVA)
    restore()
    unknown = house.deliver("ann", to=EVA)
    house.push(EVA)
    assert house.pump() == []
    assert house.outcomes() == {}
    house.connect("eva", EVA)
    known = house.deliver("ann", 2, to=EVA)
    house.push(EVA)
    house.pump()
    assert house.outcomes() == {known: "label.open"}
    assert "INBOX" in house.labels(unknown, EVA), "what came in between is not handled"


@pytest.mark.rule("E54", "E56")
def test_labels_made_since_the_backup_are_found_by_their_names(
    house: House, back_up: Callable[[], Callable[[], None]]
) -> None:
    house.connect(sorting=False)
    restore = back_up()
    house.connect()
    restore()
    house.connect()
    with house.store.begin("tests.look") as tx:
        mailbox = tx.mailboxes.get(MailboxId(1))
    assert mailbox is not None
    assert mailbox.labels.keys() == set(Category) - {Category.NONE}
    assert sorted(house.gmail.dump(UWE).labels.values()).count(OPEN) == 1
