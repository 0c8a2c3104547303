"""Mailboxes, and where we stand in the history of each."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from domain.comparisons import Compared, Missing
from domain.connections import MailboxState
from domain.crm.categories import ByCategory
from domain.mailboxes import AccountKey, Change, Cursors, Unwatched, Watch
from domain.watches import WalkEnd


class MailboxRepository(Protocol):
    """Whose mailboxes we know, and when each is next due. Seconds are counted from the database's time."""

    def get(self, mailbox_id: int) -> MailboxState | None:
        """The mailbox as it is now; None when it has been deleted."""

    def own_addresses(self, mailbox_id: int) -> frozenset[str]:
        """The primary address and all aliases, registered ones too (E14)."""

    def own_and_registered(self, mailbox_id: int) -> tuple[frozenset[str], frozenset[str]]:
        """The own addresses, and those of them that the provider does not list (E14)."""

    def keep_own_addresses(self, mailbox_id: int, addresses: Collection[str]) -> None:
        """Add what the provider lists. An own address stays one: a renamed primary becomes an alias (E99). A registered
        alias that the provider lists by now is no more a registered one."""

    def keep_own_name(self, mailbox_id: int, name: str) -> None:
        """Keep the name that its owner shows beside the primary address, "" for none."""

    def rest(
        self, mailbox_id: int, reason: str, seconds: float, *, unready: bool = False, counted: bool = True
    ) -> None:
        """Leave the mailbox alone for so many seconds, as the provider limits or refuses it (E87, I4). Of two rests the
        longer one counts. `unready`: no grant lets us in; jobs that find that out at the same time count as one. Not
        `counted`: we hold back by ourselves, and the next rest grows no longer."""

    def succeeded(self, mailbox_id: int) -> None:
        """The provider has answered for a message: the next rest is short again."""

    def labels_conflict(self, mailbox_id: int, waits: Sequence[timedelta]) -> timedelta | None:
        """Count that the provider says a label exists and does not show it. Returns for how long nothing is sorted: the
        first of `waits`, next time the second; None after the last, and then counting begins again."""

    def keep_labels(self, mailbox_id: int, labels: ByCategory, names: ByCategory) -> None:
        """Keep the ids and the names of the three CRM labels (E54)."""

    def reserve(self, account: AccountKey) -> None:
        """Let nobody else connect this mailbox until the commit (E76).

        This locks no row: rows are locked from the connection to the mailbox, and here it would be the other way round.
        """

    def lock(self, mailbox_ids: Collection[int]) -> None:
        """Lock several mailboxes in the order of their ids, before more than one is changed in a transaction."""

    def rename(self, mailbox_id: int, address: str) -> bool:
        """Follow a rename by the account's administrator: the former address stays an own one (E99). Where the
        provider's key was the former address, it is the new one now.

        False, and nothing is changed, when we know another mailbox of this address.
        """

    def add(self, account: AccountKey, address: str, paused_at: datetime | None = None) -> int:
        """Returns the mailbox of this account. Where there is none it is made, with this address, and paused if
        `paused_at` is given."""

    def id_of(self, account: AccountKey) -> int | None:
        """The mailbox of this account, None while it is not known."""

    def pushed(self, account: AccountKey) -> int | None:
        """Note that the provider has just pushed for this account. Returns the mailbox's id; None when it has no cursor
        or we do not know it. A locked row is not waited for, as the pushes of other mailboxes would wait too: then
        `pushed_at` comes with the next push."""

    def start_watch(
        self, mailbox_id: int, watch: Watch, due_after: float, *, restarted: bool = False
    ) -> None:
        """A watch is active. It sets the cursor only where there is none (W8). Push recall is counted from the start
        where the watch was `restarted`."""

    def start_unwatched(self, mailbox_id: int, begun: Unwatched, retry_after: float) -> None:
        """Begin without a watch: the sweep looks into the mailbox, and a watch is tried again (E82, E85)."""

    def keep_watch(self, mailbox_id: int, due_after: float) -> None:
        """The watch needs no renewal yet; the next daily look is due in so many seconds."""

    def watch_failed(
        self, mailbox_id: int, reason: str, retry_after: float, *, stopped: bool = False
    ) -> None:
        """A renewal has failed: the sweep carries on, and it is tried again in so many seconds (E85). `stopped`: the
        watch of before has been ended, so that none is active."""

    def hasten_watch(self, mailbox_id: int) -> None:
        """The watch is due to be renewed now."""

    def ids(self, address: str | None = None) -> tuple[int, ...]:
        """Mailboxes with this address, or all; in order."""

    def paused_at(self, mailbox_id: int) -> datetime | None:
        """When an operator has paused it; None when it is not paused."""

    def forget(self, mailbox_id: int) -> None:
        """The last feature of the mailbox was switched off: nothing is due any more, and the cursor is deleted (W8)."""

    def stop_scheduling(self, mailbox_id: int) -> None:
        """No user is signed in: nothing is due until one is (E86).

        One may just have signed in: the row is locked before that is looked at, and then nothing is changed.
        """

    def schedule(self, mailbox_id: int) -> None:
        """A user has signed in again: catching up is due now (D12)."""

    def pause_by_operator(self, address: str | None, after: int, limit: int) -> tuple[int, ...]:
        """Pause the mailbox of this address, or where it is None up to `limit` mailboxes with ids above `after`.

        Returns the ids of those that were not paused before, in order. A paused mailbox is neither read nor changed.
        """

    def resume_by_operator(self, address: str | None, after: int, limit: int) -> tuple[int, ...]:
        """End the pause of the same mailboxes; returns the ids of those that were paused, in order.

        They are to catch up now, and to renew their watch, which may have ended meanwhile (E85).
        """

    def delete(self, mailbox_id: int) -> None:
        """Delete the mailbox, which no connection uses any more, and all that is kept of it."""

    def redrive_syncs(self, limit: int, again_after: float) -> tuple[int, ...]:
        """Mailboxes that are due to be caught up with, the longest due first. Each is named again after so many seconds
        at most."""

    def is_watch_due(self, mailbox_id: int, within: float) -> bool:
        """Whether the watch is due within so many seconds. False when another job has just renewed it."""

    def redrive_watches(self, limit: int, again_after: float) -> tuple[int, ...]:
        """Mailboxes whose daily look at the watch is due (E85). Each is named again after so many seconds at most."""


class HistoryRepository(Protocol):
    """Where we stand in each mailbox's history, and what of it has been judged."""

    def lock_at(self, mailbox_id: int, cursor: str | None) -> datetime | None:
        """Lock the mailbox where its cursor is this one, so that until the commit only the caller may `advance` it.
        Returns the database's time. None when another run has moved the cursor (W1), or the mailbox has been paused:
        then the walk ends here."""

    def advance(
        self,
        mailbox_id: int,
        cursors: Cursors,
        *,
        settled: int | None = None,
        ended: WalkEnd | None = None,
        redrive_within: float | None = None,
    ) -> None:
        """Write the mailbox's row, once a page: where we stand now, what the end of the walk says, and within how many
        seconds the mail that has come to wait is asked for again.

        `settled` is the position up to which history has settled, where that has grown: the changes judged up to there
        are forgotten, as no walk shows them again."""

    def stay(self, mailbox_id: int, cursor: str, began_at: datetime, due_after: float) -> bool:
        """Write the end of a look that found nothing to walk. False where `lock_at` would be None."""

    def lock_awake(self, mailbox_id: int) -> bool:
        """Whether the mailbox has a cursor and is not paused. It stays so until the commit."""

    def is_compare_due(self, mailbox_id: int, within: float) -> bool:
        """Whether a comparison is due within so many seconds. False when another job has just made it."""

    def redrive_comparisons(self, limit: int, again_after: float) -> tuple[int, ...]:
        """Mailboxes whose comparison is due, paused ones left out. Each is named again after so many seconds."""

    def hasten_comparison(self, mailbox_id: int, seconds: float) -> None:
        """The comparison is due in so many seconds at the latest."""

    def missing(self, mailbox_id: int, message_ids: Collection[str], came_by: str) -> Missing:
        """Which mails of a list the ledger does not have, or has as lying in Spam or Trash. `came_by` is the word for
        mail that an earlier comparison has found, which is counted too."""

    def compared(self, mailbox_id: int, found: Compared | None, due_at: datetime) -> None:
        """Write what a comparison has found, None where there was nothing to compare yet, and when the next is due."""

    def news(
        self, mailbox_id: int, changes: Sequence[Change], crm_labels: frozenset[str]
    ) -> tuple[Change, ...]:
        """The changes of a page that the ledger does not know yet: history is walked again from the settled cursor
        (E108).

        A change of CRM labels or of the folder is known by its position, message, label and direction. So one that is
        shown late is judged, and one that is shown again is not. What is returned counts as judged from now on.
        """
