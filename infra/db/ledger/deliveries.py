"""The channels' ledger: which notification waits for which channel, and which process sends it (W2–W4, E91, E92)."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, String, bindparam, cast, or_, select

from domain.channels import Channel, ChannelNotification, Parcel, at_once
from domain.connections.connections import ConnectionState
from domain.crm.locations import called
from domain.ids import ChannelId
from domain.notifications import NotificationKind
from infra.db.channels import ChannelRepository
from infra.db.crm.merges import is_merge_of, person_of, whose
from infra.db.ledger.claims import DELIVERIES
from infra.db.ledger.due_deliveries import WORKS, Due, DueDeliveries
from infra.db.sql import chunks, key_order, lock
from infra.db.tables.channels import deliveries
from infra.db.tables.connections import connections
from infra.db.tables.crm import contacts, locations, merges, organisations
from infra.db.tables.mail import notifications


class DeliveryRepository(DueDeliveries):
    """Deliveries within one transaction. `redrive_after`: seconds (W2)."""

    def __init__(self, db: Connection, channel_rows: ChannelRepository, redrive_after: float) -> None:
        super().__init__(db, redrive_after)
        self._channels = channel_rows

    def claim(
        self, channel_id: ChannelId, owner: str, lease: float, most: int
    ) -> tuple[tuple[Parcel, ...], bool]:
        """An event that may have been sent keeps its shape (I2). Late mails of one user are claimed together, when all
        that are there have waited for others (E91). The lock on the channel's row keeps other claims off."""
        channel = self._channels.ready(channel_id)
        due, more = self._next(channel_id, at_once(channel.kind, most)) if channel else ([], False)
        if channel is None or not due:
            return (), more
        which = _ways(due)
        if len(which) > 1:
            ways = or_(*(_WAYS[way].in_(names) for way, names, _ in which))
            lock(self._db, deliveries, deliveries.c.channel_id == channel_id, ways, DELIVERIES.waits)
        claimed: dict[int, Row[Any]] = {}
        for way, names, batch in which:
            values = {"of_channel": channel_id, "its": names, "name": batch, "me": owner, "lease": lease}
            rows = self._db.execute(_claiming(self._db.dialect.name, way), values)
            claimed |= {row.notification_id: row for row in rows}
        return self._parcels(channel, due, claimed), more

    def lock(self, parcels: Sequence[Parcel]) -> None:
        ids = [item.id for parcel in parcels for item in parcel.items]
        its = deliveries.c.channel_id == parcels[0].channel.id
        for chunk in chunks(sorted(ids)):
            lock(self._db, deliveries, its, deliveries.c.notification_id.in_(chunk))

    def finish(self, parcels: Sequence[Parcel], owner: str) -> frozenset[str]:
        return self._end(parcels, _finished(self._db.dialect.name), {"me": owner})

    def set_aside(self, parcels: Sequence[Parcel], owner: str, trouble: str) -> frozenset[str]:
        return self._end(parcels, _set_aside(self._db.dialect.name), {"me": owner, "why": trouble})

    def release(
        self,
        parcels: Sequence[Parcel],
        owner: str,
        after: float,
        trouble: str,
        *,
        counted: bool,
        untouched: bool,
    ) -> frozenset[str]:
        values = {"me": owner, "after": after, "why": trouble}
        ours: frozenset[str] = frozenset()
        for its, loose in _by_shape(parcels, untouched=untouched):
            released = _released(self._db.dialect.name, counted=counted, loose=loose)
            ours |= self._end(its, released, values)
        return ours

    def release_unsent(self, parcels: Sequence[Parcel], owner: str, after: float) -> frozenset[str]:
        ours: frozenset[str] = frozenset()
        for its, loose in _by_shape(parcels, untouched=True):
            unsent = _unsent(self._db.dialect.name, loose=loose)
            ours |= self._end(its, unsent, {"me": owner, "after": after})
        return ours

    def _end(self, parcels: Sequence[Parcel], change: Any, values: Mapping[str, Any]) -> frozenset[str]:
        batches = {item.id: parcel.batch for parcel in parcels for item in parcel.items}
        ours: set[str] = set()
        for chunk in chunks(sorted(batches)):
            its = {"of_channel": parcels[0].channel.id, "its": chunk, **values}
            ours |= {batches[n] for n in self._db.scalars(change, its)}
        return frozenset(ours)

    def _parcels(
        self, channel: Channel, due: Sequence[Due], claimed: Mapping[int, Row[Any]]
    ) -> tuple[Parcel, ...]:
        items: dict[str, list[ChannelNotification]] = {}
        attempts: dict[str, int] = {}
        for chunk in chunks(sorted(claimed)):
            for row in self._db.execute(_ITEMS, {"its": chunk}):
                batch = claimed[row.id].batch
                items.setdefault(batch, []).append(_item(row))
                attempts[batch] = max(attempts.get(batch, 0), claimed[row.id].attempts)
        return tuple(
            Parcel(
                channel,
                batch,
                batch != str(items[batch][0].id),
                tuple(items[batch]),
                attempts[batch],
                is_new=bool(one.new),
            )
            for one in due
            if (batch := one.batch) in items
        )


_SINGLE, _SUMMARY, _KNOWN = "single", "summary", "known"
_WAYS = {
    _SINGLE: deliveries.c.notification_id,
    _SUMMARY: deliveries.c.notification_id,
    _KNOWN: deliveries.c.batch,
}
"""Three ways to claim deliveries, with the column that finds them: each becomes an event; all become one event; they
are part of an event already."""


def _by_shape(parcels: Sequence[Parcel], *, untouched: bool) -> Iterator[tuple[list[Parcel], bool]]:
    """The parcels that may be put together anew, then those that may have been sent and keep their shape."""
    loose = [parcel for parcel in parcels if untouched and parcel.is_new]
    yield loose, True
    yield [parcel for parcel in parcels if not (untouched and parcel.is_new)], False


def _ways(due: Sequence[Due]) -> list[tuple[str, Sequence[Any], str]]:
    """How to claim these events: the way, the notifications or batches, and for a summary its batch."""
    ways: list[tuple[str, Sequence[Any], str]] = [
        (_SUMMARY, one.new, one.batch) for one in due if one.new and not one.is_single
    ]
    if single := [one.new[0] for one in due if one.is_single]:
        ways.append((_SINGLE, single, ""))
    if known := [one.batch for one in due if not one.new]:
        ways.append((_KNOWN, known, ""))
    return ways


# Built once, see infra/db/ledger/statements.py.
_OF_CHANNEL = deliveries.c.channel_id == bindparam("of_channel")
_ITEMS = (
    select(
        notifications,
        contacts.c.name,
        organisations.c.name.label("organisation"),
        locations.c.name.label("location"),
        whose(notifications.c.contact_id).label("whose"),
        connections.c.state,
        connections.c.sorting_trouble,
        connections.c.access_trouble,
        WORKS.label("works"),
    )
    .join(connections, connections.c.id == notifications.c.connection_id)
    .join(locations, locations.c.id == notifications.c.location_id)
    .join(organisations, organisations.c.id == notifications.c.organisation_id)
    .outerjoin(merges, is_merge_of(notifications.c.location_id, notifications.c.contact_id))
    .outerjoin(contacts, person_of(notifications.c.location_id, notifications.c.contact_id))
    .where(notifications.c.id.in_(bindparam("its")))
    .order_by(notifications.c.id)
)


@cache
def _claiming(dialect: str, way: str) -> Any:
    batches: dict[str, Any] = {
        _SINGLE: cast(deliveries.c.notification_id, String),
        _SUMMARY: bindparam("name"),
        _KNOWN: deliveries.c.batch,
    }
    its = key_order(dialect, deliveries, _OF_CHANNEL, _WAYS[way].in_(bindparam("its")), DELIVERIES.waits)
    claimed = DELIVERIES.claim(_OF_CHANNEL, its, batch=batches[way])
    return claimed.returning(deliveries.c.notification_id, deliveries.c.batch, deliveries.c.attempts)


def _these(dialect: str) -> tuple[ColumnElement[bool], ...]:
    its = deliveries.c.notification_id.in_(bindparam("its"))
    return _OF_CHANNEL, DELIVERIES.in_order(dialect, _OF_CHANNEL, its)


_ID = deliveries.c.notification_id
_PLACE = select(notifications.c.created_at).where(notifications.c.id == _ID).scalar_subquery()


@cache
def _finished(dialect: str) -> Any:
    return DELIVERIES.finish(*_these(dialect)).returning(_ID)


@cache
def _set_aside(dialect: str) -> Any:
    return DELIVERIES.set_aside(*_these(dialect), trouble=bindparam("why")).returning(_ID)


@cache
def _released(dialect: str, *, counted: bool, loose: bool) -> Any:
    values = {"trouble": bindparam("why"), **_shape(loose=loose)}
    return DELIVERIES.release(*_these(dialect), counted=counted, **values).returning(_ID)


@cache
def _unsent(dialect: str, *, loose: bool) -> Any:
    """Undo the claim: `ready_at` is the time of the notification again, which is its place in the order."""
    values = {"ready_at": _PLACE, **_shape(loose=loose)}
    return DELIVERIES.release(*_these(dialect), counted=False, **values).returning(_ID)


def _shape(*, loose: bool) -> dict[str, Any]:
    return {"batch": None} if loose else {}


def _item(row: Any) -> ChannelNotification:
    kind = NotificationKind(row.kind)
    return ChannelNotification(
        id=row.id,
        kind=kind,
        connection_id=row.connection_id,
        user_id=row.user_id,
        location=called(row.organisation, row.location),
        created_at=row.created_at,
        due=_is_due(kind, row),
        message_id=row.message_id,
        contact_id=row.whose,
        name=row.name,
        author=row.author,
        received_at=row.received_at,
        via_list=row.via_list,
    )


def _is_due(kind: NotificationKind, row: Any) -> bool:
    """Whether the notification still holds: a trouble that is over is not sent (E92)."""
    if kind is NotificationKind.SIGN_IN_NEEDED:
        return bool(row.state == ConnectionState.REAUTH_NEEDED.value)
    if kind is NotificationKind.ACCESS_REFUSED:
        return row.access_trouble is not None
    return bool(row.works and (kind is NotificationKind.MAIL or row.sorting_trouble is not None))
