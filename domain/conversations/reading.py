"""A conversation as its readers open it: its mails in order, with what their rows tell of each."""

from dataclasses import dataclass, field
from datetime import datetime

from domain.conversations.states import MailState, outcome_shown
from domain.mail.classes import MailClass
from domain.mail.copied import FileState, Role
from domain.mail.delivery_reports import Action
from domain.mail.messages import Direction


@dataclass(frozen=True, slots=True)
class OpenConversation:
    """A conversation that its reader may open. `contact_id` is the record that owns it now, after merges."""

    id: str
    contact_id: str
    contact_name: str
    state: str
    subject: str
    mails: int
    started_at: datetime
    last_mail_at: datetime


@dataclass(frozen=True, slots=True)
class KeptParticipant:
    """Somebody on a mail, by the header that names him, and the record that has his address, after merges. `delivery`:
    of an outgoing mail what a report said of him, failed or delayed (D16-5)."""

    role: Role
    address: str = field(repr=False)
    name: str = field(repr=False)
    contact_id: str | None
    delivery: Action | None = None


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of a mail. `part` is its place in the mail, `size` in bytes as it was said or, once kept, is; `object` its
    name in the object store, None where it is not there."""

    part: str
    name: str = field(repr=False)
    claimed_type: str
    sniffed_type: str | None
    size: int
    inline: bool
    state: FileState
    object: str | None


@dataclass(frozen=True, slots=True)
class KeptMail:
    """A mail of a conversation. `object` names its content in the object store, None where there is none.

    `user_id`, `state` and `reason` are those of a mail that was written in the CRM (H40), `answered_by` the
    authors from outside who have answered it (H41). `is_new`: for its reader (H52).
    """

    id: str
    author: str | None = field(repr=False)
    author_name: str = field(repr=False)
    user_id: str | None
    direction: Direction
    mail_class: MailClass
    automatic: bool
    via_list: bool
    subject: str = field(repr=False)
    preview: str = field(repr=False)
    rfc_message_id: str | None
    object: str | None
    state: MailState | None
    reason: str | None
    answered_by: tuple[str | None, ...] = field(repr=False)
    sent_at: datetime | None
    received_at: datetime
    is_new: bool
    participants: tuple[KeptParticipant, ...] = ()
    files: tuple[KeptFile, ...] = ()

    @property
    def shown_state(self) -> MailState | None:
        """What is shown of it (H41), by what is known of each recipient."""
        if self.state is None:
            return None
        return outcome_shown(
            self.state,
            failed_for=self._reported(Action.FAILED),
            delayed_for=self._reported(Action.DELAYED),
            answered_by=self.answered_by,
        )

    def _reported(self, action: Action) -> list[str]:
        return [one.address for one in self.participants if one.delivery is action]


def in_written_order(part: str) -> tuple[int, ...]:
    """To sort files by their places: "1.10" comes after "1.9"."""
    return tuple(int(number) for number in part.split("."))
