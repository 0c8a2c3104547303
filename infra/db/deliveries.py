"""The ledger of the channels: which notification waits for which, and who is sending it (W2–W4, E91, E92)."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, String, Update, bindparam, cast, delete, or_, select, update

from domain.channels import Channel, Item, Parcel, at_once
from domain.connections import ConnectionState
from domain.ledger import State
from domain.notifications import NoticeKind
from infra.db.channels import ChannelRows
from infra.db.due_deliveries import WAITS, WORKS, Due, DueDeliveries
from infra.db.schema import connections, contacts, deliveries, notifications
from infra.db.sql import chunks, key_order, lock
from infra.db.types import db_now, seconds


class DeliveryRows(DueDeliveries):
    """Deliveries within one transaction. `redrive_after`: seconds, see W2."""

    def __init__(self, db: Connection, channel_rows: ChannelRows, redrive_after: float) -> None:
        super().__init__(db, redrive_after)
        self._channels = channel_rows

    def take(self, channel_id: int, owner: str, lease: float, most: int) -> tuple[tuple[Parcel, ...], bool]:
        """What is to be sent next, in this order, for `lease` seconds ours (W2): of so many notifications, or one event
        of more. Empty when nothing may be sent now. And whether more than that may be due.

        What was sent before goes out in the same shape again (I2). Late mails of one user are taken together, as
        soon as all that are there have waited for others (E91).
        """
        channel = self._channels.ready(channel_id)
        due, more = self._next(channel_id, at_once(channel.kind, most)) if channel else ([], False)
        if channel is None or not due:
            return (), more
        which = _ways(due)
        if len(which) > 1:
            ways = or_(*(_WAYS[way].in_(names) for way, names, _ in which))
            lock(self._db, deliveries, deliveries.c.channel_id == channel_id, ways, WAITS)
        taken: dict[int, Row[Any]] = {}
        for way, names, batch in which:
            values = {"of_channel": channel_id, "its": names, "name": batch, "me": owner, "lease": lease}
            rows = self._db.execute(_taking(self._db.dialect.name, way), values)
            taken |= {row.notification_id: row for row in rows}
        return self._parcels(channel, due, taken), more

    def hold(self, parcels: Sequence[Parcel]) -> None:
        """Lock them all, ahead of what is changed in several statements."""
        ids = [item.id for parcel in parcels for item in parcel.items]
        its = deliveries.c.channel_id == parcels[0].channel.id
        for chunk in chunks(sorted(ids)):
            lock(self._db, deliveries, its, deliveries.c.notification_id.in_(chunk))

    def finish(self, parcels: Sequence[Parcel], owner: str) -> frozenset[str]:
        """They have gone out, or need not any more: nothing is kept of them. Returns the batches of those that were
        still ours; the others are somebody else's meanwhile."""
        return self._end(parcels, owner, _gone(self._db.dialect.name))

    def set_aside(self, parcels: Sequence[Parcel], owner: str, trouble: str) -> frozenset[str]:
        """They have used up their tries; the channel goes on (W3)."""
        aside = update(deliveries).values(owner=None, state=State.SET_ASIDE.value, trouble=trouble)
        return self._end(parcels, owner, self._of_mine(aside))

    def give_back(
        self,
        parcels: Sequence[Parcel],
        owner: str,
        after: float,
        trouble: str,
        *,
        counted: bool,
        untouched: bool,
    ) -> frozenset[str]:
        """To be sent again after so many seconds. What the receiver has certainly not taken may go out in another
        shape then; a try that is not its fault is not counted."""
        values: dict[str, Any] = {"ready_at": db_now(after), "redrive_at": db_now(after), "trouble": trouble}
        if not counted:
            values["attempts"] = deliveries.c.attempts - 1
        return self._free(parcels, owner, values, untouched=untouched)

    def put_back(self, parcels: Sequence[Parcel], owner: str, after: float) -> frozenset[str]:
        """As if they had not been taken, each to its place; asked for after so many seconds."""
        place = select(notifications.c.created_at).where(notifications.c.id == deliveries.c.notification_id)
        values = {
            "ready_at": place.scalar_subquery(),
            "redrive_at": db_now(after),
            "attempts": deliveries.c.attempts - 1,
        }
        return self._free(parcels, owner, values, untouched=True)

    def _free(
        self, parcels: Sequence[Parcel], owner: str, values: Mapping[str, Any], *, untouched: bool
    ) -> frozenset[str]:
        """What has been sent before keeps its shape even so."""
        free = update(deliveries).values(owner=None, **values)
        loose = [parcel for parcel in parcels if untouched and parcel.is_new]
        fixed = [parcel for parcel in parcels if not (untouched and parcel.is_new)]
        loosely = free.values(batch=None)
        return self._end(loose, owner, self._of_mine(loosely)) | self._end(fixed, owner, self._of_mine(free))

    def _of_mine(self, change: Update) -> Any:
        return _of_mine(self._db.dialect.name, change)

    def _end(self, parcels: Sequence[Parcel], owner: str, change: Any) -> frozenset[str]:
        batches = {item.id: parcel.batch for parcel in parcels for item in parcel.items}
        ours: set[str] = set()
        for chunk in chunks(sorted(batches)):
            values = {"of_channel": parcels[0].channel.id, "its": chunk, "me": owner}
            ours |= {batches[n] for n in self._db.scalars(change, values)}
        return frozenset(ours)

    def _parcels(
        self, channel: Channel, due: Sequence[Due], taken: Mapping[int, Row[Any]]
    ) -> tuple[Parcel, ...]:
        items: dict[str, list[Item]] = {}
        attempts: dict[str, int] = {}
        for chunk in chunks(sorted(taken)):
            for row in self._db.execute(_ITEMS, {"its": chunk}):
                batch = taken[row.id].batch
                items.setdefault(batch, []).append(_item(row))
                attempts[batch] = max(attempts.get(batch, 0), taken[row.id].attempts)
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
"""Deliveries that become an event each, that become one together, or that are part of one already; by what they are
found."""


def _ways(due: Sequence[Due]) -> list[tuple[str, Sequence[Any], str]]:
    """How these events are taken: the way, whose they are, and for a summary its name."""
    ways: list[tuple[str, Sequence[Any], str]] = [
        (_SUMMARY, one.new, one.batch) for one in due if one.new and not one.is_single
    ]
    if single := [one.new[0] for one in due if one.is_single]:
        ways.append((_SINGLE, single, ""))
    if known := [one.batch for one in due if not one.new]:
        ways.append((_KNOWN, known, ""))
    return ways


# Built once, see ledger_statements.
_OF_CHANNEL = deliveries.c.channel_id == bindparam("of_channel")
_ITEMS = (
    select(
        notifications,
        contacts.c.name,
        connections.c.state,
        connections.c.sorting_trouble,
        connections.c.access_trouble,
        WORKS.label("works"),
    )
    .join(connections, connections.c.id == notifications.c.connection_id)
    .join(contacts, contacts.c.id == notifications.c.contact_id, isouter=True)
    .where(notifications.c.id.in_(bindparam("its")))
    .order_by(notifications.c.id)
)


@cache
def _taking(dialect: str, way: str) -> Any:
    batches: dict[str, Any] = {
        _SINGLE: cast(deliveries.c.notification_id, String),
        _SUMMARY: bindparam("name"),
        _KNOWN: deliveries.c.batch,
    }
    its = key_order(dialect, deliveries, _OF_CHANNEL, _WAYS[way].in_(bindparam("its")), WAITS)
    taken = update(deliveries).where(_OF_CHANNEL, its)
    return taken.values(
        batch=batches[way],
        owner=bindparam("me"),
        attempts=deliveries.c.attempts + 1,
        ready_at=db_now(seconds("lease")),
        redrive_at=db_now(seconds("lease")),
    ).returning(deliveries.c.notification_id, deliveries.c.batch, deliveries.c.attempts)


def _of_mine(dialect: str, change: Any) -> Any:
    """Of those that are still ours."""
    mine = (
        _OF_CHANNEL,
        deliveries.c.notification_id.in_(bindparam("its")),
        deliveries.c.owner == bindparam("me"),
    )
    changed = change.where(_OF_CHANNEL, key_order(dialect, deliveries, *mine, WAITS))
    return changed.returning(deliveries.c.notification_id)


@cache
def _gone(dialect: str) -> Any:
    return _of_mine(dialect, delete(deliveries))


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
