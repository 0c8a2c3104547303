"""What the handlers need of the outside, in the domain's words. infra provides it; no handler knows how."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.errors import GiveUp, TryAgain
from domain.labels import Category, LabelChange
from domain.mailboxes import Grant, HistoryPage, Watch
from domain.messages import Fetched


@dataclass(slots=True)
class Spent:
    """What a job cost at Gmail so far: quota units (FACTS: cost table is a setting) and HTTP requests."""

    units: int = 0
    requests: int = 0


class Mailbox(Protocol):
    """One Gmail account, entered with one connection's grant.

    Every call may raise TryAgain (limited or away), GiveUp (refused for good) and AccessRevoked.
    The calls that take several messages never fail for one message's sake: its entry holds the error.
    """

    @property
    def spent(self) -> Spent: ...

    @property
    def grant(self) -> Grant:
        """The grant as it is now: refreshed access tokens included, for the caller to keep."""

    def cursor_now(self) -> str:
        """getProfile's historyId: where history stands now."""

    def address(self) -> str:
        """getProfile's emailAddress, in its exact form."""

    def changes_since(self, cursor: str) -> Iterator[HistoryPage]:
        """Oldest first, all pages. Raises CursorExpired when only a re-list will do (E84)."""

    def listed_since(self, moment: datetime) -> Iterator[tuple[str, ...]]:
        """Ids of all mail received since, Spam and Trash left out, a page at a time."""

    def fetch(self, gmail_ids: Sequence[str]) -> Mapping[str, Fetched | TryAgain | GiveUp | None]:
        """One batched get for at most 25 messages, headers and structure only; None where Gmail answers 404."""

    def labels_of(
        self, gmail_ids: Sequence[str]
    ) -> Mapping[str, frozenset[str] | TryAgain | GiveUp | None]:
        """The labels the messages carry now (format=minimal), None where Gmail answers 404."""

    def change_labels(
        self, changes: Mapping[str, LabelChange]
    ) -> Mapping[str, TryAgain | GiveUp | LookupError | None]:
        """Change many messages by the cheaper of modify and batchModify for each distinct change.

        None means done. LookupError means that the mailbox does not know the message (404).
        Raises LabelUnknown when it does not know one of the labels (W12).
        """

    def ensure_labels(
        self, names: Mapping[Category, str], known: Mapping[Category, str]
    ) -> Mapping[Category, str]:
        """Ids of the CRM labels: a known id that still exists is kept whatever its name is now (E54); else
        a label of the name, differing in case or not, is reused (E56); else it is created (Z14, W12)."""

    def own_addresses(self) -> tuple[str, ...]:
        """Primary address and verified send-as aliases, in their exact form (E14)."""

    def watch(self, topic: str) -> Watch:
        """Register for push. Stops and registers anew when another topic is active."""

    def stop_watch(self) -> None:
        """End the push registration; no error when there is none."""

    def revoke(self) -> None:
        """End the grant at the provider, best effort when it is already gone (D12)."""


class Gmail(Protocol):
    """The way into mailboxes."""

    def open(self, grant: Grant) -> Mailbox: ...


class Queue(Protocol):
    """The hint that there is work: dirty marks and locks per mailbox (W1). Nothing here is the truth (W13)."""

    def mark_dirty(self, mailbox_id: int) -> int:
        """Raise the mailbox's generation; returns the new one. 1 means it was clean."""

    def generation(self, mailbox_id: int) -> int:
        """0 when clean."""

    def clear_if(self, mailbox_id: int, generation: int) -> bool:
        """Clean again if no push came since; False when one did."""

    def stalled(self, older_than_seconds: float, limit: int) -> Collection[int]:
        """Dirty, unlocked mailboxes whose catch_up was last asked for longer ago; asking counts from now."""

    def lock(self, name: str, seconds: float) -> "Lock": ...


class Lock(Protocol):
    """A token-checked lock: released only by its holder, given up by itself after its seconds."""

    def __enter__(self) -> bool:
        """True when taken, False when somebody else holds it."""

    def __exit__(self, *error: object) -> None: ...
