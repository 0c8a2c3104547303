"""A start for each feature of a connection, and an organisation and a location for all that is the CRM's"""

import sqlalchemy as sa
from alembic import op

from infra.db.types import Instant

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

LABEL, MATCH = "label.failed", "match.failed"
_STEPS = sa.table(
    "steps", *map(sa.column, ("mailbox_id", "gmail_id", "step", "connection_id", "state", "outcome"))
)
_DECISIONS = sa.table("decisions", *map(sa.column, ("mailbox_id", "gmail_id", "outcome")))


def upgrade() -> None:
    _features()
    _failures(LABEL, MATCH)


def _features() -> None:
    """Two-way sync has a start as the other features have."""
    op.add_column("connections", sa.Column("sync_since", Instant(), nullable=True))


def _failures(old: str, new: str) -> None:
    """Mail that could not be matched ends with a word of its own."""
    unmatched = sa.and_(_STEPS.c.step == "match", _STEPS.c.state == "set_aside")
    its = sa.exists().where(
        _STEPS.c.mailbox_id == _DECISIONS.c.mailbox_id,
        _STEPS.c.gmail_id == _DECISIONS.c.gmail_id,
        _STEPS.c.connection_id == 0,
        unmatched,
    )
    op.execute(sa.update(_DECISIONS).where(_DECISIONS.c.outcome == old, its).values(outcome=new))
    op.execute(sa.update(_STEPS).where(_STEPS.c.outcome == old, unmatched).values(outcome=new))


def downgrade() -> None:
    _failures(MATCH, LABEL)
    op.drop_column("connections", "sync_since")
