"""What has happened to a mailbox's mail, as one room of the pipeline tells the next (workers/jobs.py).

Fields are ids, because the queue carries them; a job of the release before has the same.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OfMailbox:
    """Something has happened in a mailbox."""

    mailbox_id: int


@dataclass(frozen=True, slots=True)
class OfChannel:
    """Something has happened to a channel."""

    channel_id: int


@dataclass(frozen=True, slots=True)
class OfConnection:
    """Something has happened to a connection."""

    connection_id: int


Event = OfMailbox | OfChannel | OfConnection


@dataclass(frozen=True, slots=True)
class MailboxChanged(OfMailbox):
    """Gmail has something new for this mailbox, by push or by the sweep's clock."""

    came_by: str = "push"


@dataclass(frozen=True, slots=True)
class MailFound(OfMailbox):
    """The ledger has new rows of this mailbox that nobody has matched yet."""


@dataclass(frozen=True, slots=True)
class MailMatched(OfMailbox):
    """Mail of this mailbox belongs to somebody in the CRM and waits to be announced."""


@dataclass(frozen=True, slots=True)
class MailAnnounced(OfMailbox):
    """Mail of this mailbox is announced, or was never due to be, and may now be sorted (I5)."""


@dataclass(frozen=True, slots=True)
class WatchDue(OfMailbox):
    """The aliases of this mailbox are to be read again, and its push registration looked after (E85, E14)."""


@dataclass(frozen=True, slots=True)
class ComparisonDue(OfMailbox):
    """This mailbox's own list is to be compared with the ledger (E108)."""


@dataclass(frozen=True, slots=True)
class OutboxDue(OfMailbox):
    """Mail of this mailbox's users waits to be sent."""


@dataclass(frozen=True, slots=True)
class DeliveryDue(OfChannel):
    """Notifications wait to leave the list by this channel."""


@dataclass(frozen=True, slots=True)
class ConnectionEnded(OfConnection):
    """The connection is switched off here, and not yet at Google (D12)."""
