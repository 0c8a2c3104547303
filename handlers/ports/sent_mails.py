"""Mail that users write in the CRM, as a part of a location's conversations."""

from collections.abc import Collection, Mapping
from typing import Protocol

from domain.conversations.mails import JoiningMail, Source
from domain.conversations.sent_mails import AnswerableMail, ReportedMail, WrittenMail
from domain.conversations.states import MailState
from domain.ids import ConnectionId, MailboxId
from domain.mail.delivery_reports import Action


class SentMailRepository(Protocol):
    """What such mail answers, and what becomes of it."""

    def answerable(
        self, conversation_id: str, mail_id: str | None, mailbox_id: MailboxId
    ) -> AnswerableMail | None:
        """The mail of the conversation, as it lies in this mailbox; without an id the newest that came in and that a
        person has written (H45). None where there is none, also for one that was taken out or has not been sent."""

    def lying_as(self, mailbox_id: MailboxId, message_id: str) -> str | None:
        """The mail that the mailbox has by this id of the provider's, None where it is in no conversation."""

    def conversation_of(self, mail_id: str) -> str | None:
        """The conversation that the mail is in and that a mail may be added to, locked until the commit."""

    def written(self, sending_id: int) -> WrittenMail | None:
        """The mail of this row in the outbox, None where it is in no conversation, which is locked until the commit."""

    def add(self, mail: JoiningMail, user_id: str, sending_id: int) -> None:
        """Add a mail that is about to be sent to its conversation, which is locked: from now on the conversation is
        answered from the CRM."""

    def ask_again(self, mail: JoiningMail, user_id: str) -> frozenset[str]:
        """In place of the mail with this id, which was not sent, another one is about to be. Returns the objects that
        the former one named."""

    def sent(self, mail: WrittenMail, source: Source | None) -> None:
        """It was sent, and lies there as far as that is known."""

    def failed(self, mail: WrittenMail, reason: str | None) -> bool:
        """It was not sent, for a reason of our own or the provider's word. False where its sent copy was seen."""

    def reported(
        self, mailbox_id: MailboxId, keys: Collection[str], rfc_message_ids: Collection[str]
    ) -> tuple[ReportedMail, ...]:
        """The outgoing mails that lie in this mailbox and have one of these keys of ours or Message-IDs, their
        conversations locked until the commit."""

    def mark(self, mail: ReportedMail, outcomes: Mapping[str, Action]) -> MailState | None:
        """By recipient what a report says of it. One who has failed stays so. Returns the state that the mail has now,
        None where nothing has changed."""

    def give_up(self, connection_id: ConnectionId, reason: str) -> tuple[WrittenMail, ...]:
        """Nothing more is sent over this connection: what was on its way has failed. Returns that, locked as by
        `written`."""
