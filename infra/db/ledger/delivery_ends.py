"""What the two ledgers of channels do alike: deliveries of notifications and of events end or wait again, and the
channels that they wait for are found (W2)."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, bindparam, case, select, true, update

from domain.channels import ChannelState
from domain.ids import ChannelId
from infra.db.channels import is_awake
from infra.db.ledger.claims import Claims
from infra.db.sql import change_these, chunks
from infra.db.tables.channels import channels
from infra.db.types import db_now

_OFF_FOR = 86_400.0
"""Seconds until a delivery to a channel that is off is looked at again."""


def end(
    db: Connection, claims: Claims, change: Any, channel_id: ChannelId, ids: Iterable[int], **values: Any
) -> set[int]:
    """Run one of the statements below on the channel's deliveries of `ids`; returns those that were still the
    owner's."""
    ended: set[int] = set()
    for chunk in chunks(sorted(ids)):
        ended.update(db.scalars(change, {"of_channel": channel_id, "its": chunk, **values}))
    return ended


@cache
def finished(dialect: str, claims: Claims) -> Any:
    """Parameter: "me"."""
    return claims.finish(*_these(dialect, claims)).returning(of(claims))


@cache
def set_aside(dialect: str, claims: Claims) -> Any:
    """Parameters: "me", "why"."""
    return claims.set_aside(*_these(dialect, claims), trouble=bindparam("why")).returning(of(claims))


def released(dialect: str, claims: Claims, *, counted: bool, **more: Any) -> Any:
    """Parameters: "me", "after", and those of `more`."""
    return claims.release(*_these(dialect, claims), counted=counted, **more).returning(of(claims))


def of(claims: Claims) -> Column[Any]:
    """The column of what is delivered."""
    _, what = claims.table.primary_key.columns
    return what


def of_channel(claims: Claims) -> ColumnElement[bool]:
    """Condition: a delivery to :of_channel."""
    channel_id: Column[Any] = claims.table.c.channel_id
    return channel_id == bindparam("of_channel")


def _these(dialect: str, claims: Claims) -> tuple[ColumnElement[bool], ...]:
    its = of(claims).in_(bindparam("its"))
    return of_channel(claims), claims.in_order(dialect, of_channel(claims), its)


def redriven(
    db: Connection,
    claims: Claims,
    which: Select[Any],
    limit: int,
    again_after: float,
    may_go: ColumnElement[bool] = true(),  # noqa: B008 - a constant
) -> set[int]:
    """The channels of deliveries that are due, among those that `which` joins.

    At most `limit` deliveries are read and written, however long the backlog. Those for a channel that rests or is off
    are put off, so that the next call does not read them again. A locked delivery is being sent.
    """
    table = claims.table
    key = (table.c.channel_id, of(claims))
    oldest = which.add_columns(*key, may_go.label("may_go")).where(
        claims.waits, table.c.redrive_at <= db_now()
    )
    oldest = oldest.order_by(table.c.redrive_at).limit(limit)
    rows = db.execute(oldest.with_for_update(skip_locked=True, of=table)).all()
    if not rows:
        return set()
    active = channels.c.state == ChannelState.ACTIVE.value
    of_it = channels.c.id == table.c.channel_id
    again = case(
        (~active, db_now(_OFF_FOR)), (~is_awake(), channels.c.resting_until), else_=db_now(again_after)
    )
    later = update(table).values(redrive_at=select(again).where(of_it).scalar_subquery())
    change_these(db, later, key, [tuple(row)[:2] for row in rows])
    concerned = {row.channel_id for row in rows if row.may_go}
    ready = select(channels.c.id).where(channels.c.id.in_(concerned), active, is_awake())
    return set(db.scalars(ready))
