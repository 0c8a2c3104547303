"""Connections, what is shared of their mail, and sign-ins that were begun."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    false,
)

from infra.db.tables.schema import metadata
from infra.db.types import Instant, Json

_id = BigInteger().with_variant(Integer, "sqlite")

connections = Table(
    "connections",
    metadata,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("organisation_id", _id, nullable=False),
    Column("location_id", ForeignKey("locations.id"), nullable=False),
    Column("user_id", String, nullable=False),
    Column("mailbox_id", ForeignKey("mailboxes.id"), nullable=False, index=True),
    Column("mode", String, nullable=False),
    Column("state", String, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("sync_since", Instant),
    Column("magnet_since", Instant),
    Column("sorting_since", Instant),
    Column("dry_run", Boolean, nullable=False, server_default=false()),
    Column("sorting_trouble", String),
    Column("access_trouble", String),
    Column("signed_out_at", Instant),
    Column("sharing", String, nullable=False, server_default="private"),
    Column("excluded_domains", Json, nullable=False, server_default="[]"),
    Column("grant", LargeBinary),
    Column("leave_due_at", Instant),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("location_id", "user_id", "mailbox_id"),
    sqlite_autoincrement=True,
)
_left = connections.c.leave_due_at.is_not(None)
Index("connections_leaving", connections.c.leave_due_at, sqlite_where=_left, postgresql_where=_left)
_public = connections.c.sharing == "public"
Index("connections_public", connections.c.location_id, sqlite_where=_public, postgresql_where=_public)
"""`sharing` and `excluded_domains`: the owner's choice (D13). `signed_out_at`: since when the user has to sign in
again. `leave_due_at`: when the sweep next asks for what is left to do, which is to delete what was kept for a feature
that is off, or to end a connection that is off at the provider and delete it. Empty where nothing is left."""

shared_contacts = Table(
    "shared_contacts",
    metadata,
    Column("connection_id", ForeignKey("connections.id", ondelete="CASCADE"), primary_key=True),
    Column("contact_id", String, primary_key=True),
    Column("location_id", _id, nullable=False),
    Index("shared_contacts_contact", "location_id", "contact_id"),
)
"""The records for which a mailbox's owner has switched on "share e-mails" (D13, Custom)."""

sign_ins = Table(
    "sign_ins",
    metadata,
    Column("state", String, primary_key=True),
    Column("organisation_id", _id, nullable=False),
    Column("location_id", _id, nullable=False),
    Column("user_id", String, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("expires_at", Instant, nullable=False),
)
"""Sign-ins that were begun at the provider's page. `state`: the hash of OAuth's state, which is good once. `sealed`:
encrypted, what the answer needs: PKCE's verifier, the redirect URI, the scopes asked for."""
