"""Conversations as a location's users find and open them (D1, H41, H52)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from domain.conversations.lists import Bookmark, Choice, ListedConversation
from domain.conversations.reading import KeptFile, KeptMail, OpenConversation
from domain.crm.locations import Location
from domain.crm.organisations import zone
from domain.errors import ObjectsAway, Refused, UnreadableObject
from domain.mail.content import MimePart
from domain.mail.copies import UnreadableCopy, from_bytes
from domain.mail.messages import Direction
from handlers import copies
from handlers.context import Context
from handlers.crm.locations import Where, located
from handlers.live_view.views import viewer_of

AT_ONCE = 50
"""Mails of a conversation that are asked for at once."""

NOT_YET = "not_yet"
LOST = "lost"
UNREADABLE = "unreadable"
"""Why a mail's content cannot be shown: it is on its way, the store has it no more, or gives what nobody can open."""

AWAY = frozenset({"objects_full", "objects_refused", "objects_away"})
"""Why the store gives nothing (`ObjectsAway`). It is not asked for the next mail: each time might take a minute."""


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


@dataclass(frozen=True, slots=True)
class OpenedConversation:
    """A conversation that its reader has opened, in his organisation's `zone`."""

    conversation: OpenConversation
    viewer_id: str
    location: Location
    zone: tzinfo


@dataclass(frozen=True, slots=True)
class ShownMail:
    """A mail with its content; None where it cannot be read now, for the reason that `trouble` names."""

    mail: KeptMail
    body: MimePart | None = field(repr=False)
    trouble: str | None = None


def open_conversation(
    conversation_id: str, viewer_id: str, context: Context, location: Where = None
) -> OpenedConversation | None:
    """The conversation, None where there is none or the viewer may not open its owner (D1)."""
    with context.store.begin("readings.open", reads_only=True) as tx:
        here = located(location, tx)
        viewer_of(viewer_id, here)
        found = here.conversation_reading.get(conversation_id, viewer_id)
        its_zone = zone(here.settings.get().time_zone) or UTC
    return None if found is None else OpenedConversation(found, viewer_id, here.location, its_zone)


def mails(opened: OpenedConversation, context: Context) -> Iterator[ShownMail]:
    """Its mails, the oldest first. Those that came in and could be read are new no more for their reader (H52), once
    the next ones are asked for."""
    last: KeptMail | None = None
    away: str | None = None
    while page := _page(opened, last, context):
        shown: list[ShownMail] = []
        for mail in page:
            shown.append(one := ShownMail(mail, None, away) if away else _content(mail, opened, context))
            away = one.trouble if one.trouble in AWAY else None
            yield one
        _keep_read(opened, shown, context)
        last = page[-1]


def file_content(file: KeptFile, opened: OpenedConversation, context: Context) -> bytes | None:
    """What a file holds, None where it is not kept or cannot be read now."""
    if file.object is None:
        return None
    try:
        return copies.read(opened.location.organisation_id, file.object, context)
    except (ObjectsAway, UnreadableObject):
        return None


def _page(opened: OpenedConversation, last: KeptMail | None, context: Context) -> tuple[KeptMail, ...]:
    with context.store.begin("readings.mails", reads_only=True) as tx:
        reading = tx.of(opened.location).conversation_reading
        return reading.mails(opened.conversation.id, opened.viewer_id, last, AT_ONCE)


def _content(mail: KeptMail, opened: OpenedConversation, context: Context) -> ShownMail:
    if mail.object is None:
        return ShownMail(mail, None, NOT_YET)
    try:
        kept = copies.read(opened.location.organisation_id, mail.object, context)
        return ShownMail(mail, None, LOST) if kept is None else ShownMail(mail, from_bytes(kept))
    except ObjectsAway as error:
        return ShownMail(mail, None, error.reason)
    except (UnreadableObject, UnreadableCopy):
        return ShownMail(mail, None, UNREADABLE)


def _keep_read(opened: OpenedConversation, shown: Sequence[ShownMail], context: Context) -> None:
    read = [one.mail.id for one in shown if one.mail.direction is Direction.INBOUND and one.body is not None]
    if read:
        with context.store.begin("readings.keep") as tx:
            tx.of(opened.location).conversation_reading.keep_read(read, opened.viewer_id)
