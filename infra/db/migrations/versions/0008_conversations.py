"""Conversations, the mail in them, and the objects that hold it"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from infra.db.types import Instant

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_UNITS = ("units", "unit_sums")
_PLACES = ("organisation", "location")


def upgrade() -> None:
    _objects()
    _conversations()
    _mails()
    _of_mails()
    _events()
    _event_deliveries()
    _for_readers()
    for table in _UNITS:
        op.add_column(table, sa.Column("copy", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM conversations")):
        raise ValueError(
            "the release before knows no conversations: there is no way back while there are any"
        )
    for table in _UNITS:
        op.drop_column(table, "copy")
    op.drop_index("contacts_assigned", "contacts")
    for table in ("readings", "files", "participants", "mail_links", "mail_sources", "mails"):
        op.drop_table(table)
    for table in ("event_deliveries", "events", "conversations", "objects", "organisation_keys"):
        op.drop_table(table)


def _objects() -> None:
    op.create_table(
        "organisation_keys",
        _key("organisations"),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        _moment("created_at"),
    )
    op.create_table(
        "objects",
        _key("organisations"),
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        _moment("stored_at"),
        _flag("used"),
        sa.Column("removing_at", Instant()),
    )
    unused = sa.text("NOT used" if op.get_bind().dialect.name == "postgresql" else "used = 0")
    _index("objects_unused", "objects", ["stored_at", "organisation_id", "name"], unused)


def _conversations() -> None:
    op.create_table(
        "conversations",
        _key("locations"),
        sa.Column("id", sa.String(), primary_key=True),
        _text("contact_id"),
        _text("state"),
        sa.Column("root_id", sa.String()),
        _flag("answered_here"),
        _text("subject"),
        sa.Column("mails", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("sequence", sa.BigInteger(), nullable=False, server_default="0"),
        _moment("started_at"),
        _moment("last_mail_at"),
    )
    op.create_index("conversations_contact", "conversations", ["location_id", "contact_id", "last_mail_at"])
    op.create_index("conversations_last", "conversations", ["location_id", "last_mail_at"])


def _mails() -> None:
    op.create_table(
        "mails",
        _key("locations"),
        sa.Column("id", sa.String(), primary_key=True),
        *map(_text, ("conversation_id", "identity")),
        *(sa.Column(name, sa.String()) for name in ("rfc_message_id", "author")),
        _text("author_name"),
        sa.Column("user_id", sa.String()),
        sa.Column("sent_at", Instant()),
        _moment("received_at"),
        *map(_text, ("direction", "mail_class")),
        *map(_flag, ("automatic", "via_list")),
        *map(_text, ("subject", "preview")),
        *(sa.Column(name, sa.String()) for name in ("object", "state", "reason")),
        sa.Column("outbox_id", _id()),
        sa.Column("taken_out_at", Instant()),
        _moment("added_at"),
        sa.UniqueConstraint("location_id", "identity"),
    )
    here = ["location_id", "conversation_id", "received_at", "id"]
    op.create_index("mails_conversation", "mails", here)
    op.create_index("mails_rfc_message_id", "mails", ["location_id", "rfc_message_id"])
    ours = sa.text("outbox_id IS NOT NULL")
    _index("mails_outbox", "mails", ["location_id", "outbox_id"], ours, unique=True)
    _index("mails_object", "mails", ["object"], sa.text("object IS NOT NULL"))


def _of_mails() -> None:
    op.create_table(
        "mail_sources",
        _key("locations"),
        sa.Column("mailbox_id", _id(), primary_key=True, autoincrement=False),
        sa.Column("message_id", sa.String(), primary_key=True),
        _text("mail_id"),
        sa.Column("connection_id", _id(), nullable=False),
        _text("thread_id"),
        sa.Column("private_at", Instant()),
        _moment("received_at"),
    )
    op.create_index("mail_sources_mail", "mail_sources", ["location_id", "mail_id"])
    op.create_index("mail_sources_thread", "mail_sources", ["location_id", "mailbox_id", "thread_id"])
    op.create_index("mail_sources_connection", "mail_sources", ["connection_id"])
    op.create_table(
        "mail_links",
        _key("locations"),
        *(sa.Column(name, sa.String(), primary_key=True) for name in ("mail_id", "rfc_message_id")),
    )
    op.create_index("mail_links_named", "mail_links", ["location_id", "rfc_message_id"])
    op.create_table(
        "participants",
        _key("locations"),
        *(sa.Column(name, sa.String(), primary_key=True) for name in ("mail_id", "role")),
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        *map(_text, ("address", "name")),
        sa.Column("contact_id", sa.String()),
        sa.Column("delivery", sa.String()),
    )
    op.create_table(
        "files",
        _key("locations"),
        *(sa.Column(name, sa.String(), primary_key=True) for name in ("mail_id", "part")),
        *map(_text, ("name", "claimed_type")),
        sa.Column("sniffed_type", sa.String()),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content_id", sa.String()),
        _flag("inline"),
        _text("state"),
        sa.Column("object", sa.String()),
    )
    _index("files_object", "files", ["object"], sa.text("object IS NOT NULL"))
    op.create_table(
        "readings",
        _key("locations"),
        *(sa.Column(name, sa.String(), primary_key=True) for name in ("mail_id", "user_id")),
        _moment("read_at"),
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("id", _id(), primary_key=True, autoincrement=True),
        *(sa.Column(f"{of}_id", _id(), sa.ForeignKey(f"{of}s.id"), nullable=False) for of in _PLACES),
        _text("conversation_id"),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        *map(_text, ("kind", "contact_id")),
        *(sa.Column(name, sa.String()) for name in ("mail_id", "direction", "user_id")),
        sa.Column("sending_id", _id()),
        sa.Column("reason", sa.String()),
        _moment("created_at"),
        sa.UniqueConstraint("location_id", "conversation_id", "sequence"),
        sqlite_autoincrement=True,
    )
    op.create_index("events_location", "events", ["location_id", "id"])


def _event_deliveries() -> None:
    op.create_table(
        "event_deliveries",
        *(
            sa.Column(f"{of}_id", _id(), sa.ForeignKey(f"{of}s.id", ondelete="CASCADE"), primary_key=True)
            for of in ("channel", "event")
        ),
        *map(_text, ("conversation_id", "state")),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        *(sa.Column(name, sa.String()) for name in ("owner", "trouble")),
        *map(_moment, ("ready_at", "redrive_at")),
    )
    op.create_index("ix_event_deliveries_event_id", "event_deliveries", ["event_id"])
    waiting = sa.text("state = 'waiting'")
    for name, columns in {
        "waiting": ["channel_id", "ready_at", "event_id"],
        "conversation": ["channel_id", "conversation_id", "event_id"],
        "redrive": ["redrive_at"],
    }.items():
        _index(f"event_deliveries_{name}", "event_deliveries", columns, waiting)


def _for_readers() -> None:
    """A user's own conversations, and those with a mail that did not arrive, are found by what is his, or failed."""
    op.create_index("contacts_assigned", "contacts", ["location_id", "assigned_to"])
    failed = sa.text("state IN ('failed', 'not_delivered')")
    _index("mails_failed", "mails", ["location_id", "conversation_id"], failed)


def _id() -> Any:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _key(of: str) -> sa.Column[Any]:
    """Whose a row is, first in its key."""
    return sa.Column(f"{of[:-1]}_id", _id(), sa.ForeignKey(f"{of}.id"), primary_key=True)


def _text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.String(), nullable=False)


def _moment(name: str) -> sa.Column[Any]:
    return sa.Column(name, Instant(), nullable=False)


def _flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())


def _index(name: str, table: str, columns: list[str], where: Any, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)
