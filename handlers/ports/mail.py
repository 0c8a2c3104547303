"""What is known of mail: found, decided, announced."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.connections import Connection
from domain.crm.categories import Category, ContactCategory
from domain.crm.records import RecordKind
from domain.label_changes import LabelChange
from domain.ledger import Claim, Link, Sortable
from domain.mailboxes import Found
from domain.message_records import MessageRecord
from domain.notifications import NoticeKind, Told
from domain.outbox import SendReport, SendState
from domain.outcomes import Outcome
from domain.reports import Bookmark, LedgerEntry, LedgerQuery, MailboxReport, Notice, Totals
from domain.retention import Data
from domain.sorting import ConnectionContact, EarlierLabel, Replacement, SortedMail


class NoticeRepository(Protocol):
    def of_user(self, user_id: str, after: int, limit: int | None = None) -> tuple[Notice, ...]:
        """The user's notifications with a higher id, in the order of their ids. Of mail none is shown while he
        has no permission (D12)."""

    def get(self, notification_id: int, user_id: str) -> Notice | None:
        """One notification of the user's own list."""

    def remove(self, notification_id: int, user_id: str) -> bool:
        """Off his list, and off its way to his channels (Z27); False when it was not there any more."""


class MailReportRepository(Protocol):
    def totals(self, mailbox: str | None, due_after: float) -> Totals:
        """As the operator's (infra/db/reports.py), of the mailboxes that the location has connected."""

    def mailboxes(self, mailbox: str | None = None, limit: int | None = None) -> tuple[MailboxReport, ...]:
        """The same of each of them, those in trouble first."""

    def count_outdated(self) -> Mapping[RecordKind, int]:
        """How many records of each kind are out of date, those of the organisation's users too."""

    def entries(self, query: LedgerQuery, after: Bookmark | None, mails: int) -> tuple[LedgerEntry, ...]:
        """A page of the ledger: so many mails at most, the newest first, from after a place on."""

    def trails(self, message_id: str, mailbox: str | None = None) -> tuple[MessageRecord, ...]:
        """What the ledger holds of the mail, in every mailbox of the location that has one of this id."""

    def sendings(
        self, user_id: str | None, mailbox: str | None, state: SendState | None, limit: int
    ) -> tuple[SendReport, ...]:
        """The newest first, of one user, mailbox and state where they are named."""


class SortingRepository(Protocol):
    def sortable(self, claims: Collection[Claim]) -> Mapping[tuple[str, int], Sortable]:
        """The links of these mails, by (message, connection), with what else sorting goes by."""

    def labelled_before(
        self, claims: Collection[Claim]
    ) -> tuple[Mapping[ConnectionContact, frozenset[EarlierLabel]], tuple[Replacement, ...]]:
        """What of the mail of these claims' contacts we have put under other labels than is intended for them and
        nobody has touched since, and what a crash has left half replaced, touched or not (E47)."""

    def replace(
        self,
        contact: ConnectionContact,
        old: Category,
        new: ContactCategory,
        message_ids: Collection[str],
    ) -> tuple[Replacement, ...]:
        """Which of these mails, listed under the label of `old`, are the contact's and have it of us; that of `new`
        from now on: the intent, committed before the mailbox is changed, so that news of the change is known as ours
        (W5, E47)."""


class DecisionRepository(Protocol):
    def skip(self, mailbox_id: int, skipped: Mapping[str, Outcome], connection_ids: Collection[int]) -> None:
        """Mail that ends here: its id and the outcome, and no more (D2)."""

    def link(
        self,
        mailbox_id: int,
        linked: Sequence[tuple[str, int, Link, Outcome | None]],
        kept: Collection[Data],
    ) -> None:
        """Mail that belongs to somebody in the CRM, as (message, connection, link, outcome if final already), as far
        as it may be `kept`."""

    def links(self, claims: Collection[Claim]) -> Mapping[tuple[str, int], Link]:
        """The links of these mails, by (message, connection)."""

    def intend(self, intents: Mapping[Claim, ContactCategory]) -> None:
        """What sorting is about to do, committed before it does it (W5). What a try before intended instead is
        not forgotten: it may have been done, and history tell of it only now."""

    def conclude(self, outcomes: Mapping[Claim, Outcome], changed: Mapping[Claim, LabelChange]) -> None:
        """What has become of the labels of announced mail, which ends it (Part J), and what was changed in the
        mailbox."""

    def replaced(self, replaced: Mapping[Replacement, str]) -> None:
        """It is done; by mail the id of the label that it carries now. What is kept of a mail's changes stays what
        all calls together have changed."""

    def not_replaced(self, replacements: Collection[Replacement]) -> None:
        """These mails stay under their old label, or without it: the intent is taken back."""

    def count_labelled(self, since: datetime) -> Mapping[int, int]:
        """By mailbox, how many mails sorting has changed since and nobody after it."""

    def labelled_since(
        self, mailbox_id: int, since: datetime, after: str, limit: int
    ) -> tuple[SortedMail, ...]:
        """Those of one mailbox, by message id, of which only higher ones than `after`."""

    def undone(self, restored: Collection[SortedMail]) -> None:
        """What sorting changed on these mails is restored."""


class NotificationRepository(Protocol):
    def notify(
        self,
        connection: Connection,
        claims: Collection[Claim],
        links: Mapping[tuple[str, int], Link],
        kept: Collection[Data],
    ) -> Told:
        """Put its mails on its user's list, each once (I2), as far as they may be `kept`, and what is new there on its
        way to his channels."""

    def tell(self, connection: Connection, kind: NoticeKind) -> frozenset[int]:
        """Put a notice about the connection on its user's list; returns the channels to wake after the commit.

        The caller sees to it that it is told once, by a change of state in the same transaction (E67, E86).
        """


class MessageRepository(Protocol):
    def record(
        self,
        mailbox_id: int,
        found: Found,
        came_by: str,
        connection_ids: Collection[int],
        labels: Mapping[Category, str],
    ) -> tuple[str, ...]:
        """Take in what a stretch of history asks; returns the messages that now wait to be matched, which the caller
        has the re-driver know (`history.advance`, `ledger.redrive_within`).

        `labels` are the mailbox's CRM labels, which tell our own changes from the user's (W5). What is named as new
        or dropped and not as reopened is news to the ledger (`history.news`).
        """

    def count_missing(self, mailbox_id: int, message_ids: Collection[str]) -> frozenset[str]:
        """Count one more 404 for each; returns those gone for good: three in at least 60 s (W7)."""

    def just_reopened(self, mailbox_id: int, message_ids: Collection[str]) -> frozenset[str]:
        """Those of which history has said less than a minute ago that they left Spam, Trash or Drafts: a mailbox that
        still shows them there lags behind (W7, W9)."""

    def touched(self, mailbox_id: int, message_ids: Collection[str]) -> frozenset[str]:
        """Those on which the user has put or removed a CRM label (I6)."""

    def touch(self, mailbox_id: int, message_ids: Collection[str]) -> None:
        """From now on these are the user's: we neither label nor unlabel them again (I6)."""
