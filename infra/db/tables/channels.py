"""Where notifications are sent besides the users' lists, and their ledger (E91, I5)."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table

from infra.db.tables.schema import metadata
from infra.db.types import Instant

_id = BigInteger().with_variant(Integer, "sqlite")

channels = Table(
    "channels",
    metadata,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("organisation_id", ForeignKey("organisations.id"), nullable=False, index=True),
    Column("user_id", String),
    Column("kind", String, nullable=False),
    Column("target", LargeBinary, nullable=False),
    Column("state", String, nullable=False),
    Column("resting_until", Instant),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("trouble", String),
    Column("created_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)
"""A channel is one user's, or without a user everybody's in the organisation. `target` is encrypted."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("channel_id", ForeignKey("channels.id", ondelete="CASCADE"), primary_key=True),
    Column(
        "notification_id", ForeignKey("notifications.id", ondelete="CASCADE"), primary_key=True, index=True
    ),
    Column("user_id", String, nullable=False),
    Column("state", String, nullable=False),
    Column("batch", String),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("owner", String),
    Column("trouble", String),
    Column("ready_at", Instant, nullable=False),
    Column("redrive_at", Instant, nullable=False),
)
_waiting = deliveries.c.state == "waiting"
for _name, _columns in {
    "deliveries_waiting": (deliveries.c.channel_id, deliveries.c.ready_at, deliveries.c.notification_id),
    "deliveries_user": (deliveries.c.channel_id, deliveries.c.user_id, deliveries.c.ready_at),
    "deliveries_redrive": (deliveries.c.redrive_at,),
}.items():
    Index(_name, *_columns, sqlite_where=_waiting, postgresql_where=_waiting)
_sent = _waiting & deliveries.c.batch.is_not(None)
Index(
    "deliveries_batch",
    deliveries.c.channel_id,
    deliveries.c.batch,
    sqlite_where=_sent,
    postgresql_where=_sent,
)
"""The channels' ledger: one row for each notification and channel, so that a channel holds up nothing else (I5). Rows
with the same `batch` are sent as one event, with the same id at each try. A row that was sent is deleted."""
