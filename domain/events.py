"""What has happened to a mailbox's mail, as one room of the pipeline tells the next (workers/routes.py)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MailboxChanged:
    """Gmail has something new for this mailbox, by push or by the sweep's clock."""

    mailbox_id: int
    came_by: str = "push"


@dataclass(frozen=True, slots=True)
class MailFound:
    """The ledger has new rows of this mailbox that nobody has matched yet."""

    mailbox_id: int


@dataclass(frozen=True, slots=True)
class MailMatched:
    """Mail of this mailbox belongs to somebody in the CRM and waits to be announced."""

    mailbox_id: int


@dataclass(frozen=True, slots=True)
class MailAnnounced:
    """Mail of this mailbox is announced, or was never due to be, and may now be sorted (I5)."""

    mailbox_id: int


@dataclass(frozen=True, slots=True)
class WatchDue:
    """The aliases of this mailbox are to be read again, and its push registration looked after (E85, E14)."""

    mailbox_id: int


@dataclass(frozen=True, slots=True)
class ComparisonDue:
    """This mailbox's own list is to be compared with the ledger (E108)."""

    mailbox_id: int


@dataclass(frozen=True, slots=True)
class DeliveryDue:
    """Notifications wait to leave the list by this channel."""

    channel_id: int


@dataclass(frozen=True, slots=True)
class ConnectionEnded:
    """The connection is switched off here, and not yet at Google (D12)."""

    connection_id: int


@dataclass(frozen=True, slots=True)
class SendingDue:
    """Mail of this mailbox's users waits to be sent."""

    mailbox_id: int


Event = (
    SendingDue
    | ConnectionEnded
    | DeliveryDue
    | WatchDue
    | ComparisonDue
    | MailboxChanged
    | MailFound
    | MailMatched
    | MailAnnounced
)
