"""What happens to conversations, as the CRM is told: facts and ids of ours, nothing of a mail (D2)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.mail.messages import Direction


class EventKind(StrEnum):
    """The kinds of events. A conversation that becomes part of another is removed, and `reason` is the other's id
    (E103). A mail from the CRM is added to its conversation when it is asked for; later it is sent, or has failed
    (H40), and reports may come of it (D16-5)."""

    STARTED = "conversation.started"
    MESSAGE_ADDED = "conversation.message_added"
    REMOVED = "conversation.removed"
    SENT = "send.sent"
    FAILED = "send.failed"
    BOUNCED = "send.bounced"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something that has just happened. `user_id`: who wrote the mail, of ours. `sending_id`: its row in the outbox.
    `reason`: a word of ours or of the provider's error, or the other conversation's id; never text of a mail."""

    kind: EventKind
    conversation_id: str
    mail_id: str | None = None
    direction: Direction | None = None
    user_id: str | None = None
    sending_id: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ConversationEvent:
    """An event of a conversation, which was its owner's (`contact_id`) when it happened.

    `sequence`: 1, 2, 3 … in each conversation, without gaps. `location` is ORGANISATION/LOCATION.
    """

    id: int
    kind: EventKind
    location: str
    conversation_id: str
    sequence: int
    contact_id: str
    mail_id: str | None
    direction: Direction | None
    user_id: str | None
    sending_id: int | None
    reason: str | None
    created_at: datetime
