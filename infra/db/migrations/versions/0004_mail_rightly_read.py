"""Lists' authors, late history, aliases, words of the CRM, and what mailboxes wait for"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


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
    """The settled cursor and the daily comparison (E108, E84)."""


def _troubles() -> None:
    """What keeps a mailbox or its sorting waiting (E67, E87)."""


def _words() -> None:
    """The organisation's words for categories and labels, records out of date (E9, Part I)."""


def _aliases() -> None:
    """Own addresses that Gmail does not list (E14), and the name that Gmail has for the mailbox's owner."""
    op.add_column("mailboxes", sa.Column("own_name", sa.String(), nullable=True))
    column = sa.Column("alias_of", sa.BigInteger().with_variant(sa.Integer, "sqlite"))
    op.add_column("mailbox_addresses", column)


def downgrade() -> None:
    op.execute("DELETE FROM mailbox_addresses WHERE alias_of IS NOT NULL")
    op.drop_column("mailbox_addresses", "alias_of")
    op.drop_column("mailboxes", "own_name")
    for table in ("notifications", "decisions"):
        op.drop_column(table, "via_list")
