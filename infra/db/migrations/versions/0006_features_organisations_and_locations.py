"""A start for each feature of a connection, and an organisation and a location for all that is the CRM's"""

import sqlalchemy as sa
from alembic import op

from infra.db.types import Instant

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _features()


def _features() -> None:
    """Two-way sync has a start as the other features have."""
    op.add_column("connections", sa.Column("sync_since", Instant(), nullable=True))


def downgrade() -> None:
    op.drop_column("connections", "sync_since")
