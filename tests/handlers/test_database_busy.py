"""The database is busy: nothing is lost, no tries are counted, and what is not concerned goes on (I4, E88, W13)."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
from sqlalchemy import Table, event, select, text, update
from sqlalchemy.exc import DBAPIError

from domain.errors import DatabaseAway
from domain.events import MailFound
from domain.ids import MailboxId
from domain.ledger import TRIES
from domain.mailboxes.accounts import Grant
from handlers import matching, notifications
from handlers.mailboxes import history as mailboxes_handler
from handlers.sorting.sort import sort
from handlers.troubles import once_more
from infra.db.store import Store
from infra.db.tables.connections import connections
from infra.db.tables.ledger import steps
from infra.db.tables.mailboxes import mailboxes
from infra.db.tables.schema import HEAD
from infra.secrets import Cipher
from tests import sweep
from tests.handlers.conftest import LONG_AGO, House
from tests.journeys.world import OPEN
from tests.providers import Altered, entered_by

POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
SHORT = 0.2


@pytest.fixture
def hasty(house: House, database_url: str, cipher: Cipher) -> Iterator[House]:
    """The same house, in which nobody waits for a lock for longer than 0.2 s."""
    store = Store(database_url, cipher, lock_wait=SHORT)
    yield replace(house, context=replace(house.context, store=store))
    store.engine.dispose()


class Lock:
    """Somebody else's, on rows of one table; on SQLite it is on all there is."""

    def __init__(self, house: House, table: Table) -> None:
        self._db = house.store.engine.connect()
        self._table = table

    def take(self) -> None:
        self._db.execute(select(self._table).with_for_update())

    def give_back(self) -> None:
        self._db.rollback()
        self._db.close()


class Locking:
    """Gmail, and once it has answered somebody has a lock."""

    def __init__(self, gmail: Any, lock: Callable[[], None]) -> None:
        self._gmail = gmail
        self._lock = lock
        self.calls = 0

    def open(self, grant: Grant) -> Any:
        return Altered(self._gmail.open(grant), self._part)

    def _part(self, name: str, real: Any) -> Any:
        def call(*args: Any) -> Any:
            answer = real(*args)
            self.answered()
            return answer

        return call if name in ("headers", "change") else real

    def answered(self) -> None:
        self.calls += 1
        if self.calls == 1:
            self._lock()


def tries(house: House) -> set[int]:
    with house.store.engine.connect() as db:
        return set(db.scalars(select(steps.c.attempts)))


def let_claims_end(house: House) -> None:
    with house.store.engine.begin() as db:
        db.execute(update(steps).values(ready_at=LONG_AGO))


@contextmanager
def meanwhile(do: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=do)
    thread.start()
    try:
        yield
    finally:
        thread.join(30)


@pytest.mark.rule("E88", "W3", "I4")
@POSTGRESQL
def test_a_row_locked_over_more_tries_than_a_mail_has_costs_it_none(hasty: House) -> None:
    """The connection's row: what was fetched cannot be recorded, what was claimed can be given back."""
    hasty.connect()
    mails = [hasty.deliver("ann", number) for number in range(3)]
    hasty.catch_up_only()
    lock = Lock(hasty, connections)
    lock.take()
    for _ in range(TRIES + 2):
        let_claims_end(hasty)
        with pytest.raises(DatabaseAway):
            matching.match(MailboxId(1), hasty.context)
        assert tries(hasty) == {0}
    lock.give_back()
    let_claims_end(hasty)
    matching.match(MailboxId(1), hasty.context)
    hasty.pump()
    assert hasty.outcomes() == dict.fromkeys(mails, "label.open")
    assert hasty.notified() == mails


@pytest.mark.rule("E88", "W3", "I4", "W5")
@pytest.mark.parametrize("step", ["match", "sort"])
@pytest.mark.parametrize("table", [steps, connections], ids=["the steps", "the connection"])
def test_what_gmail_has_answered_into_a_lock_is_given_back_uncounted(
    hasty: House, table: Table, step: str
) -> None:
    """Not even the claim can be given back while it lasts; on SQLite nothing can be written at all."""
    hasty.connect()
    message_id = hasty.deliver("ann")
    hasty.catch_up_only()
    if step == "sort":
        matching.match(MailboxId(1), hasty.context)
        notifications.announce(MailboxId(1), hasty.context)
    lock = Lock(hasty, table)
    gmail = Locking(hasty.context, lock.take)
    context = entered_by(hasty.context, gmail)
    refused, told, over = threading.Semaphore(0), threading.Event(), threading.Event()
    event.listen(cast(Store, context.store).engine, "handle_error", lambda _: refused.release())

    def end() -> None:
        """The work could not be recorded, nor the claim given back: once somebody has tried, or has given up."""
        for _ in range(2):
            while not refused.acquire(timeout=0.05) and not told.is_set():
                pass
        over.set()
        lock.give_back()

    with meanwhile(end):
        try:
            with pytest.raises(DatabaseAway):
                (matching.match if step == "match" else sort)(MailboxId(1), context)
        finally:
            waited = over.is_set()
            told.set()
    assert waited or table is connections, "it waited until the claim could be given back"
    with hasty.store.engine.connect() as db:
        mine = (steps.c.step == step, steps.c.owner.is_(None), steps.c.attempts == 0)
        assert db.scalar(select(steps.c.state).where(*mine)) == "waiting"
    hasty.let_time_pass()
    hasty.catch_up()
    assert hasty.outcomes() == {message_id: "label.open"}
    assert hasty.labels(message_id) == {"UNREAD", OPEN}
    assert hasty.notified() == [message_id]


@pytest.mark.rule("E88", "W16")
@pytest.mark.parametrize("version", ["9999", HEAD], ids=["another release", "a fault of ours"])
def test_what_fails_on_another_release_s_tables_is_given_back_uncounted(house: House, version: str) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.catch_up_only()
    with migrated(house, version), pytest.raises((DatabaseAway, DBAPIError)) as failed:
        matching.match(MailboxId(1), house.context)
    if version == HEAD:
        assert (failed.type is DatabaseAway, tries(house)) == (False, {1})
    else:
        assert (str(failed.value), tries(house)) == ("schema", {0})
    house.let_time_pass()
    house.catch_up()
    assert house.outcomes() == {message_id: "label.open"}


@contextmanager
def migrated(house: House, version: str) -> Iterator[None]:
    """Meanwhile a table is another, and the database says that it is at this migration."""
    _rename("contact_address", "elsewhere", house, version)
    try:
        yield
    finally:
        _rename("elsewhere", "contact_address", house, HEAD)


def _rename(name: str, other: str, house: House, version: str) -> None:
    with house.store.engine.begin() as db:
        db.execute(text(f"ALTER TABLE decisions RENAME COLUMN {name} TO {other}"))
        db.execute(text("UPDATE alembic_version SET version_num = :now"), {"now": version})


@pytest.mark.rule("I4", "Z33")
@POSTGRESQL
def test_a_mailbox_that_somebody_has_locked_stops_no_push_not_even_its_own(hasty: House) -> None:
    hasty.connect()
    hasty.connect("eva", "eva@firm.example")
    hasty.pump()
    lock = Lock(hasty, mailboxes)
    lock.take()
    hasty.push()  # whoever waited here would be told that the database is busy
    hasty.push("eva@firm.example")
    lock.give_back()
    assert [getattr(event, "mailbox_id", None) for event in hasty.sent] == [1, 2]


@pytest.mark.rule("I4", "W2")
@POSTGRESQL
def test_a_sweep_waits_for_nobody(hasty: House) -> None:
    hasty.connect()
    hasty.connect("eva", "eva@firm.example")
    for address in ("uwe@firm.example", "eva@firm.example"):
        hasty.deliver("ann", to=address)
    for mailbox_id in (1, 2):
        mailboxes_handler.catch_up(MailboxId(mailbox_id), "sweep", hasty.context)
    hasty.sent.clear()
    hasty.let_time_pass()
    with hasty.store.engine.connect() as db:
        db.execute(select(steps).where(steps.c.mailbox_id == 1).with_for_update())
        sweep.redrive(hasty.context)
        sweep.catch_up_due(hasty.context)
    assert {2} <= {event.mailbox_id for event in hasty.sent if isinstance(event, MailFound)}


def test_who_was_ended_by_a_deadlock_goes_second_and_its_caller_hears_nothing() -> None:
    met = ["deadlock"]

    def run() -> str:
        if met:
            raise DatabaseAway(met.pop())
        return "done"

    assert once_more(run) == "done"


@pytest.mark.parametrize("reason", ["busy", "away"])
def test_what_is_busy_or_away_is_not_asked_again_at_once(reason: str) -> None:
    runs: list[None] = []

    def run() -> None:
        runs.append(None)
        raise DatabaseAway(reason)

    with pytest.raises(DatabaseAway):
        once_more(run)
    assert len(runs) == 1
