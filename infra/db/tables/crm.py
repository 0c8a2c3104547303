"""Organisations, their locations and settings (Part I), and the CRM's records as it gives them to us."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    false,
    true,
)

from infra.db.tables.schema import metadata
from infra.db.types import Instant, Json

_id = BigInteger().with_variant(Integer, "sqlite")

organisations = Table(
    "organisations",
    metadata,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("name", String, nullable=False, unique=True),
    sqlite_autoincrement=True,
)

locations = Table(
    "locations",
    metadata,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("organisation_id", ForeignKey("organisations.id"), nullable=False),
    Column("name", String, nullable=False),
    UniqueConstraint("organisation_id", "name"),
    sqlite_autoincrement=True,
)
"""The first organisation and the first location are called `main` and always exist (T1). Tables of what belongs to one
have its id first in the key, without a default: a statement that forgets it fails. Ids are never used again."""

settings = Table(
    "settings",
    metadata,
    Column("organisation_id", ForeignKey("organisations.id"), primary_key=True),
    Column("name", String, primary_key=True),
    Column("value", Json, nullable=False),
)

location_settings = Table(
    "location_settings",
    metadata,
    Column("location_id", ForeignKey("locations.id"), primary_key=True),
    Column("name", String, primary_key=True),
    Column("value", Json, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("organisation_id", ForeignKey("organisations.id"), primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("role", String),
    Column("roles_above", Json, nullable=False, server_default="[]"),
    Column("may_connect", Boolean, nullable=False, server_default=true()),
    Column("active", Boolean, nullable=False, server_default=true()),
    Column("locations", Json, nullable=False, server_default="[]"),
    Index("users_role", "organisation_id", "role"),
)
"""`may_connect`: the user's profile grants the mail-integration permission (Z6). `roles_above`: the roles of the user's
superiors in the CRM's hierarchy (D13). `locations`: names of the locations that the user is a member of; empty means
all. A location may be named before it exists."""

user_addresses = Table(
    "user_addresses",
    metadata,
    Column("organisation_id", _id, primary_key=True),
    Column("user_id", String, primary_key=True),
    Column("address", String, primary_key=True),
    Column("loose", String, nullable=False),
    ForeignKeyConstraint(
        ["organisation_id", "user_id"], [users.c.organisation_id, users.c.id], ondelete="CASCADE"
    ),
    Index("user_addresses_loose", "organisation_id", "loose"),
)

contacts = Table(
    "contacts",
    metadata,
    Column("location_id", ForeignKey("locations.id"), primary_key=True),
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("assigned_to", String),
    Column("created_at", Instant, nullable=False),
    Index("contacts_assigned", "location_id", "assigned_to"),
)


def _of_contact() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["location_id", "contact_id"], [contacts.c.location_id, contacts.c.id], ondelete="CASCADE"
    )


contact_addresses = Table(
    "contact_addresses",
    metadata,
    Column("location_id", _id, primary_key=True),
    Column("contact_id", String, primary_key=True),
    Column("address", String, primary_key=True),
    Column("loose", String, nullable=False),
    _of_contact(),
    Index("contact_addresses_address", "location_id", "address"),
    Index("contact_addresses_loose", "location_id", "loose"),
)

contact_viewers = Table(
    "contact_viewers",
    metadata,
    Column("location_id", _id, primary_key=True),
    Column("contact_id", String, primary_key=True),
    Column("user_id", String, primary_key=True),
    _of_contact(),
)
"""The users who may open the record (D13); every user where none is named."""

merges = Table(
    "merges",
    metadata,
    Column("location_id", ForeignKey("locations.id"), primary_key=True),
    Column("record_id", String, primary_key=True),
    Column("survivor", String),
    Column("version", BigInteger, nullable=False),
    Column("by_file", Boolean, nullable=False, server_default=false()),
    Column("counts_for", String),
    Column("outlived", Boolean, nullable=False, server_default=false()),
    Column("settled_at", Instant, nullable=False),
    Index("merges_survivor", "location_id", "survivor"),
    Index("merges_counts_for", "location_id", "counts_for"),
    Index("merges_settled", "settled_at"),
)
"""The newest merge that names a contact or lead.

`survivor`: empty where the record is the one that stays. `by_file`: an imported file says so, and only a newer version
replaces it. `counts_for` and `outlived` follow from all merges (domain/crm/merges.py). `counts_for`: empty where the
record counts for itself, or, if `outlived`, for none. `outlived`: the survivor's own data replaces the record's.
`settled_at`: since when this holds; long after, the purge checks whether the merge is still needed.
"""

deals = Table(
    "deals",
    metadata,
    Column("location_id", ForeignKey("locations.id"), primary_key=True),
    Column("id", String, primary_key=True),
    Column("stage", String, nullable=False),
    Column("category", String, nullable=False),
    Column("closing_date", Date),
    Column("uncategorised", Boolean, nullable=False, server_default=false()),
)
"""`uncategorised`: the deal's stage has no category, so `category` is OPEN (E9)."""

Index(
    "deals_uncategorised",
    deals.c.stage,
    sqlite_where=deals.c.uncategorised,
    postgresql_where=deals.c.uncategorised,
)

deal_contacts = Table(
    "deal_contacts",
    metadata,
    Column("location_id", _id, primary_key=True),
    Column("deal_id", String, primary_key=True),
    Column("contact_id", String, primary_key=True),
    ForeignKeyConstraint(["location_id", "deal_id"], [deals.c.location_id, deals.c.id], ondelete="CASCADE"),
    Index("deal_contacts_contact", "location_id", "contact_id", "deal_id"),
)

crm_versions = Table(
    "crm_versions",
    metadata,
    Column("organisation_id", _id, primary_key=True, autoincrement=False),
    Column("location_id", _id, primary_key=True, autoincrement=False),
    Column("kind", String, primary_key=True),
    Column("record_id", String, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("deleted_at", Instant),
)
_deleted = crm_versions.c.deleted_at.is_not(None)
Index("crm_versions_deleted", crm_versions.c.deleted_at, sqlite_where=_deleted, postgresql_where=_deleted)
"""The version of a record's newest change from the CRM, deletions included: an older change that comes late is ignored.
A deleted record's version is deleted when no late change can come any more. For users, who belong to no location, the
location's id is 0, here and in `outdated`."""

outdated = Table(
    "outdated",
    metadata,
    Column("organisation_id", _id, primary_key=True, autoincrement=False),
    Column("location_id", _id, primary_key=True, autoincrement=False),
    Column("kind", String, primary_key=True),
    Column("record_id", String, primary_key=True),
    Column("version", BigInteger),
    Column("since", Instant, nullable=False),
    Column("reason", String, nullable=False),
)
"""Records whose change was refused, until the next good change (E9). `version`: of the refused change, None where it
had none."""
