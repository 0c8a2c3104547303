"""Retention of what was kept for good, and what a hundred thousand mailboxes ask of the database"""

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _retention()
    _channels()
    _labelled()
    _units()


def _retention() -> None:
    """What the purge forgets and when it last ran."""


def _channels() -> None:
    """What waits for channels and what work is asked for again."""


def _labelled() -> None:
    """Earlier mail of a contact under a label, and the record page."""


def _units() -> None:
    """Google's units by mailbox, day and purpose, and watches that last three days."""


def downgrade() -> None:
    pass
