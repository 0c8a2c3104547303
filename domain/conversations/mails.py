"""A mail on its way into a conversation: what it is looked for by, and what is kept of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from domain.conversations.membership import Known
from domain.ids import ConnectionId, MailboxId
from domain.mail.classes import MailClass
from domain.mail.copied import CopiedMail, FileState
from domain.mail.messages import Direction


@dataclass(frozen=True, slots=True)
class Source:
    """A mailbox in which a mail lies, and the connection that has brought it."""

    mailbox_id: MailboxId
    message_id: str
    connection_id: ConnectionId
    thread_id: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Sought:
    """What a mail's place is looked for by: itself (H47), the mails that it names and that name it, its thread. `key`
    is that of a mail which we have sent (Z16)."""

    mail_id: str
    identity: str
    rfc_message_id: str | None
    named: tuple[str, ...]
    source: Source
    key: str | None = None

    def turns(self) -> frozenset[str]:
        """Two mails that touch each other have one of these in common (`membership`)."""
        ids = {f"id {one}" for one in (self.rfc_message_id, *self.named) if one is not None}
        thread = f"thread {self.source.mailbox_id} {self.source.thread_id}"
        ours = {f"key {self.key}"} if self.key else set[str]()
        return frozenset({*ids, *ours, thread, f"mail {self.identity}"})


@dataclass(frozen=True, slots=True)
class Around:
    """What a mail touches. `sent_as`: the mail that was written in the CRM, which this is the sent copy of."""

    known: tuple[Known, ...] = ()
    sent_as: str | None = None


@dataclass(frozen=True, slots=True)
class JoiningMail:
    """A mail that is admitted, with its place. `contacts` are the records of addresses on it, by address."""

    conversation_id: str
    sought: Sought
    copied: CopiedMail = field(repr=False)
    author: str | None = field(repr=False)
    direction: Direction
    mail_class: MailClass
    automatic: bool
    via_list: bool
    contacts: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class NewConversation:
    """A conversation that a mail starts, under its owner (D6)."""

    id: str
    contact_id: str
    root_id: str
    subject: str = field(repr=False)
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Grown:
    """What becomes of a conversation that mails were added to. `contact_id`: its new owner, None where it stays."""

    id: str
    root_id: str
    last_mail_at: datetime
    mails: int
    contact_id: str | None = None


@dataclass(frozen=True, slots=True)
class ToCopy:
    """What is still to be kept of a mail: its text, and the files at these places of its MIME tree. `taken`: bytes of
    the files that are kept already (D14)."""

    mail_id: str
    has_text: bool
    files: tuple[str, ...] = ()
    taken: int = 0

    @property
    def is_done(self) -> bool:
        return self.has_text and not self.files


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """What became of a file. `sniffed_type` is what its first bytes say, `size` in bytes."""

    place: str
    state: FileState
    object: str | None = None
    sniffed_type: str | None = None
    size: int | None = None
