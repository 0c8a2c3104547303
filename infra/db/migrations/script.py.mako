"""${message}"""

import sqlalchemy as sa
from alembic import op

revision = "${up_revision}"
down_revision = "${down_revision}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mailboxes", sa.Column("example", sa.String()))  # to be replaced


def downgrade() -> None:
    op.drop_column("mailboxes", "example")
