"""Mailboxes, where we stand in each one's history, and its own addresses."""

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
)

from infra.db.tables.schema import metadata
from infra.db.types import Instant, Json

_id = BigInteger().with_variant(Integer, "sqlite")

mailboxes = Table(
    "mailboxes",
    metadata,
    Column("id", _id, primary_key=True, autoincrement=True),
    Column("provider", String, nullable=False),
    Column("provider_key", String, nullable=False),
    Column("address", String, nullable=False),
    Column("own_name", String),
    Column("cursor", String),
    Column("labels", Json, nullable=False),
    Column("label_names", Json),
    Column("synced_at", Instant),
    Column("pushed_at", Instant),
    Column("swept_at", Instant),
    Column("sync_due_at", Instant),
    Column("watch_until", Instant),
    Column("watch_due_at", Instant),
    Column("watch_renewed_at", Instant),
    Column("watch_failed_at", Instant),
    Column("watch_trouble", String),
    Column("mails_pushed", Integer, nullable=False, server_default="0"),
    Column("mails_missed", Integer, nullable=False, server_default="0"),
    Column("resting_until", Instant),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("refusals", Integer, nullable=False, server_default="0"),
    Column("trouble", String),
    Column("label_conflicts", Integer, nullable=False, server_default="0"),
    Column("sorting_due_at", Instant),
    Column("paused_at", Instant),
    Column("redrive_at", Instant),
    Column("settled_cursor", String),
    Column("settled_at", Instant),
    Column("settling_cursor", String),
    Column("settling_at", Instant),
    Column("walk_began_at", Instant),
    Column("refused_at", Instant),
    Column("compare_due_at", Instant),
    Column("compared_at", Instant),
    Column("mails_compared", Integer, nullable=False, server_default="0"),
    Column("mails_late", Integer, nullable=False, server_default="0"),
    UniqueConstraint("provider", "provider_key"),
    sqlite_autoincrement=True,
)
AWAKE = mailboxes.c.paused_at.is_(None)
"""The mailbox is not paused. Its moments stay during a pause, and `redrive` leaves it out: so pausing writes no moment
and no entry in their indexes."""
_asked_for = AWAKE & mailboxes.c.redrive_at.is_not(None)
Index("mailboxes_address", mailboxes.c.address)
Index("mailboxes_sync_due", mailboxes.c.sync_due_at, sqlite_where=AWAKE, postgresql_where=AWAKE)
Index("mailboxes_watch_due", mailboxes.c.watch_due_at, sqlite_where=AWAKE, postgresql_where=AWAKE)
Index("mailboxes_compare_due", mailboxes.c.compare_due_at, sqlite_where=AWAKE, postgresql_where=AWAKE)
Index("mailboxes_redrive", mailboxes.c.redrive_at, sqlite_where=_asked_for, postgresql_where=_asked_for)
"""`provider_key`: what the provider knows the mailbox by; the address, or an id that stays when it is renamed.
`redrive_at`: when `redrive` next looks at the work that waits; empty where none waits (W2). `cursor`: where the next
look goes on; between two walks it is `settled_cursor`, see domain.mailboxes.history.Cursors (W8, E108).
`refused_at`: since when the provider takes no cursor (E84). `mails_compared`, and of them `mails_late`: the last
comparison with the mailbox's own list (E108)."""

judged = Table(
    "judged",
    metadata,
    Column("mailbox_id", ForeignKey("mailboxes.id", ondelete="CASCADE"), primary_key=True),
    Column("record_id", String, primary_key=True),
    Column("message_id", String, primary_key=True),
    Column("label_id", String, primary_key=True),
    Column("added", Boolean, primary_key=True),
    Column("judged_at", Instant, nullable=False),
)
"""Changes that were judged to be the user's or ours. History is walked again from the settled cursor, and these are not
judged again (E108). Deleted once settled. `record_id`: the change's position. `label_id`: the CRM label, or the folder
of a move."""

mailbox_addresses = Table(
    "mailbox_addresses",
    metadata,
    Column("mailbox_id", ForeignKey("mailboxes.id", ondelete="CASCADE"), primary_key=True),
    Column("address", String, primary_key=True),
    Column("loose", String, nullable=False, index=True),
    Column("alias_of", _id),
)
"""`alias_of`: the connection that the alias was registered for; empty where the provider lists the address (E14)."""
