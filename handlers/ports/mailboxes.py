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
    def get(self, mailbox_id: int) -> MailboxState | None: ...
    def own_addresses(self, mailbox_id: int) -> frozenset[str]:
        """Primary address and aliases, registered ones too (E14)."""

    def own_and_registered(self, mailbox_id: int) -> tuple[frozenset[str], frozenset[str]]:
        """The own addresses, and those of them that the provider does not list (E14)."""

    def keep_own_addresses(self, mailbox_id: int, addresses: Collection[str]) -> None:
        """What was an own address stays one: a renamed primary becomes an alias (E99). What was registered and
        the provider lists by now needs no registering any more."""

    def keep_own_name(self, mailbox_id: int, name: str) -> None:
        """What its owner shows beside the primary address, "" for nothing."""

    def rest(
        self, mailbox_id: int, reason: str, seconds: float, *, unready: bool = False, counted: bool = True
    ) -> None:
        """The provider limits or refuses this mailbox: leave it alone for a while (E87, I4), the longer one of two.
        `unready`: nobody is let in, and several who find that out at once count as one. Not `counted`: we
        hold back by ourselves."""

    def succeeded(self, mailbox_id: int) -> None:
        """The provider has answered for mail: the next rest is short again."""

    def labels_conflict(self, mailbox_id: int, waits: Sequence[timedelta]) -> timedelta | None:
        """The provider says once more that a label is there and does not show it: nothing is sorted for the first of
        these waits, next time for the second. None after the last: one that comes then is a new one."""

    def keep_labels(self, mailbox_id: int, labels: ByCategory, names: ByCategory) -> None:
        """The ids of the three CRM labels (E54)."""

    def reserve(self, account: AccountKey) -> None:
        """One at a time may connect this mailbox, until the commit (E76).

        No row's lock: those are taken from the connection to the mailbox, and here it would be the other way.
        """

    def lock(self, mailbox_ids: Collection[int]) -> None:
        """Who changes several in one transaction takes them in order, as all do."""

    def rename(self, mailbox_id: int, address: str) -> bool:
        """The account's administrator has given it another primary address; the former one stays its own (E99). Where
        the provider knew it by the former one, it knows it by the new one.

        False when the address is another mailbox's with us.
        """

    def add(self, account: AccountKey, address: str, paused_at: datetime | None = None) -> int:
        """The mailbox of this account, made when there is none, and then with this address, paused
        if one of before was."""

    def id_of(self, account: AccountKey) -> int | None:
        """The mailbox of this account, None while it is not known."""

    def pushed(self, account: AccountKey) -> int | None:
        """The provider has just pushed for this account; returns its id, None when we do not
        watch it. A row that is locked is not waited for, as the pushes of other mailboxes would wait too: `pushed_at`
        comes with the next one."""

    def start_watch(
        self, mailbox_id: int, watch: Watch, due_after: float, *, restarted: bool = False
    ) -> None:
        """A watch is active. It sets the cursor only where there is none (W8). Push recall is counted from the start
        where the watch was `restarted`."""

    def start_unwatched(self, mailbox_id: int, begun: Unwatched, retry_after: float) -> None:
        """The same where no watch could be had: the sweep looks into it, and a watch is tried again (E82, E85)."""

    def keep_watch(self, mailbox_id: int, due_after: float) -> None:
        """The watch of before does for another while."""

    def watch_failed(
        self, mailbox_id: int, reason: str, retry_after: float, *, stopped: bool = False
    ) -> None:
        """The sweep carries on, and renewal is tried again (E85). None stands where the one of before was `stopped`."""

    def hasten_watch(self, mailbox_id: int) -> None:
        """The watch is to be renewed now."""

    def ids(self, address: str | None = None) -> tuple[int, ...]:
        """The mailbox of this address, or all of them."""

    def paused_at(self, mailbox_id: int) -> datetime | None:
        """Since when an operator has paused it, None when it is not paused."""

    def forget(self, mailbox_id: int) -> None:
        """The last feature of the mailbox was switched off: nothing is due, the cursor is deleted (W8)."""

    def stop_scheduling(self, mailbox_id: int) -> None:
        """Nobody is signed in: nothing is due until that changes (E86).

        It may just have changed: the row is locked before the look, so that what is due by then stays due.
        """

    def schedule(self, mailbox_id: int) -> None:
        """Somebody has signed in again: catch up now (D12)."""

    def pause_by_operator(self, address: str | None, after: int, limit: int) -> tuple[int, ...]:
        """Pause the mailbox of this address, or where it is None up to `limit` mailboxes with ids above `after`.

        Returns the ids of those that were not paused before, in order. A paused mailbox is neither read nor changed.
        """

    def resume_by_operator(self, address: str | None, after: int, limit: int) -> tuple[int, ...]:
        """End the pause of the same mailboxes; returns the ids of those that were paused, in order.

        They are to catch up now, and to renew their watch, which may have ended meanwhile (E85).
        """

    def delete(self, mailbox_id: int) -> None:
        """Nobody uses the mailbox any more."""

    def redrive_syncs(self, limit: int, again_after: float) -> tuple[int, ...]:
        """Mailboxes to catch up now, the longest due first; each is named again after so many seconds at most."""

    def is_watch_due(self, mailbox_id: int, within: float) -> bool:
        """Whether the watch is to be renewed within so many seconds: one of several jobs has done it."""

    def redrive_watches(self, limit: int, again_after: float) -> tuple[int, ...]:
        """Mailboxes whose watch is to be renewed now (E85)."""


class HistoryRepository(Protocol):
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
