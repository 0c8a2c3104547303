"""Events of conversations on their way to channels: each conversation's in their order (W2, W3, E92)."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, select

from domain.channels import Channel
from domain.parcels import EventParcel, WaitingEvent, next_events
from infra.db.conversations.events import ITS, as_event, named
from infra.db.ledger.claims import EVENT_DELIVERIES
from infra.db.ledger.delivery_ends import of_channel
from infra.db.ledger.due_deliveries import LOOK
from infra.db.sql import chunks, in_key_order, key_order
from infra.db.tables.conversations import mails
from infra.db.tables.events import event_deliveries, events


class EventDeliveries:
    """Deliveries of events within one transaction."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def claim(
        self, channel: Channel, owner: str, lease: float, most: int
    ) -> tuple[tuple[EventParcel, ...], bool]:
        """Returns what to send next, and whether more may be due. The channel's row has to be locked.

        What waits for an earlier event of its conversation steps aside, so that it is not read again for each claim.
        """
        look = max(most, LOOK) + 1
        ready = self._db.execute(_READY, {"of_channel": channel.id, "look": look}).all()
        if not ready:
            return (), False
        its = {row.conversation_id for row in ready}
        upto = {"of_channel": channel.id, "last": max(row.event_id for row in ready), "its": sorted(its)}
        waiting = (WaitingEvent(*row) for row in self._db.execute(_WAITING, upto))
        turn = next_events(waiting, most)
        self._step_aside(channel, turn.aside)
        values = {"of_channel": channel.id, "its": turn.next, "me": owner, "lease": lease}
        claimed = self._db.execute(_claiming(self._db.dialect.name), values) if turn.next else ()
        tries = {row.event_id: row.attempts for row in claimed}
        return self._parcels(channel, tries), turn.full or len(ready) == look

    def _step_aside(self, channel: Channel, aside: Mapping[int, datetime]) -> None:
        by_moment: dict[datetime, list[int]] = defaultdict(list)
        for event_id, until in aside.items():
            by_moment[until].append(event_id)
        its = event_deliveries.c.channel_id == channel.id
        for until, ids in by_moment.items():
            for chunk in chunks(ids):
                these = in_key_order(
                    self._db,
                    event_deliveries,
                    its,
                    event_deliveries.c.event_id.in_(chunk),
                    EVENT_DELIVERIES.ready,
                )
                self._db.execute(EVENT_DELIVERIES.put_off(until, its, these))

    def _parcels(self, channel: Channel, tries: Mapping[int, int]) -> tuple[EventParcel, ...]:
        rows = self._db.execute(_ITEMS, {"its": sorted(tries)}) if tries else ()
        return tuple(
            EventParcel(channel, as_event(row), tries[row.id], row.mail_id is None or row.kept is not None)
            for row in rows
        )


# Built once, see infra/db/ledger/statements.py.
_OF_CHANNEL = of_channel(EVENT_DELIVERIES)
_READY = (
    select(event_deliveries.c.event_id, event_deliveries.c.conversation_id)
    .where(_OF_CHANNEL, EVENT_DELIVERIES.ready)
    .order_by(event_deliveries.c.ready_at, event_deliveries.c.event_id)
    .limit(bindparam("look"))
)
_WAITING = (
    select(
        event_deliveries.c.event_id,
        event_deliveries.c.conversation_id,
        EVENT_DELIVERIES.ready.label("is_ready"),
        event_deliveries.c.ready_at,
        event_deliveries.c.owner.is_not(None).label("came_back"),
    )
    .where(
        _OF_CHANNEL,
        event_deliveries.c.conversation_id.in_(bindparam("its", expanding=True)),
        event_deliveries.c.event_id <= bindparam("last"),
        EVENT_DELIVERIES.waits,
    )
    .order_by(event_deliveries.c.event_id)
)
_KEPT = (
    select(mails.c.id)
    .where(mails.c.location_id == events.c.location_id, mails.c.id == events.c.mail_id)
    .scalar_subquery()
)
_ITEMS = (
    named(select(*ITS, _KEPT.label("kept")))
    .where(events.c.id.in_(bindparam("its", expanding=True)))
    .order_by(events.c.id)
)


@cache
def _claiming(dialect: str) -> Any:
    its = event_deliveries.c.event_id.in_(bindparam("its", expanding=True))
    these = key_order(dialect, event_deliveries, _OF_CHANNEL, its, EVENT_DELIVERIES.ready)
    claimed = EVENT_DELIVERIES.claim(_OF_CHANNEL, these)
    return claimed.returning(event_deliveries.c.event_id, event_deliveries.c.attempts)
