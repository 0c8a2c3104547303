"""Lists' authors, late history, aliases, words of the CRM, and what mailboxes wait for"""

import sqlalchemy as sa
from alembic import op

from infra.db.types import Instant, Json

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_HISTORY_MOMENTS = ("settled_at", "settling_at", "walk_began_at", "refused_at", "compared_at")


def upgrade() -> None:
    _authors()
    _history()
    _troubles()
    _words()
    _aliases()


def _authors() -> None:
    """Who was found by E100."""
    for table in ("decisions", "notifications"):
        op.add_column(table, sa.Column("via_list", sa.Boolean(), server_default=sa.false(), nullable=False))


def _history() -> None:
    """The settled cursor and the daily comparison (E108, E84). A cursor of before has settled long ago."""
    for name in ("settled_cursor", "settling_cursor"):
        op.add_column("mailboxes", sa.Column(name, sa.String(), nullable=True))
    for name in (*_HISTORY_MOMENTS, "compare_due_at"):
        op.add_column("mailboxes", sa.Column(name, Instant(), nullable=True))
    for name in ("mails_compared", "mails_late"):
        op.add_column("mailboxes", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
    op.execute(sa.text("UPDATE mailboxes SET settled_cursor = cursor, settled_at = synced_at"))
    slot = "COALESCE(watch_due_at, synced_at) + id * 61 % 1440 * 60000"  # over the day
    op.execute(sa.text(f"UPDATE mailboxes SET compare_due_at = {slot} WHERE cursor IS NOT NULL"))  # noqa: S608
    op.create_index("mailboxes_compare_due", "mailboxes", ["compare_due_at"])
    op.create_table(
        "judged",
        sa.Column(
            "mailbox_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.ForeignKey("mailboxes.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("record_id", sa.String(), primary_key=True),
        sa.Column("gmail_id", sa.String(), primary_key=True),
        sa.Column("label_id", sa.String(), primary_key=True),
        sa.Column("added", sa.Boolean(), primary_key=True),
        sa.Column("judged_at", Instant(), nullable=False),
    )


def _troubles() -> None:
    """What keeps a mailbox or its sorting waiting (E67, E87), or a service account out."""
    op.add_column("connections", sa.Column("access_trouble", sa.String(), nullable=True))
    for name in ("refusals", "label_conflicts"):
        op.add_column("mailboxes", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
    op.add_column("mailboxes", sa.Column("sorting_due_at", Instant(), nullable=True))


def _words() -> None:
    """The organisation's words for categories and labels, records out of date (E9, Part I)."""
    op.add_column(
        "deals", sa.Column("uncategorised", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    which = sa.text("uncategorised")
    op.create_index("deals_uncategorised", "deals", ["stage"], sqlite_where=which, postgresql_where=which)
    op.create_table(
        "outdated",
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("record_id", sa.String(), primary_key=True),
        sa.Column("version", sa.BigInteger()),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
    )
    op.add_column("mailboxes", sa.Column("label_names", Json(), nullable=True))


def _aliases() -> None:
    """Own addresses that Gmail does not list (E14), and the name that Gmail has for the mailbox's owner."""
    op.add_column("mailboxes", sa.Column("own_name", sa.String(), nullable=True))
    column = sa.Column("alias_of", sa.BigInteger().with_variant(sa.Integer, "sqlite"))
    op.add_column("mailbox_addresses", column)


def downgrade() -> None:
    op.drop_column("mailboxes", "label_names")
    op.execute("DELETE FROM mailbox_addresses WHERE alias_of IS NOT NULL")
    op.drop_column("mailbox_addresses", "alias_of")
    op.drop_table("judged")
    op.drop_index("mailboxes_compare_due", "mailboxes")
    for name in ("settled_cursor", "settling_cursor", "mails_compared", "mails_late", "compare_due_at"):
        op.drop_column("mailboxes", name)
    for name in _HISTORY_MOMENTS:
        op.drop_column("mailboxes", name)
    op.drop_column("mailboxes", "own_name")
    for name in ("refusals", "label_conflicts", "sorting_due_at"):
        op.drop_column("mailboxes", name)
    op.drop_table("outdated")
    op.drop_index("deals_uncategorised", "deals")
    op.drop_column("deals", "uncategorised")
    op.drop_column("connections", "access_trouble")
    for table in ("notifications", "decisions"):
        op.drop_column(table, "via_list")
