"""The channels' ledger: which notification or event waits for which channel, and which process sends it (W2–W4, E91,
E92)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

from sqlalchemy import Connection, Row, String, bindparam, cast, or_, select

from domain.channels import Channel, at_once
from domain.connections.connections import ConnectionState
from domain.crm.locations import called
from domain.ids import ChannelId
from domain.notifications import NotificationKind
from domain.parcels import AnyParcel, ChannelNotification, EventParcel, Parcel
from infra.db.channels import ChannelRepository
from infra.db.crm.merges import is_merge_of, person_of, whose
from infra.db.ledger.claims import DELIVERIES, EVENT_DELIVERIES, Claims
from infra.db.ledger.delivery_ends import end, finished, of, released, set_aside
from infra.db.ledger.due_deliveries import WORKS, Due, DueDeliveries
from infra.db.ledger.event_deliveries import EventDeliveries
from infra.db.sql import chunks, key_order, lock
from infra.db.tables.channels import deliveries
from infra.db.tables.connections import connections
from infra.db.tables.crm import contacts, locations, merges, organisations
from infra.db.tables.mail import notifications
from infra.db.types import NOW


class DeliveryRepository(DueDeliveries):
    """Deliveries within one transaction. `redrive_after`: seconds (W2)."""

    def __init__(self, db: Connection, channel_rows: ChannelRepository, redrive_after: float) -> None:
        super().__init__(db, redrive_after)
        self._channels = channel_rows
        self._of_conversations = EventDeliveries(db)

    def claim(
        self, channel_id: ChannelId, owner: str, lease: float, most: int
    ) -> tuple[tuple[AnyParcel, ...], bool]:
        """The lock on the channel's row keeps other claims off."""
        channel = self._channels.ready(channel_id)
        if channel is None:
            return (), False
        told, more = self._claim(channel, owner, lease, at_once(channel.kind, most))
        events, more_events = self._of_conversations.claim(channel, owner, lease, most)
        return (*told, *events), more or more_events

    def _claim(
        self, channel: Channel, owner: str, lease: float, most: int
    ) -> tuple[tuple[Parcel, ...], bool]:
        """An event that may have been sent keeps its shape (I2). Late mails of one user are claimed together, when all
        that are there have waited for others (E91)."""
        due, more = self._next(channel.id, most)
        if not due:
            return (), more
        which = _ways(due)
        if len(which) > 1:
            ways = or_(*(_WAYS[way].in_(names) for way, names, _ in which))
            lock(self._db, deliveries, deliveries.c.channel_id == channel.id, ways, DELIVERIES.waits)
        claimed: dict[int, Row[Any]] = {}
        for way, names, batch in which:
            values = {"of_channel": channel.id, "its": names, "name": batch, "me": owner, "lease": lease}
            rows = self._db.execute(_claiming(self._db.dialect.name, way), values)
            claimed |= {row.notification_id: row for row in rows}
        return self._parcels(channel, due, claimed), more

    def lock(self, parcels: Sequence[AnyParcel]) -> None:
        for claims, batches in _by_table(parcels):
            its = claims.table.c.channel_id == parcels[0].channel.id
            for chunk in chunks(sorted(batches)):
                lock(self._db, claims.table, its, of(claims).in_(chunk))

    def finish(self, parcels: Sequence[AnyParcel], owner: str) -> frozenset[str]:
        return self._end(parcels, finished, me=owner)

    def set_aside(self, parcels: Sequence[AnyParcel], owner: str, trouble: str) -> frozenset[str]:
        return self._end(parcels, set_aside, me=owner, why=trouble)

    def release(
        self,
        parcels: Sequence[AnyParcel],
        owner: str,
        after: float,
        trouble: str,
        *,
        counted: bool,
        untouched: bool,
    ) -> frozenset[str]:
        ours: frozenset[str] = frozenset()
        for its, loose in _by_shape(parcels, untouched=untouched):
            change = partial(_released, counted=counted, loose=loose)
            ours |= self._end(its, change, me=owner, after=after, why=trouble)
        return ours

    def release_unsent(self, parcels: Sequence[AnyParcel], owner: str, after: float) -> frozenset[str]:
        ours: frozenset[str] = frozenset()
        for its, loose in _by_shape(parcels, untouched=True):
            ours |= self._end(its, partial(_unsent, loose=loose), me=owner, after=after)
        return ours

    def _end(
        self, parcels: Sequence[AnyParcel], change: Callable[[str, Claims], Any], **values: Any
    ) -> frozenset[str]:
        """Run the change on each of the two tables; returns the batches that were still the owner's."""
        ours: set[str] = set()
        for claims, batches in _by_table(parcels):
            of_channel = parcels[0].channel.id
            statement = change(self._db.dialect.name, claims)
            ended = end(self._db, claims, statement, of_channel, batches, **values)
            ours |= {batches[n] for n in ended}
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


def _by_table(parcels: Sequence[AnyParcel]) -> Iterator[tuple[Claims, dict[int, str]]]:
    """For each of the two tables the rows of these parcels there, with their batches."""
    told = {
        item.id: parcel.batch for parcel in parcels if isinstance(parcel, Parcel) for item in parcel.items
    }
    if told:
        yield DELIVERIES, told
    if its := {parcel.event.id: parcel.batch for parcel in parcels if isinstance(parcel, EventParcel)}:
        yield EVENT_DELIVERIES, its


def _by_shape(parcels: Sequence[AnyParcel], *, untouched: bool) -> Iterator[tuple[list[AnyParcel], bool]]:
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


_PLACE = (
    select(notifications.c.created_at)
    .where(notifications.c.id == deliveries.c.notification_id)
    .scalar_subquery()
)


@cache
def _released(dialect: str, claims: Claims, *, counted: bool, loose: bool) -> Any:
    return released(dialect, claims, counted=counted, trouble=bindparam("why"), **_shape(claims, loose=loose))


@cache
def _unsent(dialect: str, claims: Claims, *, loose: bool) -> Any:
    """Undo the claim: `ready_at` of a notification is its time again, which is its place in the order. An event has
    its place by its conversation."""
    place = _PLACE if claims is DELIVERIES else NOW
    return released(dialect, claims, counted=False, ready_at=place, **_shape(claims, loose=loose))


def _shape(claims: Claims, *, loose: bool) -> dict[str, Any]:
    return {"batch": None} if loose and claims is DELIVERIES else {}


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
