"""What becomes of a mail between asking and sending: the row that is kept of it, ids and state only (Z16, D15, D2)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4, uuid5

from domain.connections.connections import Connection, ConnectionState
from domain.connections.permissions import Permission
from domain.crm.locations import Location
from domain.crm.users import User
from domain.ids import ConnectionId, MailboxId

DAY = timedelta(hours=24)
"""What counts against the daily limit, and how long the provider may be away before a mail is sent no more."""

LOOKS = 5
"""Times that a mail is looked for once its draft is gone: lists lag behind by seconds (FACTS §2)."""

INTERRUPTED, SIGN_IN, SWITCHED_OFF, MAY_NOT_CONNECT = (
    "interrupted",
    "sign_in",
    "switched_off",
    "no_permission",
)
DRAFT_GONE, TOO_LATE, LOOKED_FOR, SENDING_LIMIT = "draft_gone", "too_late", "looked_for", "sendingLimit"
"""Why a mail was not sent, or waits, beside the provider's own reason words. `draft_gone`: neither the draft nor the
sent mail is there, so that somebody has deleted the draft, or changed and sent it by hand. `sendingLimit`: the
provider's own limit of mails a day is reached, which is final (D15)."""

_FIRST = 1
"""The location that was there before there were several: its keys are what they were."""

_OURS = UUID("0f6e2c38-8a05-5d7e-9b1c-4f2d6a7e9c11")
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=2), timedelta(minutes=15)


class SendState(StrEnum):
    """`DRAFTING`: being written as a draft, its caller waits. `WAITING`: it certainly was not sent so far.
    `SENDING`: it may have been, and whoever claims it looks first. The last two are for good."""

    DRAFTING = "drafting"
    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class NewItem:
    """A mail that is asked for: over which connection it goes, to which contact, by which key."""

    mailbox_id: MailboxId
    connection_id: ConnectionId
    contact_id: str | None
    key: str


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """One mail on its way. By `key` its draft and the sent mail are found at the provider. `looks` counts how often it
    was looked for in vain since the draft is gone.

    Of a claimed item `state` is that of before the claim, and `attempts` counts this one too.
    """

    id: int
    mailbox_id: MailboxId
    connection_id: ConnectionId
    key: str
    state: SendState
    contact_id: str | None
    draft_id: str | None
    sent_id: str | None
    reason: str | None
    attempts: int
    looks: int
    created_at: datetime
    ended_at: datetime | None

    def is_late(self, now: datetime) -> bool:
        """Too old to be sent."""
        return now - self.created_at > DAY


@dataclass(frozen=True, slots=True)
class SendReport:
    """A mail on its way as its user or the operator sees it."""

    item: OutboxItem
    mailbox: str
    user_id: str | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A mail that the provider has and has not sent. `size`: its bytes, encoded."""

    id: str
    size: int


@dataclass(frozen=True, slots=True)
class Sent:
    """A mail that has left. `thread_id`: where it lies in its mailbox, None where the provider does not say."""

    message_id: str
    thread_id: str | None


@dataclass(frozen=True, slots=True)
class DailyQuota:
    """How much of a mailbox's daily limit is used, and when the oldest of those mails counts no more."""

    used: int
    free_at: datetime | None
    paused: bool


def key_of(location: Location, user_id: str, given: str | None) -> str:
    """The mail's key: the same for the same user and key that the caller gave, so that asking twice sends once; another
    one in each location.

    Never the caller's own text: all recipients may get it, in a header.
    """
    of = _OURS if location.id == _FIRST else uuid5(_OURS, str(location.id))
    return str(uuid4() if given is None else uuid5(of, f"{len(user_id)}/{user_id}/{given}"))


def hindrance(connection: Connection | None, user: User | None) -> str | None:
    """Why nothing may be sent over this connection now, None when it may (Z6, D12, D15)."""
    if connection is None or connection.state is ConnectionState.OFF:
        return SWITCHED_OFF
    withdrawn = user is not None and not (user.may_connect and user.active)
    if withdrawn or connection.state is ConnectionState.PAUSED:
        return MAY_NOT_CONNECT
    if connection.state is ConnectionState.REAUTH_NEEDED or connection.grant is None:
        return SIGN_IN
    return None


def may_send(granted: frozenset[Permission] | None) -> bool:
    """Whether the grant lets us send, as far as we were told what was granted."""
    return granted is None or Permission.SEND in granted


def send_wait(attempt: int, jitter: float) -> timedelta:
    """2 s, doubling to 15 minutes, spread by `jitter` (0 to 1) over the upper half (E87)."""
    longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(attempt - 1, 20))
    return longest * (0.5 + jitter / 2)
