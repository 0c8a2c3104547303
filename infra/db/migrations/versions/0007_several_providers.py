"""Mailboxes of several providers: whose they are, and their words for messages and moves"""

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES = ("messages", "steps", "decisions", "notifications", "judged")
_JUDGED = sa.table("judged", sa.column("label_id"))
_FOLDERS = {"SPAM": "spam", "TRASH": "trash", "DRAFT": "drafts"}
_OF_PROVIDER = ("provider", "provider_key")


def upgrade() -> None:
    _rename("gmail_id", "message_id")
    _call_moves(_FOLDERS)
    _providers()


def downgrade() -> None:
    _no_providers()
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


def _providers() -> None:
    """Whose mailbox it is, and how its provider knows it: so far all are Gmail's, which knows them by address. Two
    providers may have one of the same address."""
    for name in _OF_PROVIDER:
        op.add_column("mailboxes", sa.Column(name, sa.String()))
    op.execute("UPDATE mailboxes SET provider = 'gmail', provider_key = address")
    if op.get_bind().dialect.name == "sqlite":
        _remake(required=_OF_PROVIDER, unique=_OF_PROVIDER)
    else:
        for name in _OF_PROVIDER:
            op.alter_column("mailboxes", name, nullable=False)
        op.drop_constraint("mailboxes_address_key", "mailboxes")
        op.create_unique_constraint("mailboxes_provider_provider_key_key", "mailboxes", _OF_PROVIDER)
    op.create_index("mailboxes_address", "mailboxes", ["address"])


def _no_providers() -> None:
    others = sa.text("SELECT count(*) FROM mailboxes WHERE provider <> 'gmail'")
    if op.get_bind().scalar(others):
        raise ValueError("the release before knows no provider but Gmail: disconnect the others first")
    op.drop_index("mailboxes_address", "mailboxes")
    if op.get_bind().dialect.name == "sqlite":
        _remake(without=_OF_PROVIDER, unique=("address",))
    else:
        for name in _OF_PROVIDER:
            op.drop_column("mailboxes", name)
        op.create_unique_constraint("mailboxes_address_key", "mailboxes", ["address"])


def _remake(*, required: Collection[str] = (), without: Collection[str] = (), unique: Sequence[str]) -> None:
    """SQLite changes no constraint: the rows go into a table made anew. Foreign keys must be off, or the children of
    the old one would be deleted with it (infra.db.migrate)."""
    db = op.get_bind()
    if db.scalar(sa.text("PRAGMA foreign_keys")):
        raise ValueError("foreign keys are on: SQLite would delete what belongs to the mailboxes")
    of_mailboxes = sa.text(
        "SELECT sql FROM sqlite_master WHERE tbl_name = 'mailboxes' AND type = 'index' AND sql IS NOT NULL"
    )
    indexes = db.scalars(of_mailboxes).all()
    kept = [one for one in sa.inspect(db).get_columns("mailboxes") if one["name"] not in without]
    columns: list[sa.Column[str]] = [
        sa.Column(
            one["name"],
            one["type"],
            primary_key=bool(one.get("primary_key")),
            nullable=one["nullable"] and one["name"] not in required,
            server_default=None if one["default"] is None else sa.text(one["default"]),
        )
        for one in kept
    ]
    op.create_table("new_mailboxes", *columns, sa.UniqueConstraint(*unique), sqlite_autoincrement=True)
    names = ", ".join(one["name"] for one in kept)
    op.execute(f"INSERT INTO new_mailboxes ({names}) SELECT {names} FROM mailboxes")  # noqa: S608 - our names
    given = db.scalar(sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'mailboxes'"))
    op.drop_table("mailboxes")
    op.rename_table("new_mailboxes", "mailboxes")
    if given is not None:  # an id that was given away once is not given again
        db.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = 'mailboxes'"))
        row = sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES ('mailboxes', :given)")
        db.execute(row, {"given": given})
    for index in indexes:
        op.execute(index)
