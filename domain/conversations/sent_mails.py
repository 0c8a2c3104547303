"""Mail that is written in the CRM, as a part of a conversation (H7, H40, H45)."""

from dataclasses import dataclass, field
from datetime import datetime

from domain.conversations.membership import identity
from domain.ids import MailboxId


@dataclass(frozen=True, slots=True)
class AnswerableMail:
    """A mail of a conversation that can be answered. `object` names its content in the object store, None where there
    is none.

    `message_id` and `thread_id` are the provider's in the mailbox of whoever answers, empty where it does not lie
    there.
    """

    id: str
    rfc_message_id: str | None
    object: str | None
    received_at: datetime
    message_id: str
    thread_id: str


@dataclass(frozen=True, slots=True)
class WrittenMail:
    """A mail from the CRM that has its place in a conversation. `sending_id`: its row in the outbox."""

    id: str
    conversation_id: str
    user_id: str
    sending_id: int


@dataclass(frozen=True, slots=True)
class ReportedMail:
    """An outgoing mail that a report names. `user_id` and `sending_id` are those of a mail from the CRM."""

    id: str
    conversation_id: str
    user_id: str | None
    sending_id: int | None
    recipients: tuple[str, ...] = field(repr=False)


def identity_of(mailbox_id: MailboxId, key: str) -> str:
    """What makes it one mail until its sent copy says more (H47): the key by which that is found."""
    return identity(None, None, None, mailbox_id, key)
