"""The database: one short transaction at a time, on SQLite (WAL) or PostgreSQL."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from datetime import datetime
from threading import RLock
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, select

from infra.db.aliases import AliasRows
from infra.db.channels import ChannelRows
from infra.db.connections import ConnectionRows
from infra.db.contacts import ContactRows
from infra.db.crm import CrmRows
from infra.db.decisions import DecisionRows
from infra.db.deliveries import DeliveryRows
from infra.db.history import HistoryRows
from infra.db.ledger import LedgerRows
from infra.db.mailboxes import MailboxRows
from infra.db.messages import MessageRows
from infra.db.notifications import NotificationRows
from infra.db.outbox import OutboxRows
from infra.db.reports import ReportRows
from infra.db.sharing import SharingRows
from infra.db.sign_ins import SignInRows
from infra.db.types import db_now
from infra.db.users import UserRows
from infra.faults import reached
from infra.secrets import Cipher

_READS_ONLY = "lodestone_reads_only"

_PATIENCE = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""A PostgreSQL host that has vanished is noticed within a minute or so; the URL may say otherwise."""


class Transaction:
    """What one transaction can see and change, by noun."""

    def __init__(self, db: Connection, cipher: Cipher, redrive_after: float, gather: float) -> None:
        self.db = db
        self.mailboxes = MailboxRows(db)
        self.connections = ConnectionRows(db, cipher)
        self.aliases = AliasRows(db)
        self.contacts = ContactRows(db)
        self.crm = CrmRows(db)
        self.decisions = DecisionRows(db)
        self.notifications = NotificationRows(db, redrive_after, gather)
        self.channels = ChannelRows(db, cipher)
        self.deliveries = DeliveryRows(db, self.channels, redrive_after)
        self.history = HistoryRows(db)
        self.ledger = LedgerRows(db, redrive_after)
        self.messages = MessageRows(db, self.ledger, self.decisions)
        self.outbox = OutboxRows(db, redrive_after)
        self.reports = ReportRows(db)
        self.sign_ins = SignInRows(db, cipher)
        self.users = UserRows(db)
        self.sharing = SharingRows(db)

    def now(self) -> datetime:
        """The database's clock (W14)."""
        return self.db.execute(select(db_now())).scalar_one()


class Store:
    """Opens transactions. `redrive_after`: seconds after which unfinished work is asked for again (W2);
    `gather`: seconds that late notifications are given to become one summary (E91)."""

    def __init__(self, url: str, cipher: Cipher, *, redrive_after: float = 60, gather: float = 60) -> None:
        self.engine = open_engine(url)
        # SQLite lets one writer in at a time and has the others poll; our own threads can queue instead.
        self._writers = RLock() if self.engine.dialect.name == "sqlite" else nullcontext()
        self._cipher = cipher
        self._redrive_after = redrive_after
        self._gather = gather

    @contextmanager
    def begin(self, name: str, *, reads_only: bool = False) -> Iterator[Transaction]:
        """Commits at the end, rolls back on any error. `name` is its fault point; `reads_only` holds up no writer.

        Never hold one open across the network (I8), nor one within another.
        """
        with nullcontext() if reads_only else self._writers, self.engine.connect() as db:
            db = db.execution_options(**{_READS_ONLY: reads_only})
            with db.begin() as transaction:
                yield Transaction(db, self._cipher, self._redrive_after, self._gather)
                with reached(name):
                    transaction.commit()

    def scrub(self) -> None:
        """SQLite's write-ahead log keeps what was deleted until it is written back and cut off (D12).

        A reader may prevent that; whoever deletes calls it, and the sweep's purge calls it again.
        """
        if self.engine.dialect.name == "sqlite":
            with closing(self.engine.raw_connection()) as db:
                db.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


def open_engine(url: str) -> Engine:
    """An engine for SQLite or PostgreSQL, by SQLAlchemy URL."""
    where = make_url(url)
    if where.get_backend_name() == "postgresql":
        patience = {name: value for name, value in _PATIENCE.items() if name not in where.query}
        return create_engine(
            where, pool_pre_ping=True, pool_size=20, hide_parameters=True, connect_args=patience
        )
    engine = create_engine(where, hide_parameters=True, connect_args={"timeout": 30})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _set_up_sqlite(db: Any, _: object) -> None:
    """WAL and waiting for several processes (W11); what is deleted is overwritten at once (D12)."""
    db.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON", "foreign_keys=ON"):
        db.execute(f"PRAGMA {pragma}")


def _begin_immediate(db: Connection) -> None:
    """A writer that began as a reader cannot wait its turn: SQLite would refuse it at once (W11)."""
    reads_only = db.get_execution_options().get(_READS_ONLY)
    db.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")
