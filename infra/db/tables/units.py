"""Google's units by day of Pacific Time (FACTS §4): numbers and ids only, kept as long as the ledger."""

from sqlalchemy import BigInteger, Column, Date, Integer, String, Table

from domain.quota import Purpose
from infra.db.tables.schema import metadata

_id = BigInteger().with_variant(Integer, "sqlite")


def _purposes() -> list[Column[int]]:
    return [Column(one.value, BigInteger, nullable=False, server_default="0") for one in Purpose]


units = Table(
    "units",
    metadata,
    Column("day", Date, primary_key=True),
    Column("mailbox_id", _id, primary_key=True, autoincrement=False),
    *_purposes(),
)
"""What each mailbox has cost, one row a day. A row stays when its mailbox is deleted: the project's quota was spent."""

unit_sums = Table(
    "unit_sums",
    metadata,
    Column("day", Date, primary_key=True),
    Column("owner", String, primary_key=True),
    Column("batch", String, nullable=False),
    *_purposes(),
)
"""What each process has added to `units`, so that a day's sum needs few rows. `batch`: the key of its last batch; a
batch that is repeated counts once."""
