"""The ledger of steps, mail that users send, and the sweep's rare duties."""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    String,
    Table,
    literal_column,
)

from infra.db.tables.schema import metadata
from infra.db.types import Instant

_id = BigInteger().with_variant(Integer, "sqlite")

steps = Table(
    "steps",
    metadata,
    Column("mailbox_id", _id, primary_key=True),
    Column("message_id", String, primary_key=True),
    Column("step", String, primary_key=True),
    Column("connection_id", _id, primary_key=True),
    Column("state", String, nullable=False),
    Column("outcome", String),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("owner", String),
    Column("ready_at", Instant, nullable=False),
    Column("units", Float, nullable=False, server_default="0"),
    Column("seconds", Float, nullable=False, server_default="0"),
    Column("shared_by", Integer, nullable=False, server_default="1"),
)
Index(
    "steps_waiting",
    steps.c.mailbox_id,
    steps.c.step,
    steps.c.ready_at,
    sqlite_where=steps.c.state == "waiting",
    postgresql_where=steps.c.state == "waiting",
)
Index(
    "steps_undone",
    steps.c.mailbox_id,
    steps.c.message_id,
    steps.c.state,
    sqlite_where=steps.c.state != "done",
    postgresql_where=steps.c.state != "done",
)
"""The ledger of steps: what waits, what is retried, and what was done. `ready_at`: the end of a lease or of a wait
(W2); when the step is redriven, the mailbox's row says."""

IS_WAITING = steps.c.state == literal_column("'waiting'")
UNDONE = steps.c.state != literal_column("'done'")
"""Written out, so that a partial index fits every statement: for a bound value SQLite plans again each time, and
PostgreSQL's generic plan cannot use the index."""

outbox = Table(
    "outbox",
    metadata,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("mailbox_id", _id, nullable=False),
    Column("connection_id", _id, nullable=False),
    Column("contact_id", String),
    Column("key", String, nullable=False, unique=True),
    Column("draft_id", String),
    Column("sent_id", String),
    Column("state", String, nullable=False),
    Column("reason", String),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("looks", Integer, nullable=False, server_default="0"),
    Column("owner", String),
    Column("ready_at", Instant, nullable=False),
    Column("redrive_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Index("outbox_mailbox", "mailbox_id", "created_at"),
    Index("outbox_connection", "connection_id"),
    sqlite_autoincrement=True,
)
Index(
    "outbox_redrive",
    outbox.c.redrive_at,
    sqlite_where=outbox.c.ended_at.is_(None),
    postgresql_where=outbox.c.ended_at.is_(None),
)
"""Mail that a user sends from the CRM: ids and state only, the text is in the draft at the provider (Z16, D2). The sent
mail carries `key`, so that it can be found after a crash."""

duties = Table(
    "duties",
    metadata,
    Column("name", String, primary_key=True),
    Column("due_at", Instant, nullable=False),
)
"""When each of the sweep's rare duties is due again, whichever process sweeps and however often it restarts."""
