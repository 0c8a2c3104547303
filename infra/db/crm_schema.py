"""The CRM's own records, as it hands them to us, and the organisation's settings (Part I)."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    MetaData,
    String,
    Table,
    false,
    true,
)

from infra.db.types import Instant, Json

metadata = MetaData()

organisation = Table(
    "organisation",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Json, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("role", String, index=True),
    Column("roles_above", Json, nullable=False, server_default="[]"),
    Column("may_connect", Boolean, nullable=False, server_default=true()),
    Column("active", Boolean, nullable=False, server_default=true()),
)
"""`may_connect`: the user's profile grants the mail-integration permission (Z6). `roles_above` are the roles
of the user's superiors in the CRM's hierarchy (D13)."""

user_addresses = Table(
    "user_addresses",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("address", String, primary_key=True),
    Column("loose", String, nullable=False, index=True),
)

contacts = Table(
    "contacts",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("assigned_to", String),
    Column("created_at", Instant, nullable=False),
)

contact_addresses = Table(
    "contact_addresses",
    metadata,
    Column("contact_id", ForeignKey("contacts.id", ondelete="CASCADE"), primary_key=True),
    Column("address", String, primary_key=True, index=True),
    Column("loose", String, nullable=False, index=True),
)

contact_viewers = Table(
    "contact_viewers",
    metadata,
    Column("contact_id", ForeignKey("contacts.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", String, primary_key=True),
)
"""Who may open the record (D13); everybody where nobody is named."""

deals = Table(
    "deals",
    metadata,
    Column("id", String, primary_key=True),
    Column("stage", String, nullable=False),
    Column("category", String, nullable=False),
    Column("closing_date", Date),
    Column("uncategorised", Boolean, nullable=False, server_default=false()),
)
"""`uncategorised`: its stage has no category, so `category` is OPEN (E9)."""

Index(
    "deals_uncategorised",
    deals.c.stage,
    sqlite_where=deals.c.uncategorised,
    postgresql_where=deals.c.uncategorised,
)

deal_contacts = Table(
    "deal_contacts",
    metadata,
    Column("deal_id", ForeignKey("deals.id", ondelete="CASCADE"), primary_key=True),
    Column("contact_id", String, primary_key=True, index=True),
)

crm_versions = Table(
    "crm_versions",
    metadata,
    Column("kind", String, primary_key=True),
    Column("record_id", String, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("deleted_at", Instant),
)
_deleted = crm_versions.c.deleted_at.is_not(None)
Index("crm_versions_deleted", crm_versions.c.deleted_at, sqlite_where=_deleted, postgresql_where=_deleted)
"""The newest change of a record that the CRM has sent, deletions included: an older one that comes late is void.
That of a deleted record is forgotten when none can come late any more."""

outdated = Table(
    "outdated",
    metadata,
    Column("kind", String, primary_key=True),
    Column("record_id", String, primary_key=True),
    Column("version", BigInteger),
    Column("since", Instant, nullable=False),
    Column("reason", String, nullable=False),
)
"""Records of which a change was refused, until the next good one (E9). `version` is that of the refused change,
None where it had none."""
