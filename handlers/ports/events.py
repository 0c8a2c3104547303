"""The events of conversations."""

from typing import Protocol

from domain.conversations.events import ConversationEvent, NewEvent
from domain.ids import ChannelId


class EventRepository(Protocol):
    """One location's events."""

    def add(self, *new: NewEvent) -> frozenset[ChannelId]:
        """Write them down in this order, with the next sequence numbers of their conversations, and hand them to the
        organisation's webhooks. Returns those, to be woken after the commit (`handlers.channels.wake_channels`).

        The rows of the conversations are locked until the commit, so that sequences have no gaps. Raises LookupError
        for a conversation that is not there.
        """

    def after(self, event_id: int, limit: int) -> tuple[ConversationEvent, ...]:
        """Up to `limit` events with ids above `event_id`, by id.

        Waits for transactions that are adding events, so that no event with a lower id appears later.
        """
