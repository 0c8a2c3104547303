"""A start for each feature of a connection, and an organisation and a location for all that is the CRM's"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from infra.db.types import Instant, Json, db_now

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

LABEL, MATCH = "label.failed", "match.failed"
_STEPS = sa.table(
    "steps", *map(sa.column, ("mailbox_id", "gmail_id", "step", "connection_id", "state", "outcome"))
)
_DECISIONS = sa.table("decisions", *map(sa.column, ("mailbox_id", "gmail_id", "outcome")))

_ORGANISATION, _LOCATION = ("organisation_id",), ("location_id",)
_BOTH = _ORGANISATION + _LOCATION
_SCOPES = {
    "users": _ORGANISATION,
    "user_addresses": _ORGANISATION,
    "contacts": _LOCATION,
    "contact_addresses": _LOCATION,
    "contact_viewers": _LOCATION,
    "deals": _LOCATION,
    "deal_contacts": _LOCATION,
    "crm_versions": _BOTH,
    "outdated": _BOTH,
    "settings": _ORGANISATION,
    "connections": _BOTH,
    "shared_contacts": _LOCATION,
    "sign_ins": _BOTH,
    "channels": _ORGANISATION,
    "notifications": _BOTH,
}
"""What says of a row whose it is, in front of its other columns."""

_NUMBERED = ("connections", "shared_contacts", "sign_ins", "channels", "notifications")
"""The scope is no part of their keys."""

_PARENTS = {
    "user_addresses": ("users", "user_id"),
    "contact_addresses": ("contacts", "contact_id"),
    "contact_viewers": ("contacts", "contact_id"),
    "deal_contacts": ("deals", "deal_id"),
}
_REFERS = {
    **dict.fromkeys(("users", "settings", "channels"), ("organisation_id", "organisations")),
    **dict.fromkeys(("contacts", "deals", "connections"), ("location_id", "locations")),
}
_UNIQUE = {"connections": ("user_id", "mailbox_id")}
_INDEXED = (
    *(("users", "role"), ("user_addresses", "loose"), ("contact_addresses", "address")),
    *(("contact_addresses", "loose"), ("shared_contacts", "contact_id")),
    ("deal_contacts", "contact_id", "deal_id"),
)
"""Columns by which rows are looked for, within the scope from now on."""


def upgrade() -> None:
    _features()
    _failures(LABEL, MATCH)
    _organisations()
    _settings_members_and_merges()


def _settings_members_and_merges() -> None:
    at, of = (sa.Column("location_id", _id(), sa.ForeignKey("locations.id"), primary_key=True) for _ in "12")
    name, record = (sa.Column(one, sa.String(), primary_key=True) for one in ("name", "record_id"))
    op.create_table("location_settings", at, name, sa.Column("value", Json(), nullable=False))
    op.add_column("users", sa.Column("locations", Json(), nullable=False, server_default="[]"))
    flags: list[sa.Column[Any]] = [
        sa.Column(one, sa.Boolean(), nullable=False, server_default=sa.false())
        for one in ("by_file", "outlived")
    ]
    into = [sa.Column(one, sa.String()) for one in ("survivor", "counts_for")]
    told: list[sa.Column[Any]] = [sa.Column("version", sa.BigInteger(), nullable=False), *flags]
    op.create_table("merges", of, record, *told, *into, sa.Column("settled_at", Instant(), nullable=False))
    for column in into:
        op.create_index(f"merges_{column.name}", "merges", ["location_id", column.name])
    op.create_index("merges_settled", "merges", ["settled_at"])


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


def _organisations() -> None:
    """Each row of the CRM belongs to an organisation or a location: so far to `main`, which is always there (T1)."""
    op.create_table(
        "organisations",
        sa.Column("id", _id(), primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(), nullable=False, unique=True),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "locations",
        sa.Column("id", _id(), primary_key=True, autoincrement=True),
        sa.Column("organisation_id", _id(), sa.ForeignKey("organisations.id"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.UniqueConstraint("organisation_id", "name"),
        sqlite_autoincrement=True,
    )
    op.execute("INSERT INTO organisations (name) VALUES ('main')")
    op.execute("INSERT INTO locations (organisation_id, name) VALUES (1, 'main')")
    op.rename_table("organisation", "settings")
    op.add_column("connections", sa.Column("signed_out_at", Instant(), nullable=True))
    signed_out = sa.table("connections", sa.column("state"), sa.column("signed_out_at", Instant()))
    lost = sa.update(signed_out).where(signed_out.c.state == "reauth_needed")
    op.execute(lost.values(signed_out_at=db_now()))
    for table, column, *_ in _INDEXED:
        op.drop_index(f"ix_{table}_{column}", table)
    op.drop_index("notifications_user", "notifications")
    op.drop_index("connections_public", "connections")
    _remake(wide=True)
    for name in ("crm_versions", "outdated"):
        op.execute(sa.text(f"UPDATE {name} SET location_id = 0 WHERE kind = 'users'"))  # noqa: S608
    for table, column, *more in _INDEXED:
        op.create_index(f"{table}_{column.removesuffix('_id')}", table, [_SCOPES[table][0], column, *more])
    op.create_index("notifications_user", "notifications", ["organisation_id", "user_id", "id"])
    op.create_index("ix_channels_organisation_id", "channels", ["organisation_id"])
    _public("location_id")


def _public(column: str) -> None:
    where = sa.text("sharing = 'public'")
    op.create_index("connections_public", "connections", [column], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    op.drop_column("users", "locations")
    op.drop_table("location_settings")
    op.drop_table("merges")
    _one_organisation()
    _failures(MATCH, LABEL)
    op.drop_column("connections", "sync_since")


def _one_organisation() -> None:
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM locations")) != 1:
        raise ValueError("the release before knows one location: delete the others first")
    for table, column, *_ in _INDEXED:
        op.drop_index(f"{table}_{column.removesuffix('_id')}", table)
    op.drop_index("notifications_user", "notifications")
    op.drop_index("ix_channels_organisation_id", "channels")
    op.drop_index("connections_public", "connections")
    _remake(wide=False)
    for table, column, *_ in _INDEXED:
        op.create_index(f"ix_{table}_{column}", table, [column])
    op.create_index("notifications_user", "notifications", ["user_id", "id"])
    _public("mailbox_id")
    op.drop_column("connections", "signed_out_at")
    op.rename_table("settings", "organisation")
    op.drop_table("locations")
    op.drop_table("organisations")


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _remake(*, wide: bool) -> None:
    """The tables with the scope in front, or without it."""
    if op.get_bind().dialect.name == "sqlite":
        if op.get_bind().scalar(sa.text("PRAGMA foreign_keys")):
            raise ValueError(
                "foreign keys are on: SQLite would delete what belongs to the rows of these tables"
            )
        for name in _SCOPES:
            _copy(name, wide=wide)
    else:
        _alter(wide=wide)


def _alter(*, wide: bool) -> None:
    """PostgreSQL keeps the rows where they are: a new column has its value without being written."""
    for child in _PARENTS:
        for one in _inspected().get_foreign_keys(child):
            op.drop_constraint(one["name"], child, type_="foreignkey")
    for name, scope in _SCOPES.items():
        key = _key(name)
        _drop_keys(name)
        for column in scope:
            if wide:
                op.add_column(name, sa.Column(column, sa.BigInteger(), server_default="1", nullable=False))
                op.alter_column(name, column, server_default=None)
            else:
                op.drop_column(name, column)
        _make_keys(name, key, scope if wide else ())
    for child, (parent, column) in _PARENTS.items():
        front = _SCOPES[child] if wide else ()
        op.create_foreign_key(None, child, parent, [*front, column], [*front, "id"], ondelete="CASCADE")


def _drop_keys(name: str) -> None:
    if name not in _NUMBERED:
        op.drop_constraint(_inspected().get_pk_constraint(name)["name"], name)
    for one in _inspected().get_unique_constraints(name) if name in _UNIQUE else ():
        op.drop_constraint(one["name"], name)


def _make_keys(name: str, key: tuple[str, ...], front: tuple[str, ...]) -> None:
    if name not in _NUMBERED:
        op.create_primary_key(f"{name}_pkey", name, [*front, *key])
    if name in _UNIQUE:
        op.create_unique_constraint(None, name, [*front[-1:], *_UNIQUE[name]])
    if front and name in _REFERS:
        column, referred = _REFERS[name]
        op.create_foreign_key(None, name, referred, [column], ["id"])


def _copy(name: str, *, wide: bool) -> None:
    """SQLite changes no key: the rows go into a table made anew. Foreign keys must be off, or the children of the old
    one would be deleted with it (infra.db.migrate)."""
    db, here, scope = op.get_bind(), _inspected(), _SCOPES[name]
    made = "SELECT sql FROM sqlite_master WHERE tbl_name = :name AND sql IS NOT NULL ORDER BY type = 'table' DESC"
    table, *indexes = db.scalars(sa.text(made), {"name": name}).all()
    numbered = "AUTOINCREMENT" in table
    old = [column for column in here.get_columns(name) if column["name"] not in scope]
    key = (*(() if name in _NUMBERED else scope), *_key(name))
    front = scope if wide else ()
    op.create_table(
        f"new_{name}",
        *(sa.Column(one, _id(), primary_key=one in key, nullable=False) for one in front),
        *(_column(one, key) for one in old),
        *_constraints(name, here, front),
        sqlite_autoincrement=numbered,
    )
    names = ", ".join(one["name"] for one in old)
    op.execute(
        sa.text(
            f"INSERT INTO new_{name} ({', '.join([*front, names])})"  # noqa: S608 - the names are ours
            f" SELECT {', '.join([*('1' for _ in front), names])} FROM {name}"
        )
    )
    last = "SELECT seq FROM sqlite_sequence WHERE name = :name"
    given = db.scalar(sa.text(last), {"name": name}) if numbered else None
    op.drop_table(name)
    op.rename_table(f"new_{name}", name)
    if given is not None:  # an id that was given away once is not given again
        db.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": name})
        row = sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :given)")
        db.execute(row, {"name": name, "given": given})
    for index in indexes:
        op.execute(sa.text(index))


def _column(one: Any, key: tuple[str, ...]) -> sa.Column[Any]:
    default = None if one["default"] is None else sa.text(one["default"])
    is_key = one["name"] in key
    return sa.Column(
        one["name"],
        one["type"],
        primary_key=is_key,
        nullable=one["nullable"] and not is_key,
        server_default=default,
    )


def _constraints(name: str, here: Any, front: tuple[str, ...]) -> list[sa.schema.SchemaItem]:
    found: list[sa.schema.SchemaItem] = []
    if name in _PARENTS:
        parent, column = _PARENTS[name]
        referred = [f"{parent}.{one}" for one in (*front, "id")]
        found.append(sa.ForeignKeyConstraint([*front, column], referred, ondelete="CASCADE"))
    if front and name in _REFERS:
        column, parent = _REFERS[name]
        found.append(sa.ForeignKeyConstraint([column], [f"{parent}.id"]))
    for one in here.get_foreign_keys(name):
        if name not in _PARENTS and not {*_SCOPES[name]} & {*one["constrained_columns"]}:
            referred = [f"{one['referred_table']}.{column}" for column in one["referred_columns"]]
            found.append(sa.ForeignKeyConstraint(one["constrained_columns"], referred, **one["options"]))
    for one in here.get_unique_constraints(name):
        names = (*front[-1:], *_UNIQUE[name]) if name in _UNIQUE else one["column_names"]
        found.append(sa.UniqueConstraint(*names))
    return found


def _key(name: str) -> tuple[str, ...]:
    """The primary key, without the scope."""
    return tuple(
        one for one in _inspected().get_pk_constraint(name)["constrained_columns"] if one not in _SCOPES[name]
    )


def _inspected() -> Any:
    return sa.inspect(op.get_bind())
