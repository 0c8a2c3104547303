"""The tables of mail. Table D2 limits what they hold: docs/ARCHITECTURE.md, "What is kept"."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    false,
)

from infra.db.tables.schema import metadata
from infra.db.types import Instant, Json

_id = BigInteger().with_variant(Integer, "sqlite")

messages = Table(
    "messages",
    metadata,
    Column("mailbox_id", _id, primary_key=True),
    Column("message_id", String, primary_key=True),
    Column("came_by", String, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("missing", Integer, nullable=False, server_default="0"),
    Column("missing_since", Instant),
    Column("reopened_at", Instant),
    Column("touched", Boolean, nullable=False, server_default=false()),
    Index("messages_seen", "seen_at"),
    Index("messages_of_mailbox", "mailbox_id", "seen_at", "message_id"),
)
"""One row for each mail that history or a list named, so that it is handled once. `touched`: the user has changed a CRM
label on it (I6)."""

decisions = Table(
    "decisions",
    metadata,
    Column("connection_id", _id, primary_key=True),
    Column("message_id", String, primary_key=True),
    Column("mailbox_id", _id, nullable=False),
    Column("outcome", String),
    Column("contact_id", String),
    Column("contact_address", String),
    Column("matched_by", String),
    Column("author", String),
    Column("via_list", Boolean, nullable=False, server_default=false()),
    Column("received_at", Instant),
    Column("category", String),
    Column("deal_id", String),
    Column("in_inbox", Boolean),
    Column("replaces", String),
    Column("changed", Json),
    Column("changed_at", Instant),
    Column("undone_at", Instant),
    Column("decided_at", Instant, nullable=False),
    Index("decisions_mail", "mailbox_id", "message_id"),
)
_stands = decisions.c.changed.is_not(None) & decisions.c.undone_at.is_(None) & decisions.c.replaces.is_(None)
Index(
    "decisions_labelled",
    decisions.c.connection_id,
    decisions.c.contact_id,
    decisions.c.category,
    decisions.c.author,
    sqlite_where=_stands,
    postgresql_where=_stands,
)
Index(
    "decisions_replacing",
    decisions.c.connection_id,
    decisions.c.contact_id,
    sqlite_where=decisions.c.replaces.is_not(None),
    postgresql_where=decisions.c.replaces.is_not(None),
)
"""What was decided for one mail and one connection.

`category` is committed before the provider is called (W5). `changed`: what all calls together have added and removed.
`replaces`: the category whose label is being replaced with that of `category`, until the provider has done it (E47).
`author` and `received_at` only when the author matched (D2).
"""

notifications = Table(
    "notifications",
    metadata,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("kind", String, nullable=False, server_default="mail"),
    Column("connection_id", _id, nullable=False),
    Column("organisation_id", _id, nullable=False),
    Column("location_id", _id, nullable=False),
    Column("user_id", String, nullable=False),
    Column("message_id", String),
    Column("contact_id", String),
    Column("author", String),
    Column("via_list", Boolean, nullable=False, server_default=false()),
    Column("received_at", Instant),
    Column("late", Boolean, nullable=False, server_default=false()),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("connection_id", "message_id"),
    Index("notifications_user", "organisation_id", "user_id", "id"),
    sqlite_autoincrement=True,
)
"""The notifications that the CRM shows to a user (Z3, Z25): exactly three details of the mail, and whose it is.
`via_list`: how its author was found (E100). A `kind` other than "mail" is about the connection (E67, E86) and has no
details. `late`: part of a summary (E91)."""
