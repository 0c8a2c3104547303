"""What is shown of a mail beside its text: whether it went out and was answered (H41), and for whom it is new (H52)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.mail.classes import MailClass
from domain.mail.messages import Direction

Lying = frozenset[tuple[int, str]]
"""Where a mail lies: mailbox and the provider's thread id, for each mailbox that has it."""


class MailState(StrEnum):
    """What has become of a mail that was written in the CRM. Of the last four the most telling is shown."""

    SENDING = "sending"
    FAILED = "failed"
    NOT_DELIVERED = "not_delivered"
    ANSWERED = "answered"
    DELAYED = "delayed"
    SENT = "sent"


@dataclass(frozen=True, slots=True)
class SentMail:
    """A mail from the CRM that is waited on for an answer, with the moment at which its provider got it (E93)."""

    at: datetime
    lies: Lying


@dataclass(frozen=True, slots=True)
class ComingMail:
    """A mail of the same conversation. `names_at`: when the latest of the conversation's mails that it names was sent
    or received, None where it names none."""

    at: datetime
    way: Direction
    mail_class: MailClass
    author: str | None
    names_at: datetime | None
    lies: Lying


def answers(sent: SentMail, mail: ComingMail) -> bool:
    """Whether a mail answers the one from the CRM: somebody from outside wrote it by hand, later, and it names that
    mail or a later one or has its thread id (H41). An automatic answer is none (E29)."""
    if mail.way is not Direction.INBOUND or mail.mail_class is not MailClass.HUMAN or mail.at <= sent.at:
        return False
    names_it = mail.names_at is not None and mail.names_at >= sent.at
    return names_it or not mail.lies.isdisjoint(sent.lies)


def outcome_shown(
    state: MailState,
    *,
    failed_for: Collection[str],
    delayed_for: Collection[str],
    answered_by: Collection[str | None],
) -> MailState:
    """The state that is shown of a mail: `state` is how its sending ended, the addresses are those of recipients.

    Whoever has answered has got the mail, whatever a report said. A recipient who has not got it counts before one who
    has answered, so that nobody overlooks him.
    """
    if state in (MailState.SENDING, MailState.FAILED):
        return state
    if set(failed_for).difference(answered_by):
        return MailState.NOT_DELIVERED
    if answered_by:
        return MailState.ANSWERED
    return MailState.DELAYED if delayed_for else MailState.SENT


def new_for(
    way: Direction, assigned_to: str | None, mailbox_users: Iterable[str], read_by: Collection[str]
) -> frozenset[str]:
    """The users for whom a mail is new (H52): the contact's assigned user and those whose mailboxes brought it, until
    each has opened it in the CRM or answered (`read_by`). The mailbox's read state plays no part (H6)."""
    if way is not Direction.INBOUND:
        return frozenset()
    concerned = {*mailbox_users, *((assigned_to,) if assigned_to else ())}
    return frozenset(concerned.difference(read_by))
