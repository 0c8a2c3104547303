"""What the handlers need of the outside, in the domain's words. infra provides it; no handler knows how."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from domain.channels import Answer, Channel, ChannelKind, ChannelReport, Parcel, Target
from domain.connections import Connection, MailboxState
from domain.contacts import ContactAddress
from domain.crm import Change, Record, Records
from domain.errors import GiveUp, TryAgain
from domain.events import Event
from domain.labels import Category, Deal, Earlier, LabelChange, Labelled, Place, Replacing, Sorted
from domain.ledger import Claim, Cost, Link, Planned, Step
from domain.mailboxes import Found, Grant, HistoryPage, Watch
from domain.messages import Fetched
from domain.notifications import NoticeKind, Told
from domain.organisations import Organisation
from domain.outcomes import Outcome
from domain.reports import Bookmark, Entry, MailboxReport, Notice, Query, Totals
from domain.trails import Trail
from domain.turns import Turn


class Spent(Protocol):
    """What a job cost at Gmail so far."""

    @property
    def units(self) -> int:
        """Quota units, by the cost table of the settings."""

    @property
    def requests(self) -> int:
        """HTTP requests; a batch is one."""


class Mailbox(Protocol):
    """One Gmail account, entered with one connection's grant.

    Every call may raise TryAgain (limited or away), GiveUp (refused for good) and AccessRevoked.
    The calls that take several messages never fail for one message's sake: its entry holds the error.
    """

    @property
    def spent(self) -> Spent: ...

    @property
    def grant(self) -> Grant:
        """The grant as it is now: refreshed access tokens included, for the caller to keep."""

    def cursor_now(self) -> str:
        """getProfile's historyId: where history stands now."""

    def address(self) -> str:
        """getProfile's emailAddress, in its exact form."""

    def changes_since(self, cursor: str) -> Iterator[HistoryPage]:
        """Oldest first, all pages. Raises CursorExpired when only a re-list will do (E84)."""

    def listed_since(self, moment: datetime) -> Iterator[tuple[str, ...]]:
        """Ids of all mail received since, Spam and Trash left out, a page at a time."""

    def fetch(self, gmail_ids: Sequence[str]) -> Mapping[str, Fetched | TryAgain | GiveUp | None]:
        """One batched get for at most 25 messages, headers and structure only; None where Gmail answers 404."""

    def labelled(self, label_id: str, sender: str) -> Mapping[str, str]:
        """Mail of this sender under the label, as thread ids by message id; Spam and Trash left out.

        None where the mailbox has the label no more.
        """

    def labels_of(self, gmail_ids: Sequence[str]) -> Mapping[str, Place | TryAgain | GiveUp | None]:
        """The labels the messages carry now and their threads (format=minimal), None where Gmail answers 404."""

    def change_labels(
        self, changes: Mapping[str, LabelChange]
    ) -> Mapping[str, TryAgain | GiveUp | LookupError | None]:
        """Change many messages by the cheaper of modify and batchModify for each distinct change.

        None means done. LookupError means that the mailbox does not know the message (404).
        Raises LabelUnknown when it does not know one of the labels (W12).
        """

    def change_in_threads(
        self, changes: Mapping[str, LabelChange]
    ) -> Mapping[str, str | TryAgain | GiveUp | LookupError]:
        """The same by modify alone, whose answer names the message's thread."""

    def ensure_labels(
        self, names: Mapping[Category, str], known: Mapping[Category, str]
    ) -> Mapping[Category, str]:
        """Ids of the CRM labels: a known id that still exists is kept whatever its name is now (E54); else
        a label of the name, differing in case or not, is reused (E56); else it is created (Z14, W12).
        Raises LabelRefused when Gmail makes no more labels (E67)."""

    def own_addresses(self) -> tuple[str, ...]:
        """Primary address and verified send-as aliases, in their exact form (E14)."""

    def watch(self, topic: str) -> Watch:
        """Register for push. Stops and registers anew when another topic is active."""

    def stop_watch(self) -> None:
        """End the push registration; no error when there is none."""

    def revoke(self) -> None:
        """End the grant at the provider, best effort when it is already gone (D12)."""


class Gmail(Protocol):
    """The way into mailboxes."""

    def open(self, grant: Grant) -> Mailbox: ...


class Outside(Protocol):
    """The way to receivers outside. Nothing here raises for a receiver's sake."""

    def check(self, kind: ChannelKind, url: str) -> None:
        """Raises Unusable for a target that nothing may be sent to."""

    def send(self, channel: Channel, event: Mapping[str, Any], line: str) -> Answer:
        """One event, once, in a few seconds at most; `line` says it to people where no program reads it."""


class Queue(Protocol):
    """Dirty marks and locks per mailbox (W1). A hint: nothing here is the truth (W13)."""

    def mark(self, kind: str, mailbox_id: int) -> bool:
        """Raise the generation; True when the mailbox was clean, so that somebody must be woken."""

    def enter(self, kind: str, mailbox_id: int, seconds: float) -> Turn | None:
        """Take the lock for so many seconds at most, None when somebody else holds it."""

    def keep(self, turn: Turn, seconds: float) -> None:
        """The lock for so many seconds more, if it is still ours."""

    def leave(self, turn: Turn, *, done: bool) -> bool:
        """Give the lock back; when done and no mark came since, clean. True when it is dirty still."""

    def stalled(self, kind: str, older_than: float, limit: int) -> Sequence[int]:
        """Dirty mailboxes without a run that were last asked for so many seconds ago; asked for again from now."""

    def backlog(self, queue: str = "mail") -> int:
        """How many jobs are queued and not yet taken."""

    def emit(self, event: Event, copies: int = 1) -> None:
        """Wake those who wait for the event (workers/routes.py). Called after the commit, never before."""


class MailboxRows(Protocol):
    def get(self, mailbox_id: int) -> MailboxState | None: ...
    def own_addresses(self, mailbox_id: int) -> frozenset[str]: ...
    def keep_own_addresses(self, mailbox_id: int, addresses: Collection[str]) -> None: ...
    def advance(self, mailbox_id: int, old: str | None, new: str) -> bool: ...
    def synced(self, mailbox_id: int, began_at: datetime, due_after: float) -> None: ...
    def rest(self, mailbox_id: int, reason: str, seconds: float) -> None: ...
    def keep_labels(self, mailbox_id: int, labels: Mapping[Category, str]) -> None: ...
    def reserve(self, address: str) -> None: ...
    def add(self, address: str) -> int: ...
    def id_of(self, address: str) -> int | None: ...
    def pushed(self, address: str) -> int | None: ...
    def start_watch(self, mailbox_id: int, watch: Watch, due_after: float) -> None: ...
    def watch_failed(self, mailbox_id: int, retry_after: float) -> None: ...
    def forget(self, mailbox_id: int) -> None: ...
    def pause(self, mailbox_id: int) -> None: ...
    def resume(self, mailbox_id: int) -> None: ...
    def brake(self, address: str | None, limit: int) -> tuple[int, ...]: ...
    def release(self, address: str | None, limit: int) -> tuple[int, ...]: ...
    def delete(self, mailbox_id: int) -> None: ...
    def take_due(self, limit: int, again_after: float) -> tuple[int, ...]: ...
    def is_watch_due(self, mailbox_id: int, within: float) -> bool: ...
    def take_watch_due(self, limit: int, again_after: float) -> tuple[int, ...]: ...


class ConnectionRows(Protocol):
    def working(self, mailbox_id: int, *, locked: bool = False) -> tuple[Connection, ...]: ...
    def switched_on(self, mailbox_id: int, *, locked: bool = False) -> tuple[Connection, ...]: ...
    def get(self, connection_id: int) -> Connection | None: ...
    def of_user(self, user_id: str) -> tuple[Connection, ...]: ...
    def of_mailbox(self, mailbox_id: int) -> tuple[Connection, ...]: ...
    def add(self, user_id: str, mailbox_id: int, grant: Grant) -> int: ...
    def change(
        self,
        connection_id: int,
        *,
        magnet_since: datetime | None,
        sorting_since: datetime | None,
        dry_run: bool,
    ) -> None: ...
    def keep_grant(self, connection: Connection, grant: Grant) -> None: ...
    def sign_in_again(self, connection_id: int, grant: Grant) -> None: ...
    def need_sign_in(self, connection: Connection) -> bool: ...
    def stop_sorting(self, connection: Connection, reason: str) -> bool: ...
    def switch_off(self, connection_id: int) -> None: ...
    def delete_mail(self, connection: Connection) -> None: ...
    def delete_mailbox_mail(self, mailbox_id: int) -> None: ...
    def delete(self, connection_id: int) -> None: ...


class ContactRows(Protocol):
    def candidates(self, addresses: Collection[str]) -> tuple[ContactAddress, ...]: ...
    def users_among(self, addresses: Collection[str]) -> frozenset[str]: ...
    def deals_of(self, contact_ids: Collection[str]) -> Mapping[str, tuple[Deal, ...]]: ...
    def organisation(self) -> Organisation: ...


class DecisionRows(Protocol):
    def skip(
        self, mailbox_id: int, skipped: Mapping[str, Outcome], connection_ids: Collection[int]
    ) -> None: ...
    def link(self, mailbox_id: int, linked: Sequence[tuple[str, int, Link, Outcome | None]]) -> None: ...
    def intended(self, claims: Collection[Claim]) -> Mapping[tuple[str, int], Category]: ...
    def links(self, claims: Collection[Claim]) -> Mapping[tuple[str, int], Link]: ...
    def intend(self, intents: Mapping[Claim, Sorted]) -> None: ...
    def conclude(self, outcomes: Mapping[Claim, Outcome], changed: Mapping[Claim, LabelChange]) -> None: ...
    def conclude_announced(self, claims: Collection[Claim]) -> None: ...
    def labelled_before(
        self, mailbox_id: int, contact_ids: Collection[str]
    ) -> tuple[frozenset[Earlier], tuple[Replacing, ...]]: ...
    def replace(
        self, connection_id: int, contact_id: str, wanted: Sorted, gmail_ids: Collection[str]
    ) -> tuple[Replacing, ...]: ...
    def replaced(self, replaced: Mapping[Replacing, str]) -> None: ...
    def not_replaced(self, replacing: Collection[Replacing]) -> None: ...
    def count_labelled(self, since: datetime) -> Mapping[int, int]: ...
    def labelled_since(
        self, mailbox_id: int, since: datetime, after: str, limit: int
    ) -> tuple[Labelled, ...]: ...
    def undone(self, labelled: Collection[Labelled]) -> None: ...


class NotificationRows(Protocol):
    def notify(
        self, user_id: str, claims: Collection[Claim], links: Mapping[tuple[str, int], Link]
    ) -> Told: ...
    def tell(self, connection: Connection, kind: NoticeKind) -> frozenset[int]: ...


class ChannelRows(Protocol):
    def add(self, user_id: str | None, kind: ChannelKind, target: Target) -> int: ...
    def get(self, channel_id: int) -> Channel | None: ...
    def rest(self, channel_id: int, seconds: float, trouble: str) -> None: ...
    def answered(self, channel_id: int, trouble: str | None) -> None: ...
    def switch_off(self, channel_id: int, trouble: str) -> None: ...
    def retry(self, channel_id: int) -> int | None: ...
    def remove(self, channel_id: int) -> bool: ...
    def reports(self) -> tuple[ChannelReport, ...]: ...


class DeliveryRows(Protocol):
    def take(self, channel_id: int, owner: str, lease: float) -> Parcel | None: ...
    def finish(self, parcel: Parcel, owner: str) -> bool: ...
    def set_aside(self, parcel: Parcel, owner: str, trouble: str) -> bool: ...
    def give_back(
        self, parcel: Parcel, owner: str, after: float, trouble: str, *, counted: bool, untouched: bool
    ) -> bool: ...
    def stalled(self, limit: int) -> tuple[int, ...]: ...


class LedgerRows(Protocol):
    def plan(self, mailbox_id: int, planned: Sequence[tuple[str, int, Planned]]) -> None: ...
    def claim(
        self,
        mailbox_id: int,
        step: Step,
        limit: int,
        owner: str,
        lease: float,
        connection_ids: Collection[int] = (0,),
    ) -> tuple[Claim, ...]: ...
    def held(
        self, mailbox_id: int, step: Step, claims: Collection[Claim], owner: str
    ) -> frozenset[tuple[str, int]]: ...
    def finish(
        self,
        mailbox_id: int,
        step: Step,
        done: Mapping[Claim, Outcome | None],
        cost: Mapping[str, Cost],
    ) -> None: ...
    def release(
        self,
        mailbox_id: int,
        step: Step,
        claims: Collection[Claim],
        owner: str,
        after: float,
        *,
        counted: bool,
    ) -> None: ...
    def set_aside(
        self, mailbox_id: int, step: Step, claims: Collection[Claim], connection_ids: Collection[int]
    ) -> None: ...
    def aside(self, mailbox: str | None, limit: int) -> tuple[tuple[int, str], ...]: ...
    def retry(self, mailbox_id: int, gmail_ids: Collection[str]) -> frozenset[str]: ...
    def unblock_sorting(self, mailbox_id: int, claims: Collection[Claim]) -> None: ...
    def is_coming(self, mailbox_id: int, step: Step) -> bool: ...
    def stalled(self, limit: int) -> tuple[tuple[int, Step], ...]: ...
    def hold(self, mailbox_id: int, seconds: float) -> None: ...


class MessageRows(Protocol):
    def record(
        self,
        mailbox_id: int,
        found: Found,
        came_by: str,
        connection_ids: Collection[int],
        labels: Mapping[Category, str],
    ) -> tuple[str, ...]: ...
    def missing(self, mailbox_id: int, gmail_ids: Collection[str]) -> frozenset[str]: ...
    def touched(self, mailbox_id: int, gmail_ids: Collection[str]) -> frozenset[str]: ...
    def touch(self, mailbox_id: int, gmail_ids: Collection[str]) -> None: ...
    def purge(self, days: int, limit: int) -> int: ...


class CrmRows(Protocol):
    def put(self, records: Collection[Record]) -> None: ...
    def ids_after(self, kind: Records, last: str, limit: int) -> tuple[str, ...]: ...
    def delete(self, kind: Records, ids: Collection[str]) -> int: ...
    def change(self, change: Change) -> bool: ...


class ReportRows(Protocol):
    def totals(self, mailbox: str | None = None) -> Totals: ...
    def mailboxes(
        self, mailbox: str | None = None, limit: int | None = None
    ) -> tuple[MailboxReport, ...]: ...
    def notices(self, user_id: str, after: int, limit: int | None = None) -> tuple[Notice, ...]: ...
    def entries(self, query: Query, after: Bookmark | None, mails: int) -> tuple[Entry, ...]: ...
    def trails(self, gmail_id: str, mailbox: str | None = None) -> tuple[Trail, ...]: ...


class Transaction(Protocol):
    """One short transaction, by noun; what each method means stands at infra/db."""

    @property
    def mailboxes(self) -> MailboxRows: ...
    @property
    def connections(self) -> ConnectionRows: ...
    @property
    def contacts(self) -> ContactRows: ...
    @property
    def decisions(self) -> DecisionRows: ...
    @property
    def notifications(self) -> NotificationRows: ...
    @property
    def channels(self) -> ChannelRows: ...
    @property
    def deliveries(self) -> DeliveryRows: ...
    @property
    def messages(self) -> MessageRows: ...
    @property
    def ledger(self) -> LedgerRows: ...
    @property
    def crm(self) -> CrmRows: ...
    @property
    def reports(self) -> ReportRows: ...

    def now(self) -> datetime:
        """The database's clock (W14)."""


class Store(Protocol):
    def begin(self, name: str, *, reads_only: bool = False) -> AbstractContextManager[Transaction]:
        """Commit at the end, roll back on any error. Never held open across the network (I8)."""

    def scrub(self) -> None:
        """What was deleted leaves the disk too, as far as the database leaves that to us (D12)."""
