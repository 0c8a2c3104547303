"""Conversations as a location's users find and open them (D1, H41, H52)."""

from dataclasses import dataclass
from datetime import UTC, tzinfo

from domain.conversations.lists import Bookmark, Choice, ListedConversation
from domain.crm.organisations import zone
from domain.errors import Refused
from handlers.context import Context
from handlers.crm.locations import Where, located
from handlers.live_view.views import viewer_of


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """Conversations, the newest first, and where the next page begins; None after the last. `zone`: that of
    the organisation, UTC where it has set none."""

    conversations: tuple[ListedConversation, ...]
    next_page: Bookmark | None
    zone: tzinfo


def show(
    viewer_id: str,
    context: Context,
    *,
    choice: Choice = Choice.ALL,
    contact_id: str | None = None,
    before: Bookmark | None = None,
    limit: int,
    location: Where = None,
) -> ConversationPage:
    """A page of the conversations that the viewer may open: a contact's, or the location's.

    Raises Refused for a contact that he may not open or that is not there.
    """
    with context.store.begin("readings.list", reads_only=True) as tx:
        here = located(location, tx)
        viewer_of(viewer_id, here)
        if contact_id is not None and not here.contacts.may_open(contact_id, viewer_id):
            raise Refused(f"there is no contact {contact_id} that user {viewer_id} may open")
        found = here.conversation_reading.page(viewer_id, choice, contact_id, before, limit + 1)
        its_zone = zone(here.settings.get().time_zone) or UTC
    shown = found[:limit]
    return ConversationPage(shown, shown[-1].bookmark if len(found) > limit else None, its_zone)
