"""Channels: the ways by which notifications leave the user's list, and how they fare (Z25, E91, D2)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from domain.errors import LodestoneError
from domain.notifications import NoticeKind

TRIES = 8
"""After so many refusals a notification is set aside for its channel, and the channel goes on."""

LONGEST_REST = 64
"""Times the first rest: a minute, doubling to about an hour."""

LONGEST_WISH = timedelta(hours=24)
"""A receiver that asks for a longer rest gets this one."""

AT_ONCE = 200
"""Notifications that are claimed together at most: so many events may come twice after a crash."""

AT_FIRST = 50
"""Notifications that are claimed while nobody knows how fast the receiver is."""

LANES = 4
FEW = 8
"""Events are sent by so many connections at a time at most, and fewer than FEW by one."""

_OURS = UUID("6d1f2c0e-7a53-5e0b-9d0a-0a7f4f1c1e5d")
"""The namespace of event ids. Whoever changes it makes every receiver take repeats for new events."""


class ChannelKind(StrEnum):
    """`APPRISE` stands for every service that the library of this name can reach: chat, mail, telephones."""

    WEBHOOK = "webhook"
    APPRISE = "apprise"


class ChannelState(StrEnum):
    """`OFF`: the receiver said that it is gone for good; nothing goes there until somebody retries it."""

    ACTIVE = "active"
    OFF = "off"


class Unusable(LodestoneError):
    """A target that nothing may be sent to; the text says why and never names the URL (I10)."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to, and for a webhook the secret that signs. Both are secrets: chat services put tokens into URLs."""

    url: str = field(repr=False)
    secret: str | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class Channel:
    """One way out, as it stands now. `failures`: rests in a row."""

    id: int
    kind: ChannelKind
    target: Target
    failures: int = 0

    @property
    def host(self) -> str:
        """What may be shown of the target: a webhook's host, else the service alone, because some services
        put tokens where the host should be."""
        parts = urlsplit(self.target.url)
        match self.kind:
            case ChannelKind.WEBHOOK:
                return parts.hostname or ""
            case ChannelKind.APPRISE:
                return parts.scheme


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """A channel as the operator sees it. `waiting_since`: when the oldest notification that waits came."""

    id: int
    user_id: str | None
    kind: ChannelKind
    host: str
    state: ChannelState
    resting_until: datetime | None
    trouble: str | None
    waiting: int
    waiting_since: datetime | None
    set_aside: int


@dataclass(frozen=True, slots=True)
class ChannelNotification:
    """A notification as a channel may tell it: three details of the mail, the contact record's name, whose it is, in
    which location (ORGANISATION/LOCATION).

    `due`: by the settings of this moment it still may be told (E92). Only mail has the last six.
    """

    id: int
    kind: NoticeKind
    connection_id: int
    user_id: str
    location: str
    created_at: datetime
    due: bool = True
    message_id: str | None = None
    contact_id: str | None = None
    name: str | None = None
    author: str | None = None
    received_at: datetime | None = None
    via_list: bool = False


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes out as one event. `batch` is committed before it is sent, and so is its id (I2).

    `summary`: late mails of one user in one location, told together (E91); else it is one item. `attempts` counts this
    one too. `is_new`: it cannot have been sent before, so that its items are free for another event if it is not sent
    now.
    """

    channel: Channel
    batch: str
    summary: bool
    items: tuple[ChannelNotification, ...]
    attempts: int
    is_new: bool = True

    @property
    def user_id(self) -> str:
        """Whose list it is from."""
        return self.items[0].user_id

    @property
    def is_due(self) -> bool:
        """By the settings of the moment at which it was claimed it still may be told (E92)."""
        return all(item.due for item in self.items)


class ReceiverVerdict(StrEnum):
    """What the receiver made of an event. LATER: it is down or limits, or so it seems. LEFT: we had to stop, and
    waited no longer for its answer; that is nobody's fault."""

    TAKEN = "taken"
    LATER = "later"
    LEFT = "left"
    REFUSED = "refused"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class ReceiverAnswer:
    """`after` is the receiver's own wish. `counted`: a try of the event is used up. `untouched`: the receiver
    has certainly not taken the event, so that it may become part of another one."""

    verdict: ReceiverVerdict
    reason: str
    after: timedelta | None = None
    counted: bool = False
    untouched: bool = False


def judge(status: int, retry_after: str | None, now: datetime) -> ReceiverAnswer:
    """A webhook's answer. Redirects are not followed: whoever answers with one refuses the event."""
    reason = f"http {status}"
    if 200 <= status < 300:
        return ReceiverAnswer(ReceiverVerdict.TAKEN, reason)
    if status == 410:
        return ReceiverAnswer(ReceiverVerdict.GONE, reason)
    if status in (408, 429) or status >= 500:
        # Only these two promise that nothing was done: behind a 500 or 504 the event may have been taken.
        untouched = status in (429, 503)
        return ReceiverAnswer(ReceiverVerdict.LATER, reason, wish(retry_after, now), untouched=untouched)
    return ReceiverAnswer(ReceiverVerdict.REFUSED, reason, counted=True)


def wish(retry_after: str | None, now: datetime) -> timedelta | None:
    """Retry-After as seconds or as a date; None for what cannot be read."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), LONGEST_WISH)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment - now, timedelta()), LONGEST_WISH)


def rest_before(attempt: int, first: float) -> timedelta:
    """The wait after so many failures in a row: `first` seconds, doubling to LONGEST_REST times that."""
    return timedelta(seconds=first * min(2 ** min(attempt - 1, 20), LONGEST_REST))


def at_once(kind: ChannelKind, most: int) -> int:
    """Of so many at most: chat drops no repeats, so that a crash may double one line there and no more."""
    match kind:
        case ChannelKind.WEBHOOK:
            return most
        case ChannelKind.APPRISE:
            return 1


def next_at_once(sent: int, seconds: float) -> int:
    """How many notifications to claim when so many went out in that time: about a second's, so that a slow receiver's
    are not claimed for nothing."""
    return max(1, min(AT_ONCE, int(sent / max(seconds, 0.001))))


def lanes(events: int) -> int:
    """By how many connections at a time so many events are sent."""
    return min(LANES, 1 + events // FEW)


def batch_of(channel_id: int, notification_ids: Sequence[int]) -> str:
    """The name of a summary: the same for the same notifications and channel, however often it is put together."""
    return str(uuid5(_OURS, f"summary/{channel_id}/{','.join(map(str, sorted(notification_ids)))}"))


def event_id(parcel: Parcel) -> str:
    """The same whenever the event is sent again, so that a receiver can drop repeats (I2)."""
    if parcel.summary:
        return parcel.batch
    [item] = parcel.items
    if item.kind is NoticeKind.MAIL:
        return str(uuid5(_OURS, f"mail/{item.connection_id}/{item.message_id}"))
    return str(uuid5(_OURS, f"{item.kind.value}/{item.connection_id}/{item.created_at.isoformat()}"))
