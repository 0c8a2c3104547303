"""Which delivery is due next, and which channels have any. Few rows are read, however long the backlog (W2, E91)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    func,
    or_,
    select,
)

from domain.ids import ChannelId, ConnectionId
from domain.notifications import LATE_AFTER, NotificationKind
from domain.parcels import batch_of
from infra.db.features import announces
from infra.db.ledger.claims import DELIVERIES, EVENT_DELIVERIES
from infra.db.ledger.delivery_ends import redriven
from infra.db.sql import MANY, chunks, in_key_order
from infra.db.tables.channels import deliveries
from infra.db.tables.connections import connections
from infra.db.tables.mail import notifications
from infra.db.types import NOW, db_now

_ASIDE_FOR = 600.0
"""Seconds for which a delivery that may not be sent is not looked at; a sign-in ends this."""

LOOK = 50
"""Least number of deliveries that are looked at together, to find one that may be sent."""

_SUMMARY = 10
"""A summary costs the database as much as this many single events."""

_NOT_SIGNED_IN = "sign_in"

OF_MAIL = notifications.c.kind == NotificationKind.MAIL.value
WORKS = announces()
MAY_GO = or_(~OF_MAIL, WORKS)
"""A notification of mail waits, with its three details, while no user is signed in to the mailbox (D12)."""


@dataclass(frozen=True, slots=True)
class Due:
    """One event: its batch, and the notifications that become part of it now; none where the batch exists already."""

    batch: str
    new: tuple[int, ...] = ()

    @property
    def is_single(self) -> bool:
        """The event is one notification, and its batch is the notification's id."""
        return len(self.new) == 1 and self.batch == str(self.new[0])


class DueDeliveries:
    """Due deliveries within one transaction. `redrive_after`: seconds (W2)."""

    def __init__(self, db: Connection, redrive_after: float) -> None:
        self._db = db
        self._redrive_after = redrive_after

    def redrive(self, limit: int) -> tuple[int, ...]:
        told = redriven(self._db, DELIVERIES, joined(select()), limit, self._redrive_after, MAY_GO)
        events = redriven(self._db, EVENT_DELIVERIES, select(), limit, self._redrive_after)
        return tuple(sorted(told | events))

    def signed_in(self, connection_id: ConnectionId) -> None:
        """A locked delivery is skipped: it waits for _ASIDE_FOR seconds at most."""
        told = select(notifications.c.id).where(notifications.c.connection_id == connection_id)
        its = (deliveries.c.notification_id.in_(told), deliveries.c.trouble == _NOT_SIGNED_IN)
        free = in_key_order(self._db, deliveries, *its, DELIVERIES.waits, skip_locked=True)
        self._db.execute(DELIVERIES.hasten(free))

    def _next(self, channel_id: ChannelId, most: int) -> tuple[list[Due], bool]:
        """Returns the events that may be sent, the longest ready first, and whether there may be more: `most`
        notifications, or one event of more.

        A delivery that may not be sent is put off, so that a backlog is not read again for each event: until a user
        signs in to its mailbox, or until all late mails of its user have waited for others.
        """
        look = max(most, LOOK) + 1
        rows = self._db.execute(_READY, {"of_channel": channel_id, "look": look}).all()
        signed_out = [row.notification_id for row in rows if not row.may_go]
        self._step_aside(channel_id, signed_out, db_now(_ASIDE_FOR), trouble=_NOT_SIGNED_IN)
        found, more = self._events(channel_id, [row for row in rows if row.may_go], most)
        return found, more or len(rows) == look

    def _events(self, channel_id: ChannelId, rows: Sequence[Row[Any]], most: int) -> tuple[list[Due], bool]:
        """A delivery whose owner did not come back is sent alone, as it may have ended that process (W3)."""
        found: dict[str, Due] = {}
        users: set[tuple[str, int]] = set()
        size, alone = 0, False
        for row in rows:
            if size >= most or (found and (row.owner or alone)):
                return list(found.values()), True
            due: Due | None = None
            if row.batch is not None:
                due = Due(row.batch)
            elif not row.late:
                due = Due(str(row.notification_id), (row.notification_id,))
            elif (row.user_id, row.location_id) not in users:
                users.add((row.user_id, row.location_id))
                due = self._summary(channel_id, row.user_id, row.location_id)
                size += _SUMMARY
            if due is not None and due.batch not in found:
                found[due.batch] = due
                size += max(1, len(due.new))
            alone = bool(row.owner)
        return list(found.values()), False

    def _summary(self, channel_id: ChannelId, user_id: str, location_id: int) -> Due | None:
        """The user's late mails in the location that are part of no event yet. None, and they are put off, while the
        last of them waits for others."""
        its = {"of_channel": channel_id, "of_user": user_id, "of_location": location_id}
        ids = tuple(self._db.scalars(_LATE, its))
        if moment := self._db.scalar(_GATHERED_AT, its):
            self._step_aside(channel_id, ids, moment)
            return None
        return Due(batch_of(channel_id, ids), ids) if ids else None

    def _step_aside(
        self, channel_id: ChannelId, notification_ids: Sequence[int], until: Any, trouble: str | None = None
    ) -> None:
        its = deliveries.c.channel_id == channel_id
        for chunk in chunks(notification_ids):
            these = (its, deliveries.c.notification_id.in_(chunk), DELIVERIES.waits)
            aside = in_key_order(self._db, deliveries, *these)
            self._db.execute(DELIVERIES.put_off(until, its, aside, trouble=trouble))


def joined(query: Any) -> Any:
    """Deliveries with their notifications and connections; without either nothing is sent."""
    return (
        query.select_from(deliveries)
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .join(connections, connections.c.id == notifications.c.connection_id)
    )


def is_old() -> ColumnElement[bool]:
    """The mail was received so long ago that its notification is late."""
    return notifications.c.received_at < db_now(-LATE_AFTER.total_seconds())


# Built once, see infra/db/ledger/statements.py. The deliveries that have been ready the longest, sendable or not.
_ready = (
    select(deliveries)
    .where(deliveries.c.channel_id == bindparam("of_channel"), DELIVERIES.ready)
    .order_by(deliveries.c.ready_at, deliveries.c.notification_id)
    .limit(bindparam("look"))
    .subquery()
)
_READY: Select[Any] = (
    select(
        *(_ready.c[name] for name in ("notification_id", "batch", "user_id", "owner")),
        notifications.c.location_id,
        and_(OF_MAIL, or_(notifications.c.late, is_old())).label("late"),
        MAY_GO.label("may_go"),
    )
    .join(notifications, notifications.c.id == _ready.c.notification_id)
    .join(connections, connections.c.id == notifications.c.connection_id)
    .order_by(_ready.c.ready_at, _ready.c.notification_id)
)
_of_user = (
    deliveries.c.channel_id == bindparam("of_channel"),
    deliveries.c.user_id == bindparam("of_user"),
    DELIVERIES.waits,
    deliveries.c.batch.is_(None),
    notifications.c.location_id == bindparam("of_location"),
)
_LATE = (
    joined(select(deliveries.c.notification_id))
    .where(
        *_of_user,
        deliveries.c.ready_at <= NOW,
        OF_MAIL,
        or_(notifications.c.late, is_old()),
        MAY_GO,
    )
    .order_by(deliveries.c.notification_id)
    .limit(MANY)
)
# When the last of the user's late mails will have waited for others; NULL when all have (E91).
_GATHERED_AT = joined(select(func.max(deliveries.c.ready_at))).where(
    *_of_user, deliveries.c.ready_at > NOW, notifications.c.late
)
