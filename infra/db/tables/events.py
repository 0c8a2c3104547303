"""Events of conversations, and their deliveries to channels (D2: facts and ids of ours)."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from infra.db.tables.schema import metadata
from infra.db.types import Instant

_id = BigInteger().with_variant(Integer, "sqlite")

events = Table(
    "events",
    metadata,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("organisation_id", ForeignKey("organisations.id"), nullable=False),
    Column("location_id", ForeignKey("locations.id"), nullable=False),
    Column("conversation_id", String, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("kind", String, nullable=False),
    Column("contact_id", String, nullable=False),
    Column("mail_id", String),
    Column("direction", String),
    Column("user_id", String),
    Column("sending_id", _id),
    Column("reason", String),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("location_id", "conversation_id", "sequence"),
    Index("events_location", "location_id", "id"),
    sqlite_autoincrement=True,
)
"""An event outlives its conversation. `contact_id`: the conversation's owner at that moment, as it was told."""

event_deliveries = Table(
    "event_deliveries",
    metadata,
    Column("channel_id", ForeignKey("channels.id", ondelete="CASCADE"), primary_key=True),
    Column("event_id", ForeignKey("events.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("conversation_id", String, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("owner", String),
    Column("trouble", String),
    Column("ready_at", Instant, nullable=False),
    Column("redrive_at", Instant, nullable=False),
)
_waiting = event_deliveries.c.state == "waiting"
for _name, _columns in {
    "event_deliveries_waiting": ("channel_id", "ready_at", "event_id"),
    "event_deliveries_conversation": ("channel_id", "conversation_id", "event_id"),
    "event_deliveries_redrive": ("redrive_at",),
}.items():
    Index(
        _name,
        *(event_deliveries.c[name] for name in _columns),
        sqlite_where=_waiting,
        postgresql_where=_waiting,
    )
"""The channels' ledger of events, beside that of notifications: one row for each event and channel. A row that was sent
is deleted. An event waits for those of its conversation before it."""
