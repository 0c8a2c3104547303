"""The mail that was found, what was decided about it, and its notifications."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.connections.connections import Connection
from domain.connections.standing import Counted
from domain.crm.categories import Category, ContactCategory
from domain.crm.records import RecordKind
from domain.ids import ChannelId, ConnectionId, MailboxId
from domain.ledger import Claim, Link, Sortable, StepKey
from domain.mailboxes.history import Found
from domain.message_records import MessageRecord
from domain.notifications import NotificationKind, Told
from domain.outbox import SendReport, SendState
from domain.outcomes import Outcome
from domain.reports import Bookmark, LedgerEntry, LedgerQuery, MailboxReport, Notification, Totals
from domain.retention import Data
from domain.sorting.label_changes import LabelChange
from domain.sorting.plans import ConnectionContact, EarlierLabel, Replacement, SortedMail


class NotificationListRepository(Protocol):
    """The lists of notifications that users read."""

    def of_user(self, user_id: str, after: int, limit: int | None = None) -> tuple[Notification, ...]:
        """The user's notifications with ids above `after`, by id. Those of mail are left out while the user's
        permission is withdrawn (D12)."""

    def get(self, notification_id: int, user_id: str) -> Notification | None:
        """A notification on the user's own list, None when it is not there."""

    def remove(self, notification_id: int, user_id: str) -> bool:
        """Remove the notification from the user's list, and its deliveries (Z27). False when it was not there."""


class MailReportRepository(Protocol):
    """The state of a location's mailboxes and mail."""

    def totals(self, mailbox: str | None, due_after: float) -> Totals:
        """The number of mailboxes that the location has connected, by their state; of one address where `mailbox` is
        given. A mailbox is due `due_after` seconds after its last look or its rest."""

    def mailboxes(self, mailbox: str | None = None, limit: int | None = None) -> tuple[MailboxReport, ...]:
        """The state of each of these mailboxes, those in trouble first."""

    def count_outdated(self) -> Mapping[RecordKind, int]:
        """How many records of each kind are out of date, the organisation's users among them."""

    def entries(self, query: LedgerQuery, after: Bookmark | None, mails: int) -> tuple[LedgerEntry, ...]:
        """A page of the ledger: the entries of up to `mails` mails, the newest first, after the place `after`; None for
        the first page."""

    def trails(self, message_id: str, mailbox: str | None = None) -> tuple[MessageRecord, ...]:
        """What the ledger holds of the mail with this id, once for each of the location's mailboxes that has such a
        mail."""

    def counted(self, connection: Connection) -> Mapping[Outcome | None, Counted]:
        """How many mails the ledger has for a connection of the location, by outcome: as many as `entries` gives. None:
        those that are not decided yet."""

    def sendings(
        self, user_id: str | None, mailbox: str | None, state: SendState | None, limit: int
    ) -> tuple[SendReport, ...]:
        """Mails that users send, the newest first: of one user, mailbox or state where it is given."""


class SortingRepository(Protocol):
    """What sorting decides by, in one location."""

    def sortable(self, claims: Collection[Claim]) -> Mapping[StepKey, Sortable]:
        """The links of these mails, with what else decides how they are sorted."""

    def labelled_before(
        self, claims: Collection[Claim]
    ) -> tuple[Mapping[ConnectionContact, frozenset[EarlierLabel]], tuple[Replacement, ...]]:
        """What earlier sorting did for the contacts of these claims (E47).

        Returns, by contact, the labels other than the intended one under which we have put mail that no user has
        touched since. Also returns the replacements that a crash has interrupted, of touched mail too.
        """

    def replace(
        self,
        contact: ConnectionContact,
        old: Category,
        new: ContactCategory,
        message_ids: Collection[str],
    ) -> tuple[Replacement, ...]:
        """Intend the label of `new` for those of these mails that are the contact's and have the label of `old` from us
        (E47).

        Returns them. To be committed before the mailbox is changed, so that history's change is known as ours (W5).
        """


class DecisionRepository(Protocol):
    """What was decided about each mail, for each connection."""

    def skip(
        self, mailbox_id: MailboxId, skipped: Mapping[str, Outcome], connection_ids: Collection[ConnectionId]
    ) -> None:
        """Keep the id and the outcome of mail that ends here, and nothing else (D2)."""

    def link(
        self,
        mailbox_id: MailboxId,
        linked: Sequence[tuple[str, int, Link, Outcome | None]],
        kept: Collection[Data],
    ) -> None:
        """Keep what may be `kept` of mail that belongs to a record of the CRM: message, connection, link, and the
        outcome where it is final already."""

    def links(self, claims: Collection[Claim]) -> Mapping[StepKey, Link]:
        """The links of these mails."""

    def intend(self, intents: Mapping[Claim, ContactCategory]) -> None:
        """Keep what sorting is about to do; to be committed before it is done (W5). The intent of an earlier try stays
        known: it may have been done, and history may tell of it later."""

    def conclude(self, outcomes: Mapping[Claim, Outcome], changed: Mapping[Claim, LabelChange]) -> None:
        """Keep the final outcomes of announced mail (Part J), and what was changed in the mailbox."""

    def replaced(self, replaced: Mapping[Replacement, str]) -> None:
        """Note that these replacements are done; each value is the id of the label that the mail has now. The kept
        change then is the sum of all changes to the mail."""

    def not_replaced(self, replacements: Collection[Replacement]) -> None:
        """Take back the intent of these replacements: the mails keep their old label, or none."""

    def count_labelled(self, since: datetime) -> Mapping[MailboxId, int]:
        """By mailbox the number of mails that sorting has changed since, and no user after it."""

    def labelled_since(
        self, mailbox_id: MailboxId, since: datetime, after: str, limit: int
    ) -> tuple[SortedMail, ...]:
        """Up to `limit` of these mails in one mailbox, with message ids above `after`, by message id."""

    def undone(self, restored: Collection[SortedMail]) -> None:
        """Note that sorting's changes to these mails were undone."""


class NotificationRepository(Protocol):
    """Puts notifications on users' lists, and deliveries of them on their way to channels."""

    def notify(
        self,
        connection: Connection,
        claims: Collection[Claim],
        links: Mapping[StepKey, Link],
        kept: Collection[Data],
    ) -> Told:
        """Put a notification of each mail on the list of the connection's user, once (I2), with what may be `kept` of
        it. Each new one gets a delivery to each active channel of the user and of the whole organisation."""

    def tell(self, connection: Connection, kind: NotificationKind) -> frozenset[ChannelId]:
        """Put a notification about the connection on its user's list; returns the channels to wake after the commit.

        The caller sees to it that it is told once, by a change of state in the same transaction (E67, E86).
        """


class MessageRepository(Protocol):
    """The mail that history or a list has named."""

    def record(
        self,
        mailbox_id: MailboxId,
        found: Found,
        came_by: str,
        connection_ids: Collection[ConnectionId],
        labels: Mapping[Category, str],
    ) -> tuple[str, ...]:
        """Record what history or a list has found. Returns the messages that now wait to be matched; the caller has to
        see that they are redriven (`history.advance`, `ledger.redrive_within`).

        `labels` are the mailbox's CRM labels: they tell our own changes from the user's (W5). Messages that are new or
        dropped, and not reopened, must not be in the ledger yet (`history.news`).
        """

    def count_missing(self, mailbox_id: MailboxId, message_ids: Collection[str]) -> frozenset[str]:
        """Count once more that these messages are missing in the mailbox. Returns those that are gone for good: missing
        three times, over at least 60 s (W7)."""

    def just_reopened(self, mailbox_id: MailboxId, message_ids: Collection[str]) -> frozenset[str]:
        """Which of these messages have left Spam, Trash or Drafts, by a change seen less than a minute ago. A mailbox
        that still shows them there lags behind (W7, W9)."""

    def reopen_refused(
        self, mailbox_id: MailboxId, connection_id: ConnectionId, message_ids: Collection[str]
    ) -> int:
        """Have those of these mails matched again that two-way sync has refused as nobody's it knows (D7 rows 1c, 11
        and 13); returns how many. The mailbox is locked already."""

    def refused_since(self, mailbox_id: MailboxId, connection_id: ConnectionId, moment: datetime) -> bool:
        """Whether `reopen_refused` may find one among the mails that were found since then."""

    def touched(self, mailbox_id: MailboxId, message_ids: Collection[str]) -> frozenset[str]:
        """Which of these messages the user has put a CRM label on, or removed one from (I6)."""

    def touch(self, mailbox_id: MailboxId, message_ids: Collection[str]) -> None:
        """Mark these messages as touched by the user: we neither label nor unlabel them again (I6)."""
