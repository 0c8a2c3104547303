"""Conversations that two-way sync keeps in a location: how mail gets in."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.conversations.mails import (
    Around,
    CopiedFile,
    Grown,
    JoiningMail,
    NewConversation,
    Sought,
    Source,
    ToCopy,
)
from domain.ids import MailboxId


class ConversationRepository(Protocol):
    """The writing side, within one transaction."""

    def take_turns(self, mails: Collection[Sought]) -> None:
        """Wait until no other transaction joins a mail that could touch one of these, and keep others waiting until the
        commit (E103). To be called before anything else is locked."""

    def around(self, mails: Sequence[Sought]) -> Mapping[str, Around]:
        """By mail id what each mail touches; the conversations are locked. People of a thread are left out (`people`).
        The number of statements is the same for any number of mails."""

    def people(self, mailbox_id: int, thread_id: str, conversation_id: str) -> frozenset[str]:
        """Everybody on the conversation's mails of a thread, as `addresses.loose` (D7's note b)."""

    def participants(self, conversation_id: str) -> frozenset[str]:
        """Everybody on the conversation's mails, as `addresses.loose` (D7 row 1c)."""

    def names(self, conversation_ids: Collection[str]) -> Mapping[str, frozenset[str]]:
        """By mail the mails of these conversations that it names (`membership.top`)."""

    def owner_of(self, mail_id: str) -> str | None:
        """The contact that the conversation would belong to which this mail starts, as it was told then (D6)."""

    def thread_of(self, mailbox_id: MailboxId, message_id: str) -> str | None:
        """The provider's id of the thread in which a mail of ours lies in this mailbox."""

    def received_at(self, mail_id: str) -> datetime:
        """When the mail came."""

    def start(self, conversations: Sequence[NewConversation]) -> None:
        """Add new conversations."""

    def add(self, mails: Sequence[JoiningMail]) -> None:
        """Add mails to conversations, without content and files: these follow (`contents`)."""

    def complete(self, sent: Mapping[str, JoiningMail]) -> None:
        """By mail id what the sent copy of a mail says that was written in the CRM: from now on answers find it.
        Where it lies is told by `add_sources`."""

    def unite(self, twins: Mapping[str, str]) -> frozenset[str]:
        """Mails that another mailbox had brought before the sent copies were seen: each is the same as the mail from
        the CRM that it stands for here, and is no mail of its own any more (E52). Returns the objects that they
        named."""

    def add_sources(self, sources: Mapping[Source, str]) -> None:
        """Note that these mailboxes have the mails with these ids too (E52)."""

    def merge(self, merged: Collection[str], into: str) -> None:
        """Move the mails of conversations into another one, and end them (E103)."""

    def grow(self, conversations: Sequence[Grown]) -> None:
        """Note what was added to conversations."""

    def to_copy(self, mailbox_id: MailboxId, message_id: str) -> ToCopy | None:
        """What is still to be kept of this mail, None where we have it no more."""

    def keep_file(self, mail_id: str, file: CopiedFile) -> None:
        """Note what became of a file that waited."""

    def files_gone(self, mail_id: str) -> None:
        """The mail is not there any more, nor are its files that still waited."""

    def keep_contents(self, objects: Mapping[str, str]) -> None:
        """By mail id the object that holds its content, for mails that have none."""
