"""Which delivery is due next, and which channel has any: a few rows are read, however long the backlog (W2, E91)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Update,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)

from domain.channels import ChannelState
from domain.connections import ConnectionState
from domain.ledger import State
from domain.notifications import LATE_AFTER, NoticeKind
from infra.db.channels import is_awake
from infra.db.schema import channels, connections, deliveries, notifications
from infra.db.sql import change_these, in_key_order
from infra.db.types import db_now

_OFF_FOR = 86_400.0
"""Seconds until the re-driver looks again at what waits for a channel that is off."""

_ASIDE_FOR = 600.0
"""Seconds for which what may not go now is not looked at; a sign-in ends that."""

_LOOK = 50
_LOOKS = 40
"""Deliveries looked at together, and how often in one transaction, to find one that may go now."""

_NOT_SIGNED_IN = "sign_in"

_KEY = (deliveries.c.channel_id, deliveries.c.notification_id)
WAITS = deliveries.c.state == bindparam(None, State.WAITING.value, literal_execute=True)
OF_MAIL = notifications.c.kind == NoticeKind.MAIL.value
WORKS = and_(
    connections.c.state == ConnectionState.ACTIVE.value,
    connections.c.magnet_since.is_not(None),
)
MAY_GO = or_(~OF_MAIL, WORKS)
"""Of a mail nothing is told while nobody is signed in to its mailbox (D12): it waits, with its three details."""


class DueDeliveries:
    """Deliveries that are due, within one transaction. `redrive_after`: seconds, see W2."""

    def __init__(self, db: Connection, redrive_after: float) -> None:
        self._db = db
        self._redrive_after = redrive_after

    def stalled(self, limit: int) -> tuple[int, ...]:
        """Channels for which something waits although its time has come; asked for again from now (W2).

        At most so many deliveries are read and written, however long the backlog. What waits for a channel that rests
        or is off steps aside, so that no tick reads it twice; what is locked is being sent.
        """
        oldest = joined(select(*_KEY, MAY_GO.label("may_go"))).where(
            WAITS, deliveries.c.redrive_at <= db_now()
        )
        oldest = oldest.order_by(deliveries.c.redrive_at).limit(limit)
        rows = self._db.execute(oldest.with_for_update(skip_locked=True, of=deliveries)).all()
        if not rows:
            return ()
        active = channels.c.state == ChannelState.ACTIVE.value
        of_it = channels.c.id == deliveries.c.channel_id
        again = case(
            (~active, db_now(_OFF_FOR)),
            (~is_awake(), channels.c.resting_until),
            else_=db_now(self._redrive_after),
        )
        later = update(deliveries).values(redrive_at=select(again).where(of_it).scalar_subquery())
        change_these(self._db, later, _KEY, [(row.channel_id, row.notification_id) for row in rows])
        concerned = {row.channel_id for row in rows if row.may_go}
        ready = select(channels.c.id).where(channels.c.id.in_(concerned), active, is_awake())
        return tuple(self._db.scalars(ready.order_by(channels.c.id)))

    def signed_in(self, connection_id: int) -> None:
        """What waited for its user's sign-in may go now."""
        told = select(notifications.c.id).where(notifications.c.connection_id == connection_id)
        its = (deliveries.c.notification_id.in_(told), deliveries.c.trouble == _NOT_SIGNED_IN, WAITS)
        free = in_key_order(self._db, deliveries, *its, skip_locked=True)
        self._db.execute(update(deliveries).where(free).values(ready_at=db_now(), redrive_at=db_now()))

    def _first(self, channel_id: int) -> Any:
        """The delivery that has been ready the longest and may go, with its user and whether it is late.

        What may not go steps aside, so that nobody reads a backlog once for each event: until somebody signs in to
        its mailbox, or until all late mails of its user have waited for others.
        """
        for _ in range(_LOOKS):
            rows = self._db.execute(self._ready(channel_id)).all()
            gathered_at: dict[str, datetime | None] = {}
            signed_out, gathering = [], []
            found = None
            for row in rows:
                if row.may_go and row.late and row.batch is None and row.user_id not in gathered_at:
                    gathered_at[row.user_id] = self._gathered_at(channel_id, row.user_id)
                if not row.may_go:
                    signed_out.append(row.notification_id)
                elif row.late and row.batch is None and gathered_at[row.user_id]:
                    gathering.append(row)
                else:
                    found = row
                    break
            self._step_aside(channel_id, signed_out, db_now(_ASIDE_FOR), trouble=_NOT_SIGNED_IN)
            for user_id, moment in gathered_at.items():
                its = [row.notification_id for row in gathering if row.user_id == user_id]
                self._step_aside(channel_id, its, moment)
            if found is not None or len(rows) < _LOOK:
                return found
        return None

    def _ready(self, channel_id: int) -> Select[Any]:
        """Those that have been ready the longest, whether they may go or not."""
        ready = (
            select(deliveries)
            .where(deliveries.c.channel_id == channel_id, WAITS, deliveries.c.ready_at <= db_now())
            .order_by(deliveries.c.ready_at, deliveries.c.notification_id)
            .limit(_LOOK)
            .subquery()
        )
        return (
            select(
                *(ready.c[name] for name in ("notification_id", "batch", "user_id")),
                and_(OF_MAIL, or_(notifications.c.late, is_old())).label("late"),
                MAY_GO.label("may_go"),
            )
            .join(notifications, notifications.c.id == ready.c.notification_id)
            .join(connections, connections.c.id == notifications.c.connection_id)
            .order_by(ready.c.ready_at, ready.c.notification_id)
        )

    def _gathered_at(self, channel_id: int, user_id: str) -> datetime | None:
        """When the last of the user's late mails has waited for others; None when all have (E91)."""
        waits = (
            deliveries.c.channel_id == channel_id,
            deliveries.c.user_id == user_id,
            WAITS,
            deliveries.c.batch.is_(None),
            deliveries.c.ready_at > db_now(),
            notifications.c.late,
        )
        last: datetime | None = self._db.scalar(joined(select(func.max(deliveries.c.ready_at))).where(*waits))
        return last

    def _step_aside(
        self, channel_id: int, notification_ids: Sequence[int], until: Any, trouble: str | None = None
    ) -> None:
        if notification_ids:
            these = self._changed(channel_id, deliveries.c.notification_id.in_(notification_ids), WAITS)
            self._db.execute(these.values(ready_at=until, redrive_at=until, trouble=trouble))

    def _changed(self, channel_id: int, *where: ColumnElement[bool], skip_locked: bool = False) -> Update:
        """An UPDATE of these deliveries of the channel."""
        its = deliveries.c.channel_id == channel_id
        these = in_key_order(self._db, deliveries, its, *where, skip_locked=skip_locked)
        return update(deliveries).where(its, these)


def joined(query: Any) -> Any:
    """Deliveries with their notifications and those with their connections: without one nothing is sent."""
    return (
        query.select_from(deliveries)
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .join(connections, connections.c.id == notifications.c.connection_id)
    )


def is_old() -> ColumnElement[bool]:
    return notifications.c.received_at < db_now(-LATE_AFTER.total_seconds())
