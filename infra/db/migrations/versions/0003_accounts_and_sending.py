"""Signing in, sharing, profiles of users, and the outbox"""

import sqlalchemy as sa
from alembic import op

import infra.db.types

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("users", sa.Column("role", sa.String(), nullable=True))
    op.add_column(
        "users", sa.Column("roles_above", infra.db.types.Json(), server_default="[]", nullable=False)
    )
    for name in ("may_connect", "active"):
        op.add_column("users", sa.Column(name, sa.Boolean(), server_default=sa.true(), nullable=False))
    op.create_table(
        "contact_viewers",
        sa.Column("contact_id", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("contact_id", "user_id"),
    )
    for name in ("watch_renewed_at", "watch_failed_at"):
        op.add_column("mailboxes", sa.Column(name, infra.db.types.Instant(), nullable=True))
    op.add_column("mailboxes", sa.Column("watch_trouble", sa.String(), nullable=True))
    for name in ("mails_pushed", "mails_missed"):
        op.add_column("mailboxes", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
    op.add_column("messages", sa.Column("reopened_at", infra.db.types.Instant(), nullable=True))
    op.add_column("connections", sa.Column("sharing", sa.String(), server_default="private", nullable=False))
    op.add_column(
        "connections",
        sa.Column("excluded_domains", infra.db.types.Json(), server_default="[]", nullable=False),
    )
    op.add_column("connections", sa.Column("leave_due_at", infra.db.types.Instant(), nullable=True))
    op.create_index(
        "connections_leaving",
        "connections",
        ["leave_due_at"],
        sqlite_where=sa.text("leave_due_at IS NOT NULL"),
        postgresql_where=sa.text("leave_due_at IS NOT NULL"),
    )
    op.execute("UPDATE connections SET leave_due_at = created_at WHERE state = 'off'")
    op.create_table(
        "shared_contacts",
        sa.Column("connection_id", _id(), nullable=False),
        sa.Column("contact_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("connection_id", "contact_id"),
    )
    op.create_index("ix_shared_contacts_contact_id", "shared_contacts", ["contact_id"])
    op.create_table(
        "sign_ins",
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", infra.db.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("state"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("mailbox_id", _id(), nullable=False),
        sa.Column("connection_id", _id(), nullable=False),
        sa.Column("contact_id", sa.String(), nullable=True),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("draft_id", sa.String(), nullable=True),
        sa.Column("sent_id", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("looks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("ready_at", infra.db.types.Instant(), nullable=False),
        sa.Column("redrive_at", infra.db.types.Instant(), nullable=False),
        sa.Column("created_at", infra.db.types.Instant(), nullable=False),
        sa.Column("ended_at", infra.db.types.Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
        sqlite_autoincrement=True,
    )
    op.create_index("outbox_mailbox", "outbox", ["mailbox_id", "created_at"])
    op.create_index("outbox_connection", "outbox", ["connection_id"])
    op.create_index(
        "outbox_redrive",
        "outbox",
        ["redrive_at"],
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def downgrade() -> None:
    for table in ("outbox", "sign_ins", "shared_contacts", "contact_viewers"):
        op.drop_table(table)
    op.drop_index("connections_leaving", "connections")
    for table, columns in {
        "connections": ("leave_due_at", "excluded_domains", "sharing"),
        "mailboxes": ("mails_missed", "mails_pushed", "watch_trouble", "watch_failed_at", "watch_renewed_at"),
        "users": ("active", "may_connect", "roles_above", "role"),
    }.items():
        for column in columns:
            op.drop_column(table, column)
