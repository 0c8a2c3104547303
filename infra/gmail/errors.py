"""What an answer other than success means for us (FACTS §4). Only reason words leave this module (D2)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any

from domain.errors import (
    AccessRevoked,
    GiveUp,
    GrantRefused,
    LabelUnknown,
    NotDelegated,
    TryAgain,
    UnknownAddress,
    Unready,
)
from domain.outbox import SENDING_LIMIT
from infra.gmail.costs import PACIFIC
from infra.gmail.pushes import TOPIC_CLOSED, TOPIC_ELSEWHERE, TOPIC_MISSING

ODD_ANSWER = "odd_answer"
"""The reason for what no Gmail should say: not JSON, cut, or without the parts it must have."""

LIMITS = frozenset(
    {
        "rateLimitExceeded",
        "userRateLimitExceeded",
        "dailyLimitExceeded",
        "quotaExceeded",
        "accessNotConfigured",
    }
)
"""403 that passes. `accessNotConfigured` is the operator's slip in the Cloud console, not the user's."""

MAILBOX_WIDE = frozenset({"domainPolicy", "insufficientPermissions"})
"""403 that every call for the mailbox would meet."""

OPERATORS = frozenset(
    {
        "access_denied",
        "admin_policy_enforced",
        "deleted_client",
        "disabled_client",
        "invalid_client",
        "invalid_scope",
        "org_internal",
        "unauthorized_client",
    }
)
"""Why Google gives no token, be the user's consent as good as it may: the operator's or administrator's to mend."""

NOT_DELEGATED = frozenset({"access_denied", "unauthorized_client"})
"""Of these, what a service account is told that may not act for the user (not yet, or for other scopes)."""

TOKEN_TROUBLE = "token_http_"  # noqa: S105 - how a reason begins

PUSH_TAKEN = "onlyOnePushClient"
"""Our word for 400 "Only one user push notification client allowed per developer", which has none."""

_TOPICS: Mapping[int, str] = {404: TOPIC_MISSING, 403: TOPIC_CLOSED, 400: TOPIC_ELSEWHERE}
"""Gmail tries the topic with a message before it watches, and says of each trouble with it something else."""

OUTAGE = frozenset({502, 503, 504})
LONGEST = timedelta(hours=25)
"""No wish is obeyed for longer: a day's quota comes back within it, whatever the clocks were put to."""

_RETRY_AT = re.compile(r"retry after (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)", re.IGNORECASE)
_LABEL = re.compile(r"^invalid label:|^label ?id not found|^label not found", re.IGNORECASE)
_OF_TOPIC = re.compile(r"^error sending test message to cloud pubsub|^invalid topicname", re.IGNORECASE)
_SECONDS = re.compile(r"[0-9]{1,9}")
_WORD = re.compile(r"[A-Za-z][A-Za-z_]{0,63}")
_LABELLING = frozenset({"messages.modify", "messages.batchModify", "messages.list"})
_MAKING = frozenset({"labels.create", "drafts.create", "drafts.send"})


_NO_SUCH_USER = re.compile(r"\b(invalid|not a valid) e-?mail or user id\b", re.IGNORECASE)


def of_token(status: int, error: object, text: str, *, delegated: bool) -> Exception:
    """What a refusal of /token means, by OAuth's word for it and Google's text (FACTS §5). For a service account
    `invalid_grant` is said of the user and of the account itself alike."""
    if delegated and error == "invalid_grant":
        if text.startswith("Invalid JWT"):  # a signature that Google cannot check, or a clock that is wrong
            return GrantRefused("invalid_jwt")
        if "account not found" in text:
            return GrantRefused("account_not_found")
        if _NO_SUCH_USER.search(text):
            return UnknownAddress("invalid_grant")
    if error == "invalid_grant":
        return AccessRevoked("invalid_grant")
    if isinstance(error, str) and error in OPERATORS:
        return NotDelegated(error) if delegated and error in NOT_DELEGATED else GrantRefused(error)
    return TryAgain(f"{TOKEN_TROUBLE}{status}")


class Kind(Enum):
    """What happens next."""

    LIMIT = auto()
    AWAY = auto()
    ODD = auto()
    MISSING = auto()
    CONFLICT = auto()
    LABEL = auto()
    MAILBOX = auto()
    UNREADY = auto()
    REFUSED = auto()


@dataclass(frozen=True, slots=True)
class Refusal:
    """One call's answer, when it was not the one asked for."""

    kind: Kind
    reason: str
    after: timedelta | None = None
    outage: bool = False

    @property
    def passing(self) -> bool:
        """It may go better another time."""
        return self.kind in (Kind.LIMIT, Kind.AWAY, Kind.ODD, Kind.UNREADY)

    def error(self, *, whole_mailbox: bool | None = None) -> Exception:
        """The refusal as the handlers know it. Left open, only limits, outages and what shuts everybody out are the
        whole mailbox's."""
        if self.passing:
            wide = self.kind in (Kind.LIMIT, Kind.UNREADY) or self.outage
            return self.later(whole_mailbox=wide if whole_mailbox is None else whole_mailbox)
        if self.kind is Kind.LABEL:
            return LabelUnknown(self.reason)
        return GiveUp(self.reason)

    def later(self, *, whole_mailbox: bool) -> TryAgain:
        """It passes."""
        kind = Unready if self.kind is Kind.UNREADY else TryAgain
        return kind(self.reason, after=self.after, whole_mailbox=whole_mailbox)


BROKEN = Refusal(Kind.ODD, ODD_ANSWER)


def read(call: str, status: int, headers: Mapping[str, Any], content: bytes, now: datetime) -> Refusal:
    """Sort a refusal. `now` is the provider's clock where it showed one: its waits are told in it."""
    reason, text = _words(content)
    if status == 429 and "(mail sending)" in text.lower():  # Gmail's own limit of mails a day
        reason = SENDING_LIMIT
    if call == "watch" and _OF_TOPIC.search(text):
        reason = _TOPICS.get(status, reason)
    reason = PUSH_TAKEN if text.lower().startswith("only one user push") else reason or f"http_{status}"
    kind = _kind(call, status, reason, text)
    if kind is Kind.REFUSED and not _whole(content):
        kind = Kind.ODD
    after = _after(headers, text, reason, now) if kind in (Kind.LIMIT, Kind.AWAY) else None
    return Refusal(kind, reason, after, outage=status in OUTAGE)


def _kind(call: str, status: int, reason: str, text: str) -> Kind:
    # A fresh access token that is refused is Google's trouble: only invalid_grant ends a connection (E86).
    conflict = Kind.CONFLICT if call in _MAKING else Kind.AWAY  # one of what is there already passes
    plain = {401: Kind.LIMIT, 408: Kind.AWAY, 409: conflict, 429: Kind.LIMIT}
    if reason == SENDING_LIMIT:
        return Kind.REFUSED
    if status in plain:
        return plain[status]
    if status >= 500:
        return Kind.AWAY
    if status < 400:
        return Kind.ODD
    if call in _LABELLING and _LABEL.search(text):
        return Kind.LABEL
    if status == 404:
        return Kind.MISSING
    if status == 403 and reason in LIMITS:
        return Kind.LIMIT
    if reason in MAILBOX_WIDE or text.lower().startswith("mail service not enabled"):
        return Kind.MAILBOX
    if text.lower().startswith("precondition check failed") and not call.startswith("drafts."):
        return Kind.UNREADY
    return Kind.REFUSED


def _whole(content: bytes) -> bool:
    """Half a refusal may have been of a limit, or of a label: nobody can tell."""
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True


def _words(content: bytes) -> tuple[str, str]:
    """Google's reason word, and its text, which stays in here."""
    try:
        error = json.loads(content)["error"]
        entries = error.get("errors") or [{}]
        reason, text = entries[0].get("reason") or error.get("status") or "", str(error.get("message", ""))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "", ""
    return (reason if isinstance(reason, str) and _WORD.fullmatch(reason) else ""), text


def _after(headers: Mapping[str, Any], text: str, reason: str, now: datetime) -> timedelta | None:
    waits = [_retry_after(str(headers.get("retry-after", "")), now)]
    if named := _RETRY_AT.search(text):
        waits.append(_until(named[1], now))
    if reason == "dailyLimitExceeded":
        waits.append(_pacific_midnight(now) - now)
    told = [wait for wait in waits if wait is not None]
    return min(max(timedelta(), *told), LONGEST) if told else None


def _retry_after(value: str, now: datetime) -> timedelta | None:
    if _SECONDS.fullmatch(value):
        return timedelta(seconds=int(value))
    moment = http_date(value)
    return moment - now if moment else None


def _until(text: str, now: datetime) -> timedelta | None:
    try:
        return datetime.fromisoformat(text) - now
    except ValueError:
        return None


def _pacific_midnight(now: datetime) -> datetime:
    """Daily quotas begin anew at midnight Pacific Time."""
    tomorrow = now.astimezone(PACIFIC).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), PACIFIC)


def http_date(value: str) -> datetime | None:
    """The moment of a Date or Retry-After header, None when it holds none."""
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
