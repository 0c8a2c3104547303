"""What goes out to a channel as one event: a notification, late mail together, an event of a conversation (E91, D2)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from domain.channels import Channel
from domain.conversations.events import ConversationEvent
from domain.ids import ChannelId, ConnectionId
from domain.notifications import NotificationKind

_OURS = UUID("6d1f2c0e-7a53-5e0b-9d0a-0a7f4f1c1e5d")
"""The namespace of event ids. If it changed, receivers would take repeats for new events."""


@dataclass(frozen=True, slots=True)
class ChannelNotification:
    """A notification with what a channel may say of it: three details of the mail and the contact's name.

    `location` is ORGANISATION/LOCATION. `due`: by the settings of this moment it may still be sent (E92). Only a
    notification of mail has message_id, contact_id, name, author, received_at and via_list.
    """

    id: int
    kind: NotificationKind
    connection_id: ConnectionId
    user_id: str
    location: str
    created_at: datetime
    due: bool = True
    message_id: str | None = None
    contact_id: str | None = None
    name: str | None = None
    author: str | None = None
    received_at: datetime | None = None
    via_list: bool = False


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes out as one event. `batch` is committed before it is sent, so that a repeat has the same id (I2).

    `summary`: late mails of one user in one location, sent together (E91); else there is one item. `attempts` counts
    this try too. `is_new`: it was never sent before, so that its items may go into another event if it is not sent
    now.
    """

    channel: Channel
    batch: str
    summary: bool
    items: tuple[ChannelNotification, ...]
    attempts: int
    is_new: bool = True

    @property
    def line_of(self) -> str:
        """What goes out one after the other: a user's list."""
        return f"user {self.items[0].user_id}"

    @property
    def holds_up(self) -> bool:
        """Whether the next in line waits until it is taken: a user's mail does not."""
        return False

    @property
    def size(self) -> int:
        """How many deliveries it is."""
        return len(self.items)

    @property
    def conversation_id(self) -> None:
        """It is about no conversation."""
        return None

    @property
    def message_id(self) -> str | None:
        """The mail that it is about, where it is one."""
        return None if self.summary else self.items[0].message_id

    @property
    def is_due(self) -> bool:
        """Whether it may still be sent, by the settings of the moment of the claim (E92)."""
        return all(item.due for item in self.items)


@dataclass(frozen=True, slots=True)
class EventParcel:
    """An event of a conversation on its way, by itself. `attempts` counts this try too. `is_due`: its mail is still
    kept (E92)."""

    channel: Channel
    event: ConversationEvent
    attempts: int
    is_due: bool = True

    @property
    def batch(self) -> str:
        """The same in each try, and no other parcel's."""
        return f"event {self.event.id}"

    @property
    def line_of(self) -> str:
        """What goes out one after the other: a conversation's events."""
        return f"conversation {self.event.conversation_id}"

    @property
    def holds_up(self) -> bool:
        """Whether the next in line waits until it is taken."""
        return True

    @property
    def is_new(self) -> bool:
        """It has one shape only."""
        return True

    @property
    def size(self) -> int:
        """How many deliveries it is."""
        return 1

    @property
    def conversation_id(self) -> str:
        """The conversation that it is about."""
        return self.event.conversation_id

    @property
    def message_id(self) -> None:
        """It names no mail by the provider's id."""
        return None


AnyParcel = Parcel | EventParcel


@dataclass(frozen=True, slots=True)
class WaitingEvent:
    """A delivery of an event. `ready_at`: until then it rests or somebody works on it, unless `is_ready`. `came_back`:
    whoever had it did not finish."""

    event_id: int
    conversation_id: str
    is_ready: bool
    ready_at: datetime
    came_back: bool


@dataclass(frozen=True, slots=True)
class EventTurn:
    """What of a channel's events goes out next, in this order, and what waits for others until when. `full`: more
    might have gone."""

    next: tuple[int, ...]
    aside: Mapping[int, datetime]
    full: bool


def next_events(waiting: Iterable[WaitingEvent], most: int) -> EventTurn:
    """The next `most` events of these, which are in the order of their ids and begin each conversation with its oldest.

    A conversation's events go out in their order: one that may not go yet holds up those behind it and no others. An
    event that came back goes alone, as it may have ended that process (W3).
    """
    following: list[int] = []
    held: dict[str, datetime] = {}
    aside: dict[int, datetime] = {}
    alone = False
    for one in waiting:
        if until := held.get(one.conversation_id):
            if one.is_ready:
                aside[one.event_id] = until
        elif not one.is_ready:
            held[one.conversation_id] = one.ready_at
        elif len(following) >= most or (following and (one.came_back or alone)):
            return EventTurn(tuple(following), aside, full=True)
        else:
            following.append(one.event_id)
            alone = one.came_back
    return EventTurn(tuple(following), aside, full=False)


def batch_of(channel_id: ChannelId, notification_ids: Sequence[int]) -> str:
    """The id of a summary: the same whenever it is put together of the same notifications."""
    return str(uuid5(_OURS, f"summary/{channel_id}/{','.join(map(str, sorted(notification_ids)))}"))


def event_id(parcel: AnyParcel) -> str:
    """The event's id: the same in each repeat, so that a receiver can drop repeats (I2)."""
    if isinstance(parcel, EventParcel):
        its = parcel.event
        named = f"{its.kind.value}/{its.conversation_id}/{its.sequence}/{its.created_at.isoformat()}"
        return str(uuid5(_OURS, named))
    if parcel.summary:
        return parcel.batch
    [item] = parcel.items
    if item.kind is NotificationKind.MAIL:
        return str(uuid5(_OURS, f"mail/{item.connection_id}/{item.message_id}"))
    return str(uuid5(_OURS, f"{item.kind.value}/{item.connection_id}/{item.created_at.isoformat()}"))
