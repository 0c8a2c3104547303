"""Channels send notifications and events of conversations outside: where to, what receivers answer, when it is sent
again (Z25, I10)."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from urllib.parse import urlsplit

from domain.errors import LodestoneError
from domain.ids import ChannelId

TRIES = 8
"""Refusals after which a notification is set aside for its channel; the channel goes on."""

LONGEST_REST = 64
"""The longest rest, in multiples of the first: a minute doubles to about an hour."""

LONGEST_WISH = timedelta(hours=24)
"""The longest rest that a receiver may ask for."""

AT_ONCE = 200
"""Notifications claimed together at most. After a crash as many events may come twice."""

AT_FIRST = 50
"""Notifications claimed first, before it is known how fast the receiver is."""

LANES = 4
FEW = 8
"""Events are sent by at most LANES connections at a time, fewer than FEW by one."""


class ChannelKind(StrEnum):
    """`APPRISE` stands for every service that the library of this name can reach: chat, mail, telephones."""

    WEBHOOK = "webhook"
    APPRISE = "apprise"


class ChannelState(StrEnum):
    """`OFF`: the receiver said that it is gone for good. Nothing is sent until an operator retries the channel."""

    ACTIVE = "active"
    OFF = "off"


class Unusable(LodestoneError):
    """A target that is not allowed; the text says why, and never has the URL (I10)."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to, and for a webhook the secret that signs. Both are secrets: chat services put tokens into URLs."""

    url: str = field(repr=False)
    secret: str | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as it is now. `failures` counts rests in a row."""

    id: ChannelId
    kind: ChannelKind
    target: Target
    failures: int = 0

    @property
    def host(self) -> str:
        """What may be shown of the target: a webhook's host, else only the service, because some services put tokens
        where the host should be."""
        parts = urlsplit(self.target.url)
        match self.kind:
            case ChannelKind.WEBHOOK:
                return parts.hostname or ""
            case ChannelKind.APPRISE:
                return parts.scheme


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """A channel as the operator sees it. `waiting_since`: when the oldest waiting notification came."""

    id: ChannelId
    user_id: str | None
    kind: ChannelKind
    host: str
    state: ChannelState
    resting_until: datetime | None
    trouble: str | None
    waiting: int
    waiting_since: datetime | None
    set_aside: int


class ReceiverVerdict(StrEnum):
    """What became of an event. LATER: the receiver is down or limits us. LEFT: we had to stop and did not wait for the
    answer. GONE: the receiver is gone for good."""

    TAKEN = "taken"
    LATER = "later"
    LEFT = "left"
    REFUSED = "refused"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class ReceiverAnswer:
    """A receiver's answer. `after` is the rest that it asks for. `counted`: the event has used up a try. `untouched`:
    the receiver has certainly not taken the event, so that it may become part of another one."""

    verdict: ReceiverVerdict
    reason: str
    after: timedelta | None = None
    counted: bool = False
    untouched: bool = False


def judge(status: int, retry_after: str | None, now: datetime) -> ReceiverAnswer:
    """What a webhook's HTTP status means. A redirect is not followed and counts as a refusal."""
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
    """The rest that Retry-After asks for, in seconds or as a date; None when it cannot be read."""
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
    """The wait after `attempt` failures in a row: `first` seconds, doubling up to LONGEST_REST times that."""
    return timedelta(seconds=first * min(2 ** min(attempt - 1, 20), LONGEST_REST))


def at_once(kind: ChannelKind, most: int) -> int:
    """How many notifications to claim, `most` at most.

    One for chat, which drops no repeats: so a crash doubles one line only.
    """
    match kind:
        case ChannelKind.WEBHOOK:
            return most
        case ChannelKind.APPRISE:
            return 1


def next_at_once(sent: int, seconds: float) -> int:
    """How many notifications to claim after `sent` went out in `seconds`: what takes about a second."""
    return max(1, min(AT_ONCE, int(sent / max(seconds, 0.001))))


def lanes(events: int) -> int:
    """How many connections send this number of events."""
    return min(LANES, 1 + events // FEW)
