"""Events of conversations are numbered, and put on their way to webhooks (I5)."""

from collections import Counter
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from domain.channels import ChannelKind
from domain.conversations.events import ConversationEvent, EventKind, NewEvent
from domain.crm.locations import Location, called
from domain.ids import ChannelId
from domain.ledger import State
from domain.mail.messages import Direction
from infra.db.channels import to_add_to
from infra.db.crm.merges import is_merge_of, whose
from infra.db.sql import insert_new, take_turn
from infra.db.tables.channels import channels
from infra.db.tables.conversations import conversations
from infra.db.tables.crm import locations, merges, organisations
from infra.db.tables.events import event_deliveries, events
from infra.db.types import NOW, db_now, seconds


class EventRepository:
    """One location's events within one transaction. `redrive_after`: seconds (W2)."""

    def __init__(self, db: Connection, location: Location, redrive_after: float) -> None:
        self._db = db
        self._location = location
        self._redrive_after = redrive_after

    def add(self, *new: NewEvent) -> frozenset[ChannelId]:
        if not new:
            return frozenset()
        rows = self._numbered(new)  # whoever waits for a conversation does not hold up those who read events
        take_turn(self._db, self._turn, shared=True)
        found = self._db.scalars(_CHANNELS, {"organisation": self._location.organisation_id}).all()
        ids = self._db.scalars(_ADDED, rows).all()
        deliveries = [
            {
                "channel_id": channel_id,
                "event_id": event_id,
                "conversation_id": row["conversation_id"],
                "state": State.WAITING.value,
                "redrive_after": self._redrive_after,
            }
            for channel_id in found
            for event_id, row in zip(ids, rows, strict=True)
        ]
        insert_new(self._db, event_deliveries, deliveries, ready_at=NOW, redrive_at=_REDRIVE_AT)
        return frozenset(map(ChannelId, found))

    def after(self, event_id: int, limit: int) -> tuple[ConversationEvent, ...]:
        take_turn(self._db, self._turn)
        here = select(*ITS).where(events.c.location_id == self._location.id, events.c.id > event_id)
        rows = self._db.execute(named(here).order_by(events.c.id).limit(limit))
        return tuple(as_event(row) for row in rows)

    @property
    def _turn(self) -> str:
        """Whoever adds events shares this turn, whoever reads them takes it alone."""
        return f"events/{self._location.id}"

    def _numbered(self, new: tuple[NewEvent, ...]) -> list[dict[str, Any]]:
        """Raise the sequences of all their conversations, in the order of their key."""
        many = Counter(one.conversation_id for one in new)
        raised: dict[str, Row[Any]] = {}
        for conversation_id in sorted(many):
            where = {"here": self._location.id, "its": conversation_id, "many": many[conversation_id]}
            row = self._db.execute(_RAISED, where).one_or_none()
            if row is None:
                raise LookupError("an event of a conversation that is not there")
            raised[conversation_id] = row
        rows = []
        for one in new:
            its = raised[one.conversation_id]
            number = its.sequence - many[one.conversation_id] + 1
            many[one.conversation_id] -= 1
            rows.append(self._row(one, number, its.contact_id))
        return rows

    def _row(self, one: NewEvent, sequence: int, contact_id: str) -> dict[str, Any]:
        return {
            "organisation_id": self._location.organisation_id,
            "location_id": self._location.id,
            "conversation_id": one.conversation_id,
            "sequence": sequence,
            "kind": one.kind.value,
            "contact_id": contact_id,
            "mail_id": one.mail_id,
            "direction": one.direction and one.direction.value,
            "user_id": one.user_id,
            "sending_id": one.sending_id,
            "reason": one.reason,
        }


def named(query: Any) -> Any:
    """`query` on `events`, joined with what ITS names."""
    return (
        query.select_from(events)
        .join(locations, locations.c.id == events.c.location_id)
        .join(organisations, organisations.c.id == events.c.organisation_id)
        .outerjoin(merges, is_merge_of(events.c.location_id, events.c.contact_id))
    )


def as_event(row: Row[Any]) -> ConversationEvent:
    """The event of a row of ITS."""
    return ConversationEvent(
        id=row.id,
        kind=EventKind(row.kind),
        location=called(row.organisation, row.location),
        conversation_id=row.conversation_id,
        sequence=row.sequence,
        contact_id=row.whose,
        mail_id=row.mail_id,
        direction=row.direction and Direction(row.direction),
        user_id=row.user_id,
        sending_id=row.sending_id,
        reason=row.reason,
        created_at=row.created_at,
    )


# Built once, see infra/db/ledger/statements.py.
ITS = (
    events,
    organisations.c.name.label("organisation"),
    locations.c.name.label("location"),
    whose(events.c.contact_id).label("whose"),
)
_RAISED = (
    update(conversations)
    .where(conversations.c.location_id == bindparam("here"), conversations.c.id == bindparam("its"))
    .values(sequence=conversations.c.sequence + bindparam("many"))
    .returning(conversations.c.sequence, conversations.c.contact_id)
)
_CHANNELS = to_add_to(channels.c.user_id.is_(None), channels.c.kind == ChannelKind.WEBHOOK.value)
_ADDED = insert(events).values(created_at=NOW).returning(events.c.id, sort_by_parameter_order=True)
_REDRIVE_AT = db_now(seconds("redrive_after"))
