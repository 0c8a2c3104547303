"""What is kept of mail outside the database: the objects that hold it, and the keys that seal and name them."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, LargeBinary, String, Table, false

from infra.db.tables.schema import metadata
from infra.db.types import Instant

organisation_keys = Table(
    "organisation_keys",
    metadata,
    Column("organisation_id", ForeignKey("organisations.id"), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
)
"""`sealed`: the key for which an organisation's objects are sealed and the one by which they are named, both sealed
with the token keys. Rotating those writes these rows and no object."""

objects = Table(
    "objects",
    metadata,
    Column("organisation_id", ForeignKey("organisations.id"), primary_key=True),
    Column("name", String, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("stored_at", Instant, nullable=False),
    Column("used", Boolean, nullable=False, server_default=false()),
    Column("removing_at", Instant),
)
_unused = ~objects.c.used
Index(
    "objects_unused",
    objects.c.stored_at,
    objects.c.organisation_id,
    objects.c.name,
    sqlite_where=_unused,
    postgresql_where=_unused,
)
"""One row for each object, written before the object is. `used`: a mail or a file may name it. What is not used for a
day is marked `removing_at`, removed from the store, and its row deleted."""
