"""What the operator sees of the mailboxes, and the user of his notifications (Z25)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from domain.crm.locations import Location
from domain.ids import MailboxId
from domain.ledger import State
from domain.mailboxes.comparisons import Compared
from domain.mailboxes.watches import WatchState
from domain.message_records import StepRecord
from domain.notifications import NotificationKind
from domain.outcomes import Outcome

TOO_LONG = timedelta(minutes=10)
"""A mail is sorted at most so long after it arrived (Z33)."""


class ReportedState(StrEnum):
    """How a mailbox stands, in one word."""

    ACTIVE = "active"
    PAUSED = "paused"
    RESTING = "resting"
    REAUTH_NEEDED = "reauth_needed"
    PERMISSION_WITHDRAWN = "permission_withdrawn"
    SORTING_STOPPED = "sorting_stopped"
    HISTORY_REFUSED = "history_refused"
    OFF = "off"


_IN_WORDS = {
    ReportedState.ACTIVE: "active",
    ReportedState.PAUSED: "paused since",
    ReportedState.RESTING: "resting until",
    ReportedState.REAUTH_NEEDED: "reauth needed",
    ReportedState.PERMISSION_WITHDRAWN: "permission withdrawn",
    ReportedState.SORTING_STOPPED: "sorting stopped",
    ReportedState.HISTORY_REFUSED: "history unusable",
    ReportedState.OFF: "off",
}


@dataclass(frozen=True, slots=True)
class MailboxReport:
    """One mailbox as it stands.

    `signed_in`: it has an active connection with a feature on; `needs_sign_in`: one whose grant has ended;
    `not_permitted`: one whose user has lost the permission (D12). `sorting_trouble`: the provider's word for why
    sorting is stopped (E67); `access_trouble`: why a service account is not let in. `history_refused_at`: since when
    the provider takes no cursor (E84). `waiting` and `set_aside` count mails.
    """

    address: str
    signed_in: bool
    needs_sign_in: bool
    paused_at: datetime | None
    resting_until: datetime | None
    trouble: str | None
    synced_at: datetime | None
    watch_until: datetime | None
    pushed_at: datetime | None
    swept_at: datetime | None
    waiting: int
    set_aside: int
    oldest_waiting_at: datetime | None
    sorting_trouble: str | None = None
    not_permitted: bool = False
    history_refused_at: datetime | None = None
    compared: Compared = field(default_factory=Compared)
    access_trouble: str | None = None
    watch: WatchState = field(default_factory=WatchState)

    def state(self, now: datetime) -> ReportedState:
        """A pause comes first, because the operator can end it."""
        if self.paused_at is not None:
            return ReportedState.PAUSED
        if not self.signed_in:
            if self.needs_sign_in:
                return ReportedState.REAUTH_NEEDED
            return ReportedState.PERMISSION_WITHDRAWN if self.not_permitted else ReportedState.OFF
        if self.is_resting(now):
            return ReportedState.RESTING
        if self.sorting_trouble is not None:
            return ReportedState.SORTING_STOPPED
        return ReportedState.ACTIVE if self.history_refused_at is None else ReportedState.HISTORY_REFUSED

    def is_resting(self, now: datetime) -> bool:
        """Whether the mailbox is left alone for now."""
        return self.resting_until is not None and self.resting_until > now

    def state_in_words(self, now: datetime) -> str:
        """The state with its moment or its reason."""
        state = self.state(now)
        why, when = {
            ReportedState.PAUSED: (None, self.paused_at),
            ReportedState.REAUTH_NEEDED: (self.access_trouble, None),
            ReportedState.RESTING: (self.trouble, self.resting_until),
            ReportedState.SORTING_STOPPED: (self.sorting_trouble, None),
        }.get(state, (None, None))
        moment = f" {when:%Y-%m-%d %H:%M:%S} UTC" if when else ""
        return _IN_WORDS[state] + moment + (f" ({why})" if why else "")


@dataclass(frozen=True, slots=True)
class Totals:
    """All mailboxes together.

    `oldest_waiting_at`: when the mail that waits the longest was first seen; mail of mailboxes that are paused or
    wait for a sign-in (E86) does not count. `look_due_at`: when the mailbox that was looked at the longest ago was or
    will be due; mail that no worker has looked for is not in the ledger yet.

    `unsorted` counts mailboxes in which sorting is stopped (E67), `unwatched` those without a push registration (E85),
    `unusable` those whose history is refused (E84), `refused` those whose service account is not let in. `compared`
    adds up the last comparison of each (E108).
    """

    mailboxes: int
    paused: int
    waiting: int
    set_aside: int
    oldest_waiting_at: datetime | None
    look_due_at: datetime | None
    unsorted: int = 0
    unwatched: int = 0
    unusable: int = 0
    compared: Compared = field(default_factory=Compared)
    refused: int = 0

    def late(self, now: datetime) -> bool:
        """Whether a mail waits longer than the rules allow, or may wait unseen."""
        waits = self.oldest_waiting_at is not None and now - self.oldest_waiting_at > TOO_LONG
        return waits or self.overlooked(now)

    def overlooked(self, now: datetime) -> bool:
        """Whether a mailbox was not looked at for too long after it was due: no worker runs, or no sweep."""
        return self.look_due_at is not None and now - self.look_due_at > TOO_LONG


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification as the CRM shows it (Z25).

    `name` is the contact record's, None when the record is gone. `late` ones are shown together (E91). Only a
    notification of mail has author, received_at, message_id, contact_id and via_list.
    """

    id: int
    kind: NotificationKind
    late: bool
    name: str | None = None
    author: str | None = None
    received_at: datetime | None = None
    message_id: str | None = None
    contact_id: str | None = None
    via_list: bool = False
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A place in the ledger, which is read newest first: by when a mail was seen, then by its mailbox and id."""

    seen_at: datetime
    mailbox_id: MailboxId
    message_id: str


@dataclass(frozen=True, slots=True)
class LedgerQuery:
    """Which mail of the ledger is asked for: by mailbox, outcome, when it was first seen, and the state of a step that
    is not done. None or empty means all."""

    mailbox: str | None = None
    outcomes: frozenset[Outcome] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    states: frozenset[State] = frozenset()


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One mail and one connection in the ledger; `user_id` is None while no connection has a decision on it.

    `unfinished` is the first step that is not done. Author and time are None where they are not kept (D2).
    """

    bookmark: Bookmark
    mailbox: str
    came_by: str
    user_id: str | None
    outcome: Outcome | None
    author: str | None
    received_at: datetime | None
    unfinished: StepRecord | None
    via_list: bool = False

    @property
    def seen_at(self) -> datetime:
        return self.bookmark.seen_at

    @property
    def message_id(self) -> str:
        return self.bookmark.message_id
