"""The ledger of the channels: which notification waits for which, and who is sending it (W2–W4, E91, E92)."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    or_,
    select,
)

from domain.channels import Channel, Item, Parcel, batch_of
from domain.connections import ConnectionState
from domain.ledger import State
from domain.notifications import NoticeKind
from infra.db.channels import ChannelRows
from infra.db.due_deliveries import MAY_GO, OF_MAIL, WAITS, WORKS, DueDeliveries, is_old, joined
from infra.db.schema import connections, contacts, deliveries, notifications
from infra.db.sql import chunks, in_key_order
from infra.db.types import db_now


class DeliveryRows(DueDeliveries):
    """Deliveries within one transaction. `redrive_after`: seconds, see W2."""

    def __init__(self, db: Connection, channel_rows: ChannelRows, redrive_after: float) -> None:
        super().__init__(db, redrive_after)
        self._channels = channel_rows

    def take(self, channel_id: int, owner: str, lease: float) -> Parcel | None:
        """What is to be sent next, for `lease` seconds ours (W2); None when nothing may be sent now.

        What was sent before goes out in the same shape again (I2). Late mails of one user are taken together, as
        soon as all that are there have waited for others (E91).
        """
        channel = self._channels.ready(channel_id)
        first = self._first(channel_id) if channel else None
        if channel is None or first is None:
            return None
        batch = first.batch or str(first.notification_id)
        if first.batch is None and first.late:
            batch = self._gather(channel_id, first.user_id)
        elif first.batch is None:
            self._name(channel_id, [first.notification_id], batch)
        attempts = self._db.scalars(
            self._changed(channel_id, self._these(channel_id, batch), WAITS)
            .values(
                owner=owner,
                attempts=deliveries.c.attempts + 1,
                ready_at=db_now(lease),
                redrive_at=db_now(lease),
            )
            .returning(deliveries.c.attempts)
        ).all()
        return self._parcel(channel, batch, max(attempts)) if attempts else None

    def finish(self, parcel: Parcel, owner: str) -> bool:
        """It has gone out, or need not any more: nothing is kept of it. False when it is somebody else's meanwhile."""
        mine = in_key_order(self._db, deliveries, *self._mine(parcel, owner))
        of_channel = deliveries.c.channel_id == parcel.channel.id
        return self._db.execute(delete(deliveries).where(of_channel, mine)).rowcount > 0

    def set_aside(self, parcel: Parcel, owner: str, trouble: str) -> bool:
        """It has used up its tries; the channel goes on (W3)."""
        return self._end(parcel, owner, state=State.SET_ASIDE.value, trouble=trouble)

    def give_back(
        self, parcel: Parcel, owner: str, after: float, trouble: str, *, counted: bool, untouched: bool
    ) -> bool:
        """To be sent again after so many seconds. What the receiver has certainly not taken may go out in another
        shape then; a try that is not its fault is not counted."""
        values: dict[str, Any] = {"ready_at": db_now(after), "redrive_at": db_now(after), "trouble": trouble}
        if not counted:
            values["attempts"] = deliveries.c.attempts - 1
        if untouched:
            values["batch"] = None
        return self._end(parcel, owner, **values)

    def _gather(self, channel_id: int, user_id: str) -> str:
        """All late mails of the user that are not part of an event yet become one; returns its batch."""
        ids = self._db.scalars(
            joined(select(deliveries.c.notification_id)).where(
                deliveries.c.channel_id == channel_id,
                deliveries.c.user_id == user_id,
                WAITS,
                deliveries.c.batch.is_(None),
                deliveries.c.ready_at <= db_now(),
                OF_MAIL,
                or_(notifications.c.late, is_old()),
                MAY_GO,
            )
        ).all()
        batch = batch_of(channel_id, ids)
        self._name(channel_id, ids, batch)
        return batch

    def _name(self, channel_id: int, notification_ids: Sequence[int], batch: str) -> None:
        for chunk in chunks(notification_ids):
            these = deliveries.c.notification_id.in_(chunk)
            self._db.execute(self._changed(channel_id, these).values(batch=batch))

    def _parcel(self, channel: Channel, batch: str, attempts: int) -> Parcel:
        rows = self._db.execute(
            joined(
                select(
                    notifications,
                    contacts.c.name,
                    connections.c.state,
                    connections.c.sorting_trouble,
                    connections.c.access_trouble,
                    WORKS.label("works"),
                )
            )
            .join(contacts, contacts.c.id == notifications.c.contact_id, isouter=True)
            .where(self._these(channel.id, batch), WAITS)
            .order_by(notifications.c.id)
        )
        items = tuple(_item(row) for row in rows)
        return Parcel(channel, batch, batch != str(items[0].id), items, attempts)

    def _these(self, channel_id: int, batch: str) -> ColumnElement[bool]:
        return and_(deliveries.c.channel_id == channel_id, deliveries.c.batch == batch)

    def _end(self, parcel: Parcel, owner: str, **values: Any) -> bool:
        changed = self._changed(parcel.channel.id, *self._mine(parcel, owner))
        return self._db.execute(changed.values(owner=None, **values)).rowcount > 0

    def _mine(self, parcel: Parcel, owner: str) -> tuple[ColumnElement[bool], ...]:
        return self._these(parcel.channel.id, parcel.batch), deliveries.c.owner == owner, WAITS


def _item(row: Any) -> Item:
    kind = NoticeKind(row.kind)
    return Item(
        id=row.id,
        kind=kind,
        connection_id=row.connection_id,
        user_id=row.user_id,
        created_at=row.created_at,
        due=_is_due(kind, row),
        gmail_id=row.gmail_id,
        contact_id=row.contact_id,
        name=row.name,
        author=row.author,
        received_at=row.received_at,
        via_list=row.via_list,
    )


def _is_due(kind: NoticeKind, row: Any) -> bool:
    """What was mended meanwhile need not be told any more (E92)."""
    if kind is NoticeKind.SIGN_IN_NEEDED:
        return bool(row.state == ConnectionState.REAUTH_NEEDED.value)
    if kind is NoticeKind.ACCESS_REFUSED:
        return row.access_trouble is not None
    return bool(row.works and (kind is NoticeKind.MAIL or row.sorting_trouble is not None))
