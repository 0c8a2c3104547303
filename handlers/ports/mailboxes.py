"""Mailboxes, and our place in the history of each."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from domain.crm.categories import ByCategory
from domain.ids import MailboxId
from domain.mailboxes.accounts import AccountKey
from domain.mailboxes.comparisons import Compared, Missing
from domain.mailboxes.history import Change, Cursors
from domain.mailboxes.state import MailboxState
from domain.mailboxes.watches import Unwatched, WalkEnd, Watch


class MailboxRepository(Protocol):
    """The mailboxes that we know, and when each is next due. Seconds count from the database's time."""

    def get(self, mailbox_id: MailboxId) -> MailboxState | None:
        """The mailbox as it is now; None when it has been deleted."""

    def own_addresses(self, mailbox_id: MailboxId) -> frozenset[str]:
        """The primary address, the aliases that the provider lists, and registered ones that nobody else has (E14)."""

    def own_and_registered(self, mailbox_id: MailboxId) -> tuple[frozenset[str], frozenset[str]]:
        """As `own_addresses`; and those of them that are registered, so that the provider does not list them (E14)."""

    def keep_own_addresses(self, mailbox_id: MailboxId, addresses: Collection[str]) -> None:
        """Add the addresses that the provider lists. An own address stays one: a renamed primary address becomes an
        alias (E99). An alias that the provider lists now counts as registered no more."""

    def keep_own_name(self, mailbox_id: MailboxId, name: str) -> None:
        """Keep the name that its owner shows beside the primary address, "" for none."""

    def rest(
        self,
        mailbox_id: MailboxId,
        reason: str,
        seconds: float,
        *,
        unready: bool = False,
        counted: bool = True,
    ) -> None:
        """Leave the mailbox alone for `seconds`, as the provider limits or refuses it (E87, I4). The longer of two
        rests counts.

        `unready`: no grant lets us in; several jobs that find this at the same time count as one refusal. Not
        `counted`: we hold back by ourselves, and the next rest is no longer for it.
        """

    def succeeded(self, mailbox_id: MailboxId) -> None:
        """The provider has answered for a message: the next rest is short again."""

    def labels_conflict(self, mailbox_id: MailboxId, waits: Sequence[timedelta]) -> timedelta | None:
        """Count that the provider reports a label as existing but does not show it.

        Returns for how long nothing is sorted: the first of `waits`, the second the next time, and so on. None after
        the last, and then the count starts again.
        """

    def keep_labels(self, mailbox_id: MailboxId, labels: ByCategory, names: ByCategory) -> None:
        """Keep the ids and the names of the three CRM labels (E54)."""

    def reserve(self, account: AccountKey) -> None:
        """Until the commit no other transaction connects this mailbox (E76).

        No row is locked: rows are locked from the connection to the mailbox, and here the order would be the reverse.
        """

    def lock(self, mailbox_ids: Collection[MailboxId]) -> None:
        """Lock several mailboxes in the order of their ids, before a transaction changes more than one."""

    def rename(self, mailbox_id: MailboxId, address: str) -> bool:
        """The account's administrator has renamed it: the former address stays an own one (E99). If it was the
        provider's key, the new address is the key now.

        False, and nothing changes, when we know another mailbox with this address.
        """

    def add(self, account: AccountKey, address: str, paused_at: datetime | None = None) -> MailboxId:
        """The id of this account's mailbox. A new one gets this address, and is paused if `paused_at` is given."""

    def id_of(self, account: AccountKey) -> MailboxId | None:
        """The id of this account's mailbox, None when we do not know it."""

    def note_push(self, account: AccountKey) -> MailboxId | None:
        """Note that the provider has just pushed for this account.

        Returns the mailbox's id; None when we do not know it or it has no cursor. A locked row is not waited for, as
        pushes of other mailboxes would wait too: then the next push sets `pushed_at`.
        """

    def start_watch(
        self, mailbox_id: MailboxId, watch: Watch, due_after: float, *, restarted: bool = False
    ) -> None:
        """A watch is active. Its cursor is taken only if the mailbox has none (W8). `restarted`: push recall is counted
        from now."""

    def start_unwatched(self, mailbox_id: MailboxId, begun: Unwatched, retry_after: float) -> None:
        """Begin without a watch: the sweep looks into the mailbox, and a watch is tried again in `retry_after` seconds
        (E82, E85)."""

    def keep_watch(self, mailbox_id: MailboxId, due_after: float) -> None:
        """The watch needs no renewal yet; the next daily look is due in `due_after` seconds."""

    def watch_failed(
        self, mailbox_id: MailboxId, reason: str, retry_after: float, *, stopped: bool = False
    ) -> None:
        """A renewal has failed: the sweep carries on, and it is tried again in `retry_after` seconds (E85). `stopped`:
        the former watch was ended, so that none is active."""

    def hasten_watch(self, mailbox_id: MailboxId) -> None:
        """The watch is due to be renewed now."""

    def ids(self, address: str | None = None) -> tuple[MailboxId, ...]:
        """The ids of mailboxes with this address, or of all, in order."""

    def paused_at(self, mailbox_id: MailboxId) -> datetime | None:
        """When the operator has paused it, None when it is not paused."""

    def forget(self, mailbox_id: MailboxId) -> None:
        """The mailbox's last feature was switched off: nothing is due any more, and the cursor is deleted (W8)."""

    def stop_scheduling(self, mailbox_id: MailboxId) -> None:
        """No user is signed in: nothing is due until one is (E86).

        A user may have just signed in, so this is checked with the row locked; then nothing changes.
        """

    def schedule(self, mailbox_id: MailboxId) -> None:
        """A user has signed in again: catching up is due now (D12)."""

    def pause_by_operator(self, address: str | None, after: int, limit: int) -> tuple[MailboxId, ...]:
        """Pause the mailboxes with this address, or without one up to `limit` mailboxes with ids above `after`.

        Returns the ids of those that were not paused before, in order. A paused mailbox is neither read nor changed.
        """

    def resume_by_operator(self, address: str | None, after: int, limit: int) -> tuple[MailboxId, ...]:
        """End the pause of the same mailboxes. Returns the ids of those that were paused, in order.

        They are to catch up now, and to renew their watch, which may have ended meanwhile (E85).
        """

    def delete(self, mailbox_id: MailboxId) -> None:
        """Delete the mailbox, which no connection uses any more, and all that is kept of it."""

    def redrive_syncs(self, limit: int, again_after: float) -> tuple[MailboxId, ...]:
        """Up to `limit` mailboxes that are due to catch up, the longest due first. Each is due again in `again_after`
        seconds at most."""

    def is_watch_due(self, mailbox_id: MailboxId, within: float) -> bool:
        """Whether the watch is due within `within` seconds. False when another job has just renewed it."""

    def redrive_watches(self, limit: int, again_after: float) -> tuple[MailboxId, ...]:
        """Up to `limit` mailboxes whose daily look at the watch is due (E85). Each is due again in `again_after`
        seconds at most."""


class HistoryRepository(Protocol):
    """Our place in each mailbox's history, and which changes were judged."""

    def lock_at(self, mailbox_id: MailboxId, cursor: str | None) -> datetime | None:
        """Lock the mailbox if its cursor is this one, so that until the commit only the caller may `advance` it.

        Returns the database's time. None when another run has moved the cursor (W1) or the mailbox was paused: then the
        walk ends here.
        """

    def advance(
        self,
        mailbox_id: MailboxId,
        cursors: Cursors,
        *,
        settled: int | None = None,
        ended: WalkEnd | None = None,
        redrive_within: float | None = None,
    ) -> None:
        """Write the mailbox's row, once a page: the cursors, the result of the walk's end, and in how many seconds at
        most the mail that now waits is redriven.

        `settled`: the position up to which history has settled, where that has grown. The changes judged up to there
        are forgotten, as no walk shows them again.
        """

    def stay(self, mailbox_id: MailboxId, cursor: str, began_at: datetime, due_after: float) -> bool:
        """Write the end of a look that found nothing to walk; the next is due `due_after` seconds after `began_at`.
        False where `lock_at` would return None."""

    def lock_awake(self, mailbox_id: MailboxId) -> bool:
        """Lock the mailbox; whether it has a cursor and is not paused, which then holds until the commit."""

    def is_compare_due(self, mailbox_id: MailboxId, within: float) -> bool:
        """Whether a comparison is due within `within` seconds. False when another job has just made it."""

    def redrive_comparisons(self, limit: int, again_after: float) -> tuple[MailboxId, ...]:
        """Up to `limit` mailboxes whose comparison is due, paused ones left out. Each is due again in `again_after`
        seconds."""

    def hasten_comparison(self, mailbox_id: MailboxId, seconds: float) -> None:
        """The comparison is due in `seconds` at the latest."""

    def missing(self, mailbox_id: MailboxId, message_ids: Collection[str], came_by: str) -> Missing:
        """Which mails of a list the ledger does not have, or has as lying in Spam, Trash or Drafts.

        `came_by` marks mail that an earlier comparison found; how many of the list have it is counted too.
        """

    def compared(self, mailbox_id: MailboxId, found: Compared | None, due_at: datetime) -> None:
        """Write what a comparison found, None where there was nothing to compare yet, and when the next one is due."""

    def news(
        self, mailbox_id: MailboxId, changes: Sequence[Change], crm_labels: frozenset[str]
    ) -> tuple[Change, ...]:
        """The changes of a page that the ledger does not know yet, as history is walked again from the settled cursor
        (E108).

        A change of CRM labels or of the folder is known by its position, message, label and direction: so a late one is
        judged, and a repeated one is not. The returned changes count as judged from now on.
        """
