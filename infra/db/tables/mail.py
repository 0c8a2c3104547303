"""The tables of connections and mail. Table D2 limits what they hold: docs/ARCHITECTURE.md, "What is kept"."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    false,
    literal_column,
)

from infra.db.tables.channels import channels as channels
from infra.db.tables.channels import deliveries as deliveries
from infra.db.tables.crm import contact_addresses as contact_addresses
from infra.db.tables.crm import contact_viewers as contact_viewers
from infra.db.tables.crm import contacts as contacts
from infra.db.tables.crm import crm_versions as crm_versions
from infra.db.tables.crm import deal_contacts as deal_contacts
from infra.db.tables.crm import deals as deals
from infra.db.tables.crm import location_settings as location_settings
from infra.db.tables.crm import locations as locations
from infra.db.tables.crm import merges as merges
from infra.db.tables.crm import metadata as metadata
from infra.db.tables.crm import organisations as organisations
from infra.db.tables.crm import outdated as outdated
from infra.db.tables.crm import settings as settings
from infra.db.tables.crm import user_addresses as user_addresses
from infra.db.tables.crm import users as users
from infra.db.tables.mailboxes import AWAKE as AWAKE
from infra.db.tables.mailboxes import judged as judged
from infra.db.tables.mailboxes import mailbox_addresses as mailbox_addresses
from infra.db.tables.mailboxes import mailboxes as mailboxes
from infra.db.tables.units import unit_sums as unit_sums
from infra.db.tables.units import units as units
from infra.db.types import Instant, Json

HEAD = "0007"
"""This release's migration, which makes these tables. A constant, as every process checks it and Alembic is slow to
start."""

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
