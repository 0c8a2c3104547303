"""What the operator sees of the mailboxes, and the user of his notifications (Z25)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from domain.comparisons import Compared
from domain.crm.locations import Location
from domain.ledger import State
from domain.message_records import StepRecord
from domain.notifications import NoticeKind
from domain.outcomes import Outcome
from domain.watches import WatchState

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
    """One mailbox as it stands. `signed_in`: an active connection with MailMagnet on; `needs_sign_in`: one
    whose grant has ended, `not_permitted`: one whose user may not have it now (D12). `sorting_trouble`: Google's
    reason word while sorting is stopped (E67), `access_trouble`: why a service account is not let in.
    `history_refused_at`: since when Gmail takes no history id (E84). `waiting` and `set_aside` count mails."""

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
        """What the operator can end stands before the rest: a pause."""
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
    """All mailboxes together. `oldest_waiting_at` is when the mail was first seen that waits the longest; mail
    of a mailbox that nobody is signed in to waits for its user and is not counted there (E86), nor is that of
    one that is paused. `look_due_at` is when the mailbox was due, or will be, that was looked at the longest ago:
    what no worker has looked for, does not wait in the ledger. `unsorted` mailboxes are those in which sorting
    is stopped (E67), `unwatched` ones those whose push registration has ended or was never had (E85), `unusable`
    ones those whose history Gmail refuses (E84), `refused` ones those that their service account is not let into.
    `compared` is the last comparison of each (E108)."""

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
        """Whether nobody has looked into a mailbox for too long after it was due: no worker runs, or no sweep."""
        return self.look_due_at is not None and now - self.look_due_at > TOO_LONG


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification as the CRM shows it; `name` is the contact record's, None when that is gone (Z25).

    Only mail has the last five. `late` ones are shown together (E91).
    """

    id: int
    kind: NoticeKind
    late: bool
    name: str | None = None
    author: str | None = None
    received_at: datetime | None = None
    message_id: str | None = None
    contact_id: str | None = None
    via_list: bool = False
    location: Location | None = None


Bookmark = tuple[datetime, int, str]
"""Where a mail stands among all the others of the ledger, newest first: seen at, mailbox, Gmail id."""


@dataclass(frozen=True, slots=True)
class LedgerQuery:
    """Which mail of the ledger is asked for, by its mailbox, outcome, the time it was first seen, and the state
    of a step that is not done. What is None or empty asks for all."""

    mailbox: str | None = None
    outcomes: frozenset[Outcome] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    states: frozenset[State] = frozenset()


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One mail and one connection in the ledger; `user_id` is None while no connection has a decision on it.

    `unfinished` is the step it hangs on. Author and time stand here only where they are kept (D2).
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
        return self.bookmark[0]

    @property
    def message_id(self) -> str:
        return self.bookmark[2]
