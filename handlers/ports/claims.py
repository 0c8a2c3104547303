"""What waits to be done and who does it: mail's steps, the channels' deliveries, the outbox. One contract for all three
(W2, W3, W4).

A row waits until its moment, by the database's clock. From then on whoever comes first may

- **claim** it: it is his, the `owner`'s, for `lease` seconds. The try is counted in the same commit, so that whoever
  dies has used it up; `attempts` counts this one too. No row has two living owners, and what another has locked is
  passed by, but for a channel's deliveries, where he is waited for. When the lease is over another may claim it; until
  one does, it is its owner's still.
- **extend** it: it is his for `lease` seconds from now.
- **release** it: it waits again, `after` so many seconds. The trouble may have been nobody's: then the try is not
  `counted`.
- **finish** it: it is done for good, and what came of it is written in the same transaction.
- **set_aside**: it has used up its tries. It waits for a person, whose word is `retry`, and is in nobody's way.

The last four do nothing to what is not the owner's any more, and nothing the second time.

**redrive** names where something waits whose moment has come and on which nobody works, up to `limit`, those that have
waited the longest first; what is named is named again after a while, until somebody sees to it. It claims nothing and
passes by what somebody has locked. Whatever the queue has lost comes back by it (W13).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from domain.channels import Parcel
from domain.ledger import Ahead, Claim, Cost, Planned, Step
from domain.outbox import DailyQuota, OutboxItem, SendState
from domain.outcomes import Outcome


class LedgerRepository(Protocol):
    """The steps of mail. Claims are of one mailbox and one kind of step, up to 1,000 at a time."""

    def plan(self, mailbox_id: int, planned: Sequence[tuple[str, int, Planned]]) -> None:
        """Add steps as (message, connection, plan); a step that is there already stays as it is (I2)."""

    def claim(
        self,
        mailbox_id: int,
        step: Step,
        limit: int,
        owner: str,
        lease: float,
        connection_ids: Collection[int] = (0,),
    ) -> tuple[Claim, ...]:
        """The oldest mail first. What has failed in company comes alone, after all the rest (W3)."""

    def extend(self, mailbox_id: int, step: Step, owner: str, lease: float) -> None:
        """All that the owner has of this kind in the mailbox."""

    def held(
        self, mailbox_id: int, step: Step, claims: Collection[Claim], owner: str
    ) -> frozenset[tuple[str, int]]:
        """Which of them are the owner's still, as (message, connection); locked until the commit. Whoever writes down
        what he has found out asks first."""

    def finish(
        self,
        mailbox_id: int,
        step: Step,
        done: Mapping[Claim, Outcome | None],
        owner: str,
        cost: Mapping[str, Cost],
    ) -> None:
        """With their outcomes; `cost` by message. To be called under the lock of `held`, or of `claim`."""

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
        self,
        mailbox_id: int,
        step: Step,
        claims: Collection[Claim],
        owner: str,
        connection_ids: Collection[int],
    ) -> None:
        """Ended by what could not be done (E88), for each of these connections. To be called under the lock of `held`,
        or of `claim`."""

    def aside(self, mailbox: str | None, limit: int) -> tuple[tuple[int, str], ...]:
        """Up to so many mails that `retry` is good for, as (mailbox, message)."""

    def retry(self, mailbox_id: int, message_ids: Collection[str]) -> frozenset[str]:
        """What was set aside waits again as if never tried (E88); so does what was not sorted because sorting was
        stopped, if it no longer is (E67). Returns the mails it was so for."""

    def redrive(self, limit: int) -> Mapping[int, tuple[Step, ...]]:
        """Mailboxes with the steps that wait there; with none where a moment came and nothing waits. Where nobody is
        signed in mail waits for the sign-in (E86)."""

    def redrive_within(self, mailbox_id: int, within: float) -> None:
        """What waits in the mailbox is named in so many seconds at the latest."""

    def unblock_sorting(self, mailbox_id: int, claims: Collection[Claim]) -> frozenset[tuple[str, int]]:
        """What is announced may be sorted (I5); returns what waited for that, as (message, connection)."""

    def ahead(self, mailbox_id: int) -> Ahead:
        """What waits in the mailbox."""


class DeliveryRepository(Protocol):
    """Notifications on their way to channels. Who claims has the channel to himself until the commit. A lease is long
    enough for what is claimed, so that nobody extends it. The answers are batches: those that were the owner's still.
    """

    def claim(self, channel_id: int, owner: str, lease: float, most: int) -> tuple[tuple[Parcel, ...], bool]:
        """What is to be sent next, in this order: `most` notifications, or one event of more. Empty when nothing may be
        sent now. And whether more than that may be due."""

    def lock(self, parcels: Sequence[Parcel]) -> None:
        """All of them, ahead of what is changed in several statements."""

    def finish(self, parcels: Sequence[Parcel], owner: str) -> frozenset[str]:
        """They have gone out, or need not any more: nothing is kept of them."""

    def set_aside(self, parcels: Sequence[Parcel], owner: str, trouble: str) -> frozenset[str]:
        """The channel goes on (W3); `channels.retry` ends it."""

    def release(
        self,
        parcels: Sequence[Parcel],
        owner: str,
        after: float,
        trouble: str,
        *,
        counted: bool,
        untouched: bool,
    ) -> frozenset[str]:
        """What the receiver has certainly not taken (`untouched`) may go out in another shape next time."""

    def release_unsent(self, parcels: Sequence[Parcel], owner: str, after: float) -> frozenset[str]:
        """As if they had not been claimed: each to its place, asked for after so many seconds."""

    def redrive(self, limit: int) -> tuple[int, ...]:
        """Channels."""

    def signed_in(self, connection_id: int) -> None:
        """What waited for its user's sign-in may go now."""


class OutboxRepository(Protocol):
    """Mail that users send. One at a time, the one that was asked for first; nothing is set aside: what cannot be sent
    is finished as failed, and its user sees why. The answers say whether it was the owner's still."""

    def daily_quota(self, mailbox_id: int) -> DailyQuota | None:
        """How much of the daily limit is used; None when there is no such mailbox. A second caller waits until the
        first has committed, so that two at once cannot both take the last place."""

    def add(
        self, mailbox_id: int, connection_id: int, contact_id: str | None, key: str, owner: str, lease: float
    ) -> OutboxItem | None:
        """A mail that this owner is about to write as a draft: his from the start, which is no try of sending it. None
        when the key is taken."""

    def get(self, item_id: int) -> OutboxItem | None:
        """One of them, None when it is gone."""

    def by_key(self, key: str) -> OutboxItem | None:
        """The one with this key."""

    def remove(self, item: OutboxItem) -> None:
        """As if it had never been asked for."""

    def drafted(self, item: OutboxItem, owner: str, draft_id: str) -> bool:
        """The draft is written: released, to be sent at once."""

    def claim(self, mailbox_id: int, owner: str, lease: float) -> OutboxItem | None:
        """What waited is "sending" from this commit on: whoever finds it so looks whether it was sent. The state that
        is returned is that of before. A paused mailbox gives nothing out."""

    def extend(self, item: OutboxItem, owner: str, lease: float) -> None: ...

    def release(
        self, item: OutboxItem, owner: str, after: float, state: SendState, reason: str | None, looks: int
    ) -> bool:
        """To be taken up in this state."""

    def finish(
        self, item: OutboxItem, owner: str, state: SendState, *, sent_id: str | None, reason: str | None
    ) -> bool:
        """Sent, or failed for good."""

    def redrive(self, limit: int) -> tuple[int, ...]:
        """Mailboxes."""

    def delete(self, connection_id: int) -> None:
        """All that was kept of mail sent over this connection (D12)."""
