"""The database: short transactions on SQLite (WAL) or PostgreSQL."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from threading import RLock
from typing import Any

from sqlalchemy import Connection, Engine, RootTransaction, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError

from domain.errors import DatabaseAway
from infra.db import walls
from infra.db.tables.schema import HEAD
from infra.db.transaction import Transaction as Transaction
from infra.db.trouble import translated
from infra.db.walls import WALLED
from infra.faults import reached
from infra.secrets import Cipher

READS_ONLY = "lodestone_reads_only"
PATIENT = "lodestone_patient"
"""Execution options of a connection, see Store.begin."""

WITHIN = "lodestone_within"
"""Execution option: seconds to wait for SQLite's write lock, for a caller that tries again by itself."""

LOCK_WAIT = {"postgresql": 5.0, "sqlite": 30.0}
"""Seconds. PostgreSQL locks rows: a transaction that waits longer gives up, so that others can go on. SQLite has one
write lock: giving up earlier would only bring the same caller back to it."""

CUT_OFF_WAIT = 0.2
"""Seconds for which truncating SQLite's log waits for readers; then it lets writers go first for as long."""

LONG = frozenset(
    {
        "aliases.add",
        "connections.delete",
        "connections.forget",
        "connections.leave",
        "connections.record",
        "connections.switch_off",
        "connections.take_over",
        "crm.delete",
        "crm.put",
        "keys.forget",
        "keys.rotate",
        "locations.delete",
        "locations.empty",
    }
)
"""Transactions that wait for locks without limit: they lock a whole user or mailbox, as connecting and leaving do, or
make a large change that somebody waits for. Migrations wait without limit too."""

_FOR_EVER = 2**31 - 1
BUSY_TIMEOUT = "lodestone_busy_timeout"
"""The busy timeout that a SQLite connection has, kept with the connection, so that it is set only when it changes."""

USED = "lodestone_used"
"""When a connection to PostgreSQL was last used, kept with the connection."""

FRESH = 1.0
"""Seconds after its last use for which a connection is taken to be alive: a transaction that only reads then needs no
BEGIN and COMMIT."""

_VERSION = text("SELECT version_num FROM alembic_version")

_PATIENCE = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""So a PostgreSQL host that has vanished is noticed within about a minute. The URL may set other values."""


class Store:
    """Opens transactions.

    `redrive_after`: seconds after which unfinished work is asked for again (W2). `gather`: seconds for which late
    notifications wait for others to become one summary (E91). `lock_wait`: seconds, instead of LOCK_WAIT.

    A transaction that locks rows of several tables locks them in this order, and rows of one table in key order:
    organisations, locations, users, connections, mailboxes, steps, decisions, messages, notifications, conversations,
    channels, deliveries, event_deliveries, outbox, unit_sums, units, objects. Advisory locks come before all of them, a
    user's before a mailbox's; only that of a location's events, which its writers share, comes late. A claim skips
    locked rows, so it may come out of turn: a statement that does not wait is in no deadlock.
    """

    def __init__(
        self,
        url: str,
        cipher: Cipher,
        *,
        redrive_after: float = 60,
        gather: float = 60,
        lock_wait: float | None = None,
    ) -> None:
        self.engine = open_engine(url, lock_wait)
        self._lock_wait = lock_wait or LOCK_WAIT[self.engine.dialect.name]
        # SQLite has one writer at a time, and the others poll. The threads of this process queue instead.
        self._writers = RLock() if self.engine.dialect.name == "sqlite" else None
        self._cipher = cipher
        self._redrive_after = redrive_after
        self._gather = gather

    @contextmanager
    def begin(self, name: str, *, reads_only: bool = False) -> Iterator[Transaction]:
        """Commit at the end, roll back on any error. `name` is the fault point; with `reads_only` it holds up no
        writer.

        Raises DatabaseAway, also when a lock is not free within LOCK_WAIT, unless `name` is in LONG. Must not be open
        during a call to the network (I8), nor within another one.
        """
        patient = name in LONG
        try:
            with (
                translated(),
                nullcontext() if reads_only else self._turn(patient=patient),
                self._begun({READS_ONLY: reads_only, PATIENT: patient}) as transaction,
            ):
                yield Transaction(transaction.connection, self._cipher, self._redrive_after, self._gather)
                with reached(name):
                    transaction.commit()
        except DBAPIError as error:
            if version_of(self.engine) == HEAD:
                raise
            raise DatabaseAway("schema") from error

    @contextmanager
    def _begun(self, options: Mapping[str, bool]) -> Iterator[RootTransaction]:
        """Begin a transaction. A connection that died while idle fails at BEGIN, before anything was done on it: then
        another one is taken, once. So no connection need be tested before each transaction."""
        try:
            transaction = self._connected(options)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            transaction = self._connected(options)
        with transaction.connection, transaction:
            yield transaction

    def _connected(self, options: Mapping[str, bool]) -> RootTransaction:
        db = self.engine.connect().execution_options(**options)
        try:
            return db.begin()
        except BaseException:
            db.close()
            raise

    @contextmanager
    def _turn(self, *, patient: bool) -> Iterator[None]:
        if self._writers is None:
            yield
            return
        if not self._writers.acquire(timeout=-1 if patient else self._lock_wait):
            raise DatabaseAway("busy")
        try:
            yield
        finally:
            self._writers.release()

    def scrub(self, within: float | None = None) -> None:
        """Write SQLite's log back and truncate it, as it keeps what was deleted until then (D12). Nothing on
        PostgreSQL.

        Writing back holds up nobody. Truncating waits for readers, and writers wait for it: so it is tried for
        CUT_OFF_WAIT, repeatedly, for `within` seconds or else as long as for a lock. A reader may outlast that: every
        caller that deletes calls this, and the sweep's purge calls it again.
        """
        if self.engine.dialect.name != "sqlite":
            return
        with translated(), closing(self.engine.raw_connection()) as db:
            db.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            db.info.pop(BUSY_TIMEOUT, None)
            db.cursor().execute(f"PRAGMA busy_timeout = {round(1000 * CUT_OFF_WAIT)}")
            end = time.monotonic() + (self._lock_wait if within is None else within)
            while db.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                if time.monotonic() > end:
                    return
                time.sleep(CUT_OFF_WAIT)


def version_of(engine: Engine) -> str | None:
    """The migration that the database is at, None where it has none. Waits for no writer of SQLite."""
    try:
        with translated(), engine.connect() as db:
            found: str | None = db.execution_options(**{READS_ONLY: True}).scalar(_VERSION)
            return found
    except DBAPIError:  # there is no such table
        return None


def open_engine(url: str, lock_wait: float | None = None) -> Engine:
    """An engine for SQLite or PostgreSQL, by SQLAlchemy URL. `lock_wait`: seconds, instead of LOCK_WAIT."""
    where = make_url(url)
    name = where.get_backend_name()
    wait = round(1000 * (lock_wait or LOCK_WAIT[name]))
    if name == "postgresql":
        patience = {key: value for key, value in _PATIENCE.items() if key not in where.query}
        engine = create_engine(where, pool_size=20, hide_parameters=True, connect_args=patience)
        event.listen(engine, "connect", _set_up_postgresql)
        event.listen(engine, "begin", partial(_begin_on_postgresql, wait))
        return engine
    engine = create_engine(where, hide_parameters=True, connect_args={"timeout": wait / 1000})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", partial(_begin_on_sqlite, wait))
    return engine


def _set_up_postgresql(db: Any, record: Any) -> None:
    """The driver begins no transaction: `_begin_on_postgresql` does."""
    db.autocommit = True
    walls.look(db, record.info)


def _begin_on_postgresql(wait: int, db: Connection) -> None:
    """Begin with the lock timeout in the same round trip. SET LOCAL leaves nothing on the connection, whatever pool it
    comes from."""
    options = db.get_execution_options()
    now = time.monotonic()
    fresh, db.info[USED] = now - db.info.get(USED, -FRESH) < FRESH, now
    if fresh and options.get(READS_ONLY) and not db.info[WALLED]:
        return  # each statement sees what is committed at its start, in a transaction or not
    patient = options.get(PATIENT) or options.get(READS_ONLY)
    db.exec_driver_sql("BEGIN" if patient else f"BEGIN; SET LOCAL lock_timeout = {wait}")


def _set_up_sqlite(db: Any, _: object) -> None:
    """WAL, for several processes (W11). Deleted content is overwritten at once (D12)."""
    db.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON", "foreign_keys=ON"):
        db.execute(f"PRAGMA {pragma}")


def _begin_on_sqlite(wait: int, db: Connection) -> None:
    """A writer begins as one: SQLite refuses at once, without waiting, a reader that becomes a writer (W11)."""
    options = db.get_execution_options()
    wanted = _FOR_EVER if options.get(PATIENT) else round(1000 * options.get(WITHIN, wait / 1000))
    if db.info.get(BUSY_TIMEOUT) != wanted:  # it stays with the connection
        db.exec_driver_sql(f"PRAGMA busy_timeout = {wanted}")
        db.info[BUSY_TIMEOUT] = wanted
    db.exec_driver_sql("BEGIN" if options.get(READS_ONLY) else "BEGIN IMMEDIATE")
