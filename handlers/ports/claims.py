"""Four ledgers with one contract: the steps of mail, the deliveries of notifications and of events to channels, the
outbox (W2, W3, W4).

A row waits until its moment, by the database's clock. From then on a process may

- **claim** it: the row belongs to its `owner` for `lease` seconds. The same commit counts the try, so that a process
  that dies has used it up; `attempts` includes this try. A row has one living owner. Rows that another transaction has
  locked are skipped; only a claim of deliveries waits for them. When the lease is over another owner may claim the
  row; until one does, it still belongs to the first.
- **extend** it: the lease ends `lease` seconds from now.
- **release** it: the row waits again, `after` seconds from now. The try is taken back unless it is `counted`.
- **finish** it: the row is done, and its result is written in the same transaction.
- **set_aside**: the row has used up its tries. It blocks nothing and waits for a person to `retry` it.

The last four change nothing in a row that belongs to somebody else by now, and nothing when they are repeated.

**redrive** names up to `limit` places where a row is due and has no owner, the longest waiting first. It names them
again after a while, until they are worked on. It claims nothing and skips locked rows. So what the queue has lost
comes back (W13).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from domain.ids import NO_CONNECTION, ChannelId, ConnectionId, MailboxId
from domain.ledger import Ahead, Claim, Cost, Planned, Step, StepKey
from domain.outbox import DailyQuota, NewItem, OutboxItem, SendState
from domain.outcomes import Outcome
from domain.parcels import AnyParcel


class LedgerRepository(Protocol):
    """The steps of mail. A claim is for one mailbox and one kind of step, at most 1,000 rows."""

    def plan(self, mailbox_id: MailboxId, planned: Sequence[tuple[str, int, Planned]]) -> None:
        """Add steps as (message, connection, plan). A step that exists stays as it is (I2)."""

    def claim(
        self,
        mailbox_id: MailboxId,
        step: Step,
        limit: int,
        owner: str,
        lease: float,
        connection_ids: Collection[ConnectionId] = (NO_CONNECTION,),
    ) -> tuple[Claim, ...]:
        """The oldest mail first. A mail whose batch has failed is claimed alone, after all others (W3)."""

    def extend(self, mailbox_id: MailboxId, step: Step, owner: str, lease: float) -> None:
        """Extend everything that the owner has of this kind in the mailbox."""

    def held(
        self, mailbox_id: MailboxId, step: Step, claims: Collection[Claim], owner: str
    ) -> frozenset[StepKey]:
        """The claims that still belong to the owner, as (message, connection); their rows are locked until the commit.

        To be called before results are written.
        """

    def finish(
        self,
        mailbox_id: MailboxId,
        step: Step,
        done: Mapping[Claim, Outcome | None],
        owner: str,
        cost: Mapping[str, Cost],
    ) -> None:
        """Finish with an outcome each; `cost` by message. The rows have to be locked by `held` or `claim`."""

    def release(
        self,
        mailbox_id: MailboxId,
        step: Step,
        claims: Collection[Claim],
        owner: str,
        after: float,
        *,
        counted: bool,
    ) -> None:
        """Let them wait again."""

    def set_aside(
        self,
        mailbox_id: MailboxId,
        step: Step,
        claims: Collection[Claim],
        owner: str,
        connection_ids: Collection[ConnectionId],
    ) -> None:
        """Set aside with the outcome of a failed step, for each of these connections (E88).

        The rows have to be locked by `held` or `claim`.
        """

    def aside(self, mailbox: str | None, limit: int) -> tuple[tuple[MailboxId, str], ...]:
        """Up to `limit` mails that `retry` would change, as (mailbox, message)."""

    def retry(self, mailbox_id: MailboxId, message_ids: Collection[str]) -> frozenset[str]:
        """Steps that were set aside wait again as if never tried (E88). So do steps that were not sorted while sorting
        was stopped, if it goes on now (E67). Returns the mails that this changed."""

    def redrive(self, limit: int) -> Mapping[MailboxId, tuple[Step, ...]]:
        """By mailbox the steps that wait there; none where the moment came and nothing waits any more.

        A mailbox without a sign-in is not named: its mail waits for the user (E86).
        """

    def redrive_within(self, mailbox_id: MailboxId, within: float) -> None:
        """`redrive` names what waits in the mailbox in `within` seconds at the latest."""

    def call_off(
        self, mailbox_id: MailboxId, step: Step, steps: Collection[tuple[str, ConnectionId]]
    ) -> None:
        """Finish these steps, of a message and a connection each, whoever works on them: what they ask for is done."""

    def unblock_sorting(self, mailbox_id: MailboxId, claims: Collection[Claim]) -> frozenset[StepKey]:
        """These mails are announced and may be sorted (I5). Returns those that waited."""

    def ahead(self, mailbox_id: MailboxId) -> Ahead:
        """What still waits in the mailbox."""


class DeliveryRepository(Protocol):
    """Notifications, and events of conversations, on their way to channels.

    A claim locks the channel until the commit. Its lease is long enough for what is claimed, so that nothing extends
    it. Methods that return batches return those that still belonged to the owner.
    """

    def claim(
        self, channel_id: ChannelId, owner: str, lease: float, most: int
    ) -> tuple[tuple[AnyParcel, ...], bool]:
        """What to send next, in this order, and whether more may be due.

        At most `most` notifications, or one summary of more, and as many events of conversations. An event comes only
        together with, or after, those of its conversation before it. Empty when nothing may be sent now.
        """

    def lock(self, parcels: Sequence[AnyParcel]) -> None:
        """Lock the rows of all of them, before several statements change them."""

    def finish(self, parcels: Sequence[AnyParcel], owner: str) -> frozenset[str]:
        """Delete them: they were sent, or are not to be sent any more."""

    def set_aside(self, parcels: Sequence[AnyParcel], owner: str, trouble: str) -> frozenset[str]:
        """The channel goes on with the rest (W3); `channels.retry` tries these again."""

    def release(
        self,
        parcels: Sequence[AnyParcel],
        owner: str,
        after: float,
        trouble: str,
        *,
        counted: bool,
        untouched: bool,
    ) -> frozenset[str]:
        """An event that the receiver has certainly not taken (`untouched`) may be put together anew next time."""

    def release_unsent(self, parcels: Sequence[AnyParcel], owner: str, after: float) -> frozenset[str]:
        """Undo their claim: each is back in its place, and is redriven after `after` seconds."""

    def redrive(self, limit: int) -> tuple[int, ...]:
        """Channels with deliveries that are due."""

    def signed_in(self, connection_id: ConnectionId) -> None:
        """The user has signed in again: deliveries that waited for this may be sent."""


class OutboxRepository(Protocol):
    """Mail that users send: one at a time for each mailbox, in the order it was asked for.

    Nothing is set aside: a mail that cannot be sent is finished as failed, and its user sees why. Methods that return
    a bool say whether the row still belonged to the owner.
    """

    def daily_quota(self, mailbox_id: MailboxId) -> DailyQuota | None:
        """How much of the daily limit is used; None when there is no such mailbox.

        A second transaction that asks waits for the first one's commit, so that two cannot both take the last place.
        """

    def add(self, asked: NewItem, owner: str, lease: float) -> OutboxItem | None:
        """A mail that this owner is about to write as a draft; None when the key is taken.

        It belongs to the owner for `lease` seconds. That counts as no try of sending it.
        """

    def get(self, item_id: int) -> OutboxItem | None:
        """The mail with this id, None when it is gone."""

    def by_key(self, key: str) -> OutboxItem | None:
        """The mail with this key, None when there is none."""

    def reopen(self, item_id: int, asked: NewItem, owner: str, lease: float) -> OutboxItem | None:
        """The same with one that has failed and never was a draft: it is asked for anew, as if never tried."""

    def drafted(self, item: OutboxItem, owner: str, draft_id: str) -> bool:
        """The draft is written: released, to be sent at once."""

    def claim(self, mailbox_id: MailboxId, owner: str, lease: float) -> OutboxItem | None:
        """The next mail to send, with the state that it had before; None when there is none or the mailbox is paused.

        From this commit on its state is SENDING: a process that finds it so looks whether it was sent.
        """

    def extend(self, item: OutboxItem, owner: str, lease: float) -> None:
        """It belongs to the owner for `lease` seconds from now."""

    def release(
        self, item: OutboxItem, owner: str, after: float, state: SendState, reason: str | None, looks: int
    ) -> bool:
        """It waits again, in this state."""

    def finish(
        self, item: OutboxItem, owner: str, state: SendState, *, sent_id: str | None, reason: str | None
    ) -> bool:
        """It is sent, or has failed for good."""

    def redrive(self, limit: int) -> tuple[int, ...]:
        """Mailboxes with mail that is due to be sent."""

    def delete(self, connection_id: ConnectionId) -> None:
        """Delete all mail that was sent over this connection (D12)."""
