"""The values of the client of /control: mails, dumps and counters. They need the standard library only."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Delivered:
    """Where a delivered mail went."""

    id: str
    thread_id: str
    history_id: int


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail of a bulk delivery; fields as in `GmailControl.deliver`."""

    mailbox: str
    raw: bytes
    labels: Collection[str] | None = None
    internal_date: int | None = None
    thread_id: str | None = None


@dataclass(frozen=True, slots=True)
class DumpedMessage:
    """One message of a mailbox dump; `labels` are the names of `label_ids`."""

    id: str
    thread_id: str
    label_ids: frozenset[str]
    labels: frozenset[str]
    internal_date: int
    history_id: int
    size: int


@dataclass(frozen=True, slots=True)
class Dump:
    """A mailbox as it stands; messages oldest first, `labels` maps id to name, `drafts` a draft's id to its
    message's."""

    address: str
    history_id: int
    watched_topic: str | None
    watched_until: int | None
    labels: Mapping[str, str]
    messages: tuple[DumpedMessage, ...]
    drafts: Mapping[str, str]

    def message(self, message_id: str) -> DumpedMessage | None:
        """By id; None when it is not there."""
        return next((message for message in self.messages if message.id == message_id), None)

    def having(self, label: str) -> tuple[DumpedMessage, ...]:
        """The messages with a label of that name: "SENT", say."""
        return tuple(message for message in self.messages if label in message.labels)


@dataclass(frozen=True, slots=True)
class Counters:
    """Since the start or the last reset. `http_requests` counts API and batch requests, not tokens
    or control; `calls` counts what was called, in batches too. by_mailbox, by_method and by_quota_user,
    where service accounts' calls are counted, hold {"calls", "units"}; statuses is per call."""

    http_requests: int
    token_requests: int
    calls: int
    units: int
    pushes: Mapping[str, int]
    by_mailbox: Mapping[str, Mapping[str, int]]
    by_method: Mapping[str, Mapping[str, int]]
    by_quota_user: Mapping[str, Mapping[str, int]]
    statuses: Mapping[str, int]

    def calls_of(self, method: str) -> int:
        """How often a method was called."""
        return self.by_method.get(method, {}).get("calls", 0)


def delivered(found: Json) -> Delivered:
    """As control tells it."""
    return Delivered(found["id"], found["threadId"], int(found["historyId"]))


def dumped(found: Json) -> DumpedMessage:
    """As control tells it."""
    return DumpedMessage(
        id=found["id"],
        thread_id=found["threadId"],
        label_ids=frozenset(found["labelIds"]),
        labels=frozenset(found["labels"]),
        internal_date=found["internalDate"],
        history_id=int(found["historyId"]),
        size=found["size"],
    )
