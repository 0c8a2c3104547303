"""What a provider calls a message is its message id, and moves are judged by their folder"""

from collections.abc import Mapping

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES = ("messages", "steps", "decisions", "notifications", "judged")
_JUDGED = sa.table("judged", sa.column("label_id"))
_FOLDERS = {"SPAM": "spam", "TRASH": "trash", "DRAFT": "drafts"}


def upgrade() -> None:
    _rename("gmail_id", "message_id")
    _call_moves(_FOLDERS)


def downgrade() -> None:
    _call_moves({new: old for old, new in _FOLDERS.items()})
    _rename("message_id", "gmail_id")


def _rename(old: str, new: str) -> None:
    """In SQL, as batches would write each table anew on SQLite; both databases follow in keys and indices."""
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")


def _call_moves(words: Mapping[str, str]) -> None:
    """What has left Spam, Trash or Drafts, or was put away, is remembered by its folder, not by Gmail's label."""
    for old, new in words.items():
        op.execute(sa.update(_JUDGED).where(_JUDGED.c.label_id == old).values(label_id=new))
