"""What a provider calls a message is its message id"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES = ("messages", "steps", "decisions", "notifications", "judged")


def upgrade() -> None:
    _rename("gmail_id", "message_id")


def downgrade() -> None:
    _rename("message_id", "gmail_id")


def _rename(old: str, new: str) -> None:
    """In SQL, as batches would write each table anew on SQLite; both databases follow in keys and indices."""
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
