"""What is known of mail: found, decided, announced."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.connections import Connection
from domain.crm.categories import Category, ContactCategory
from domain.crm.records import RecordKind
from domain.label_changes import LabelChange
from domain.ledger import Claim, Link, Sortable, StepKey
from domain.mailboxes import Found
from domain.message_records import MessageRecord
from domain.notifications import NotificationKind, Told
from domain.outbox import SendReport, SendState
from domain.outcomes import Outcome
from domain.reports import Bookmark, LedgerEntry, LedgerQuery, MailboxReport, Notification, Totals
from domain.retention import Data
from domain.sorting import ConnectionContact, EarlierLabel, Replacement, SortedMail


class NotificationListRepository(Protocol):
    """The lists of notifications that users read."""

    def of_user(self, user_id: str, after: int, limit: int | None = None) -> tuple[Notification, ...]:
        """The user's notifications with ids above `after`, in the order of their ids. Those of mail are left out while
        he has no permission (D12)."""

    def get(self, notification_id: int, user_id: str) -> Notification | None:
        """One notification of the user's own list; None when it is not on it."""

    def remove(self, notification_id: int, user_id: str) -> bool:
        """Take it off his list, and off its way to his channels (Z27). False when it was not there any more."""


class MailReportRepository(Protocol):
    """How the mailboxes and the mail of a location stand."""

    def totals(self, mailbox: str | None, due_after: float) -> Totals:
        """The mailboxes that the location has connected, counted by how they stand. A mailbox is due `due_after`
        seconds after it was looked into."""

    def mailboxes(self, mailbox: str | None = None, limit: int | None = None) -> tuple[MailboxReport, ...]:
        """How each of them stands, those in trouble first."""

    def count_outdated(self) -> Mapping[RecordKind, int]:
        """How many records of each kind are out of date, the organisation's users among them."""

    def entries(self, query: LedgerQuery, after: Bookmark | None, mails: int) -> tuple[LedgerEntry, ...]:
        """A page of the ledger: at most so many mails, the newest first, those that come after a place."""

    def trails(self, message_id: str, mailbox: str | None = None) -> tuple[MessageRecord, ...]:
        """What the ledger holds of the mail with this id, in each mailbox of the location that has one."""

    def sendings(
        self, user_id: str | None, mailbox: str | None, state: SendState | None, limit: int
    ) -> tuple[SendReport, ...]:
        """Mails that users send, the newest first; those of one user, mailbox or state where they are named."""


class SortingRepository(Protocol):
    """What sorting goes by, in one location."""

    def sortable(self, claims: Collection[Claim]) -> Mapping[StepKey, Sortable]:
        """The links of these mails, with what else decides how they are sorted."""

    def labelled_before(
        self, claims: Collection[Claim]
    ) -> tuple[Mapping[ConnectionContact, frozenset[EarlierLabel]], tuple[Replacement, ...]]:
        """Returns two things (E47). First, by contact of these claims: the labels, other than the intended one, under
        which we have put mail of his that no user has touched since. Second, the replacements that a crash has cut
        short, of touched mail too."""

    def replace(
        self,
        contact: ConnectionContact,
        old: Category,
        new: ContactCategory,
        message_ids: Collection[str],
    ) -> tuple[Replacement, ...]:
        """Of these mails, listed under the label of `old`, take those that are the contact's and have the label from
        us, and intend the label of `new` for them (E47). This is committed before the mailbox is changed, so that the
        change is known as ours when history tells of it (W5)."""


class DecisionRepository(Protocol):
    """What was decided of each mail, for each connection."""

    def skip(self, mailbox_id: int, skipped: Mapping[str, Outcome], connection_ids: Collection[int]) -> None:
        """Keep of mail that ends here its id and the outcome, and no more (D2)."""

    def link(
        self,
        mailbox_id: int,
        linked: Sequence[tuple[str, int, Link, Outcome | None]],
        kept: Collection[Data],
    ) -> None:
        """Keep of mail that belongs to a record of the CRM what may be `kept`. Each is given as message, connection,
        link, and the outcome where it is final already."""

    def links(self, claims: Collection[Claim]) -> Mapping[StepKey, Link]:
        """The links of these mails."""

    def intend(self, intents: Mapping[Claim, ContactCategory]) -> None:
        """Keep what sorting is about to do, to be committed before it is done (W5). What an earlier try intended
        instead stays known: it may have been done, and history may tell of it only now."""

    def conclude(self, outcomes: Mapping[Claim, Outcome], changed: Mapping[Claim, LabelChange]) -> None:
        """Keep what has become of the labels of announced mail, which ends it (Part J), and what was changed in the
        mailbox."""

    def replaced(self, replaced: Mapping[Replacement, str]) -> None:
        """These replacements are done; each value is the id of the label that the mail carries now. What is kept of a
        mail's changes is what all calls together have changed."""

    def not_replaced(self, replacements: Collection[Replacement]) -> None:
        """Take the intent back: these mails stay under their old label, or without one."""

    def count_labelled(self, since: datetime) -> Mapping[int, int]:
        """By mailbox, how many mails sorting has changed since then and no user after it."""

    def labelled_since(
        self, mailbox_id: int, since: datetime, after: str, limit: int
    ) -> tuple[SortedMail, ...]:
        """These mails of one mailbox, in the order of their message ids, those above `after`."""

    def undone(self, restored: Collection[SortedMail]) -> None:
        """Note that what sorting changed on these mails was restored."""


class NotificationRepository(Protocol):
    """What is put on users' lists, and on its way to their channels."""

    def notify(
        self,
        connection: Connection,
        claims: Collection[Claim],
        links: Mapping[StepKey, Link],
        kept: Collection[Data],
    ) -> Told:
        """Put the connection's mails on its user's list, each once (I2), with what may be `kept` of them. What is new
        there goes on its way to his channels."""

    def tell(self, connection: Connection, kind: NotificationKind) -> frozenset[int]:
        """Put a notification about the connection on its user's list; returns the channels to wake after the commit.

        The caller sees to it that it is told once, by a change of state in the same transaction (E67, E86).
        """


class MessageRepository(Protocol):
    """The mails that history or a list has named."""

    def record(
        self,
        mailbox_id: int,
        found: Found,
        came_by: str,
        connection_ids: Collection[int],
        labels: Mapping[Category, str],
    ) -> tuple[str, ...]:
        """Take in what changes or a list ask. Returns the messages that now wait to be matched; the caller sees to it
        that they are asked for again (`history.advance`, `ledger.redrive_within`).

        `labels` are the mailbox's CRM labels, by which our own changes are told from the user's (W5). What is named as
        new or dropped, and not as reopened, must be new to the ledger (`history.news`).
        """

    def count_missing(self, mailbox_id: int, message_ids: Collection[str]) -> frozenset[str]:
        """Count once more that the mailbox has no such messages. Returns those that are gone for good: missing three
        times, over at least 60 s (W7)."""

    def just_reopened(self, mailbox_id: int, message_ids: Collection[str]) -> frozenset[str]:
        """Those that have left Spam, Trash or Drafts by a change seen less than a minute ago: a mailbox that still
        shows them there lags behind (W7, W9)."""

    def touched(self, mailbox_id: int, message_ids: Collection[str]) -> frozenset[str]:
        """Those on which the user has put or removed a CRM label (I6)."""

    def touch(self, mailbox_id: int, message_ids: Collection[str]) -> None:
        """Mark these as touched by the user: we neither label nor unlabel them again (I6)."""
