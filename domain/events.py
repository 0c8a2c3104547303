"""What has happened, as one job of the pipeline tells the next (workers/jobs.py).

Fields are ids: the queue carries them, and jobs that the release before has queued have the same.
"""

from dataclasses import dataclass

from domain.ids import ChannelId, ConnectionId, MailboxId


@dataclass(frozen=True, slots=True)
class OfMailbox:
    """Something has happened in a mailbox."""

    mailbox_id: MailboxId


@dataclass(frozen=True, slots=True)
class OfChannel:
    """Something has happened to a channel."""

    channel_id: ChannelId


@dataclass(frozen=True, slots=True)
class OfConnection:
    """Something has happened to a connection."""

    connection_id: ConnectionId


Event = OfMailbox | OfChannel | OfConnection


@dataclass(frozen=True, slots=True)
class MailboxChanged(OfMailbox):
    """The mailbox may have changed: it was pushed, or the sweep says that it is due."""

    came_by: str = "push"


@dataclass(frozen=True, slots=True)
class MailFound(OfMailbox):
    """The ledger has mail of this mailbox that is to be matched."""


@dataclass(frozen=True, slots=True)
class MailMatched(OfMailbox):
    """Mail of this mailbox has matched a contact and is to be announced."""


@dataclass(frozen=True, slots=True)
class MailJoined(OfMailbox):
    """Mail of this mailbox has joined conversations: what it holds is to be kept, and the rest of a thread found."""


@dataclass(frozen=True, slots=True)
class MailAnnounced(OfMailbox):
    """Mail of this mailbox is announced, or need not be, and may be sorted (I5)."""


@dataclass(frozen=True, slots=True)
class WatchDue(OfMailbox):
    """This mailbox's own addresses are to be read again, and its push registration checked (E85, E14)."""


@dataclass(frozen=True, slots=True)
class ComparisonDue(OfMailbox):
    """This mailbox's list of mail is to be compared with the ledger (E108)."""


@dataclass(frozen=True, slots=True)
class OutboxDue(OfMailbox):
    """Mail of this mailbox's users waits to be sent."""


@dataclass(frozen=True, slots=True)
class DeliveryDue(OfChannel):
    """Notifications wait to be sent by this channel."""


@dataclass(frozen=True, slots=True)
class ConnectionEnded(OfConnection):
    """The connection is switched off, and is to be ended at the provider (D12)."""
