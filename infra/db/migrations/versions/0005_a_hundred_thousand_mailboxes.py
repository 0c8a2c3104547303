"""Retention of what was kept for good, and what a hundred thousand mailboxes ask of the database"""

import sqlalchemy as sa
from alembic import op

from infra.db.types import Instant, db_now

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_DUE = ("sync_due", "watch_due", "compare_due")
_VERSIONS = sa.table(
    "crm_versions", sa.column("kind"), sa.column("record_id"), sa.column("deleted_at", Instant())
)


def upgrade() -> None:
    _retention()
    _channels()
    _labelled()
    _units()
    _paused()


def _retention() -> None:
    """What the purge forgets and when it is due. Versions of records that are gone are as if deleted now."""
    op.create_table(
        "duties",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("due_at", Instant(), nullable=False),
    )
    op.add_column("crm_versions", sa.Column("deleted_at", Instant(), nullable=True))
    for kind in ("contacts", "deals", "users"):
        records = sa.table(kind, sa.column("id"))
        gone = ~sa.exists().where(records.c.id == _VERSIONS.c.record_id)
        op.execute(sa.update(_VERSIONS).where(_VERSIONS.c.kind == kind, gone).values(deleted_at=db_now()))
    op.create_index(
        "crm_versions_deleted",
        "crm_versions",
        ["deleted_at"],
        sqlite_where=sa.text("deleted_at IS NOT NULL"),
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )


def _channels() -> None:
    """What waits for channels and what work is asked for again."""
    waiting = sa.text("state = 'waiting'")
    op.add_column("deliveries", sa.Column("user_id", sa.String(), nullable=True))
    op.execute(
        "UPDATE deliveries SET user_id ="
        " (SELECT user_id FROM notifications WHERE notifications.id = deliveries.notification_id)"
    )
    with op.batch_alter_table("deliveries") as table:
        table.alter_column("user_id", nullable=False)
    op.drop_index("deliveries_waiting", "deliveries")
    for name, columns in (
        ("deliveries_waiting", ["channel_id", "ready_at", "notification_id"]),
        ("deliveries_user", ["channel_id", "user_id", "ready_at"]),
    ):
        op.create_index(name, "deliveries", columns, sqlite_where=waiting, postgresql_where=waiting)
    op.drop_index("deliveries_batch", "deliveries")
    _index(
        "deliveries_batch", "deliveries", ["channel_id", "batch"], "state = 'waiting' AND batch IS NOT NULL"
    )
    op.drop_index("steps_redrive", "steps")
    op.drop_column("steps", "redrive_at")
    op.add_column("mailboxes", sa.Column("redrive_at", Instant(), nullable=True))
    op.execute(
        "UPDATE mailboxes SET redrive_at = coalesce(resting_until, 0) WHERE"
        " EXISTS (SELECT 1 FROM steps WHERE steps.mailbox_id = mailboxes.id AND steps.state = 'waiting')"
    )
    asked_for = sa.text("paused_at IS NULL AND redrive_at IS NOT NULL")
    op.create_index(
        "mailboxes_redrive", "mailboxes", ["redrive_at"], sqlite_where=asked_for, postgresql_where=asked_for
    )


def _labelled() -> None:
    """Earlier mail of a contact under a label, and the record page."""
    op.drop_index("decisions_labelled", "decisions")
    _index(
        "decisions_labelled",
        "decisions",
        ["connection_id", "contact_id", "category", "author"],
        "changed IS NOT NULL AND undone_at IS NULL AND replaces IS NULL",
    )
    _index("decisions_replacing", "decisions", ["connection_id", "contact_id"], "replaces IS NOT NULL")
    _index("connections_public", "connections", ["mailbox_id"], "sharing = 'public'")
    op.create_index("ix_users_role", "users", ["role"])


def _units() -> None:
    """Google's units by mailbox, day and purpose."""
    op.create_table(
        "units",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column(
            "mailbox_id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
        ),
        *_purposes(),
    )
    op.create_table(
        "unit_sums",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("owner", sa.String, primary_key=True),
        sa.Column("batch", sa.String, nullable=False),
        *_purposes(),
    )


def _paused() -> None:
    """Moments go on under a pause, and nobody is asked for."""
    for name in _DUE:
        op.drop_index(f"mailboxes_{name}", "mailboxes")
        _index(f"mailboxes_{name}", "mailboxes", [f"{name}_at"], "paused_at IS NULL")


def _purposes() -> list[sa.Column[int]]:
    names = ("push", "sweep", "match", "sort", "watch", "compare", "user", "send")
    return [sa.Column(name, sa.BigInteger, nullable=False, server_default="0") for name in names]


def downgrade() -> None:
    op.drop_table("unit_sums")
    op.drop_table("units")
    op.drop_index("crm_versions_deleted", "crm_versions")
    op.drop_column("crm_versions", "deleted_at")
    op.drop_table("duties")
    _channels_back()
    _labelled_back()
    _paused_back()


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _labelled_back() -> None:
    op.drop_index("ix_users_role", "users")
    op.drop_index("connections_public", "connections")
    op.drop_index("decisions_replacing", "decisions")
    op.drop_index("decisions_labelled", "decisions")
    _index("decisions_labelled", "decisions", ["mailbox_id", "contact_id"], "category IS NOT NULL")


def _paused_back() -> None:
    for name in _DUE:
        op.drop_index(f"mailboxes_{name}", "mailboxes")
        op.create_index(f"mailboxes_{name}", "mailboxes", [f"{name}_at"])
    op.execute("UPDATE mailboxes SET sync_due_at = NULL, watch_due_at = NULL WHERE paused_at IS NOT NULL")


def _channels_back() -> None:
    waiting = sa.text("state = 'waiting'")
    for name in ("deliveries_user", "deliveries_waiting", "deliveries_batch"):
        op.drop_index(name, "deliveries")
    op.drop_column("deliveries", "user_id")
    _index("deliveries_batch", "deliveries", ["channel_id", "batch"], "state = 'waiting'")
    op.create_index(
        "deliveries_waiting",
        "deliveries",
        ["channel_id", "ready_at"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.drop_index("mailboxes_redrive", "mailboxes")
    op.drop_column("mailboxes", "redrive_at")
    op.add_column("steps", sa.Column("redrive_at", Instant(), server_default="0", nullable=False))
    op.create_index("steps_redrive", "steps", ["redrive_at"], sqlite_where=waiting, postgresql_where=waiting)
