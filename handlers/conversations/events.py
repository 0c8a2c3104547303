"""The events of conversations, for a CRM that reads them or has missed some."""

from domain.conversations.events import ConversationEvent
from handlers.context import Context
from handlers.crm.locations import Where, located


def listed(after: int, limit: int, context: Context, location: Where = None) -> tuple[ConversationEvent, ...]:
    """Up to `limit` of the location's events with ids above `after`, the oldest first, of the last 35 days.

    No event with a lower id appears later.
    """
    with context.store.begin("reports.events") as tx:
        return located(location, tx).events.after(after, limit)
