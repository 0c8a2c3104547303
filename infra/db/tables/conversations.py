"""Conversations that are kept on both sides, and the mail in them (D2, SYNC modes). All are one location's."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    false,
    literal_column,
)

from infra.db.tables.schema import metadata
from infra.db.types import Instant

_id = BigInteger().with_variant(Integer, "sqlite")


def _here() -> Column[int]:
    return Column("location_id", ForeignKey("locations.id"), primary_key=True)


conversations = Table(
    "conversations",
    metadata,
    _here(),
    Column("id", String, primary_key=True),
    Column("contact_id", String, nullable=False),
    Column("state", String, nullable=False),
    Column("root_id", String),
    Column("answered_here", Boolean, nullable=False, server_default=false()),
    Column("subject", String, nullable=False),
    Column("mails", Integer, nullable=False, server_default="0"),
    Column("sequence", BigInteger, nullable=False, server_default="0"),
    Column("started_at", Instant, nullable=False),
    Column("last_mail_at", Instant, nullable=False),
    Index("conversations_contact", "location_id", "contact_id", "last_mail_at"),
    Index("conversations_last", "location_id", "last_mail_at"),
)
"""`contact_id`: the owner (D6), as it was told; merges are resolved where it is read. `root_id`: the mail that no other
mail of it comes before, by reply headers. `answered_here`: a user has written in it from the CRM, so that a late root
changes no owner. `sequence`: the number of its last event."""

mails = Table(
    "mails",
    metadata,
    _here(),
    Column("id", String, primary_key=True),
    Column("conversation_id", String, nullable=False),
    Column("identity", String, nullable=False),
    Column("rfc_message_id", String),
    Column("author", String),
    Column("author_name", String, nullable=False),
    Column("user_id", String),
    Column("sent_at", Instant),
    Column("received_at", Instant, nullable=False),
    Column("direction", String, nullable=False),
    Column("mail_class", String, nullable=False),
    Column("automatic", Boolean, nullable=False, server_default=false()),
    Column("via_list", Boolean, nullable=False, server_default=false()),
    Column("subject", String, nullable=False),
    Column("preview", String, nullable=False),
    Column("object", String),
    Column("state", String),
    Column("reason", String),
    Column("outbox_id", _id),
    Column("taken_out_at", Instant),
    Column("added_at", Instant, nullable=False),
    UniqueConstraint("location_id", "identity"),
    Index("mails_conversation", "location_id", "conversation_id", "received_at", "id"),
    Index("mails_rfc_message_id", "location_id", "rfc_message_id"),
)
_ours = mails.c.outbox_id.is_not(None)
Index(
    "mails_outbox",
    mails.c.location_id,
    mails.c.outbox_id,
    unique=True,
    sqlite_where=_ours,
    postgresql_where=_ours,
)
_copied = mails.c.object.is_not(None)
Index("mails_object", mails.c.object, sqlite_where=_copied, postgresql_where=_copied)
HAS_FAILED = mails.c.state.in_([literal_column("'failed'"), literal_column("'not_delivered'")])
"""It was written in the CRM, and did not reach all it was sent to. Written out for its index, see IS_WAITING in
infra/db/tables/ledger.py."""
Index(
    "mails_failed",
    mails.c.location_id,
    mails.c.conversation_id,
    sqlite_where=HAS_FAILED,
    postgresql_where=HAS_FAILED,
)
"""One row a mail in a location. `identity`: what makes two mails one (H47). `object`: its content, in the object store;
empty until it is there, and where a mail was taken out. `user_id`, `state`, `reason`, `outbox_id`: of a mail that was
written in the CRM (H40, H41)."""

mail_sources = Table(
    "mail_sources",
    metadata,
    _here(),
    Column("mailbox_id", _id, primary_key=True, autoincrement=False),
    Column("message_id", String, primary_key=True),
    Column("mail_id", String, nullable=False),
    Column("connection_id", _id, nullable=False),
    Column("thread_id", String, nullable=False),
    Column("private_at", Instant),
    Column("received_at", Instant, nullable=False),
    Index("mail_sources_mail", "location_id", "mail_id"),
    Index("mail_sources_thread", "location_id", "mailbox_id", "thread_id"),
    Index("mail_sources_connection", "connection_id"),
)
"""Where a mail lies: one row for each mailbox that has brought it (E52)."""

mail_links = Table(
    "mail_links",
    metadata,
    _here(),
    Column("mail_id", String, primary_key=True),
    Column("rfc_message_id", String, primary_key=True),
    Index("mail_links_named", "location_id", "rfc_message_id"),
)
"""The ids that a mail's reply headers name, so that a late root finds its answers (E103)."""

participants = Table(
    "participants",
    metadata,
    _here(),
    Column("mail_id", String, primary_key=True),
    Column("role", String, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("address", String, nullable=False),
    Column("name", String, nullable=False),
    Column("contact_id", String),
    Column("delivery", String),
)
"""Who is on a mail. Bcc only where its author's own copy names it. `delivery`: what a report says of a recipient of an
outgoing mail, failed or delayed (D16-5)."""

files = Table(
    "files",
    metadata,
    _here(),
    Column("mail_id", String, primary_key=True),
    Column("part", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("claimed_type", String, nullable=False),
    Column("sniffed_type", String),
    Column("size", BigInteger, nullable=False),
    Column("content_id", String),
    Column("inline", Boolean, nullable=False, server_default=false()),
    Column("state", String, nullable=False),
    Column("object", String),
)
_kept = files.c.object.is_not(None)
Index("files_object", files.c.object, sqlite_where=_kept, postgresql_where=_kept)
"""The files of a mail, by their place in its MIME tree. `state`: waiting, kept, too_large, gone."""

readings = Table(
    "readings",
    metadata,
    _here(),
    Column("mail_id", String, primary_key=True),
    Column("user_id", String, primary_key=True),
    Column("read_at", Instant, nullable=False),
)
"""Who has opened a mail in the CRM, or answered it: for all others it is new (H52)."""
