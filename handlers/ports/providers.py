"""The way into mailboxes, and the page on which their owners sign in."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.errors import GiveUp, TryAgain
from domain.mail.content import MailContent, MailQuery
from domain.mail.messages import Fetched
from domain.mailboxes import Grant, HistoryPage, Unwatched, Watch
from domain.sign_ins import SignIn
from domain.sorting import Category, LabelChange, Place


class Spent(Protocol):
    """What a job cost at Gmail so far."""

    @property
    def units(self) -> int:
        """Quota units, by the cost table of the settings."""

    @property
    def requests(self) -> int:
        """HTTP requests; a batch is one."""


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

    def hold(self, every: float, extend: Callable[[], object]) -> None:
        """While a call is out, another thread calls `extend` every so many seconds. No call is out for ever: after
        ten times the longest silence, trickled answers included, its line is cut, which is TryAgain."""

    def charge(self, account: Callable[[int], object]) -> None:
        """`account` is called with the units of each request, as soon as they are spent."""

    def cursor_now(self) -> str:
        """getProfile's historyId: where history stands now."""

    def address(self) -> str:
        """getProfile's emailAddress, in its exact form."""

    def changes_since(self, cursor: str) -> Iterator[HistoryPage]:
        """Oldest first, all pages. Raises CursorExpired when only a re-list will do (E84)."""

    def listed_since(self, moment: datetime) -> Iterator[tuple[str, ...]]:
        """Ids of all mail received since, Spam and Trash left out, a page at a time."""

    def listed_between(self, first: datetime, last: datetime) -> Iterator[tuple[str, ...]]:
        """Ids of what was received from the first moment on and before the last, a page at a time: neither in Spam
        nor in Trash, no draft, no chat."""

    def fetch(self, message_ids: Sequence[str]) -> Mapping[str, Fetched | TryAgain | GiveUp | None]:
        """One batched get for at most 25 messages, headers and structure only; None where Gmail answers 404."""

    def labelled(self, label_id: str, sender: str) -> Mapping[str, str]:
        """Mail of this sender under the label, as thread ids by message id; Spam and Trash left out.

        None where the mailbox has the label no more.
        """

    def searches(self, sought: MailQuery) -> tuple[MailQuery, ...]:
        """The same as several searches where one would be longer than Gmail takes. Asks nobody; a mail may be
        found by more than one of them."""

    def found(self, sought: MailQuery, page: str | None) -> tuple[tuple[str, ...], str | None]:
        """Ids of mail, newest first, a page at a time: more than what is sought, as far as Gmail's search is
        fuzzy (Z17). The token leads to the next page, None after the last."""

    def previews(self, message_ids: Sequence[str]) -> Mapping[str, MailContent | TryAgain | GiveUp | None]:
        """One batched get for at most 25 messages, to be shown in a list; None where Gmail answers 404."""

    def letter(self, message_id: str) -> MailContent | TryAgain | GiveUp | None:
        """One mail whole, None when Gmail does not have it."""

    def attachment(self, message_id: str, attachment_id: str) -> bytes | None:
        """What an attachment holds, None when Gmail does not have it."""

    def labels_of(self, message_ids: Sequence[str]) -> Mapping[str, Place | TryAgain | GiveUp | None]:
        """The labels the messages carry now and their threads (format=minimal), None where Gmail answers 404."""

    def change_labels(
        self, changes: Mapping[str, LabelChange]
    ) -> Mapping[str, TryAgain | GiveUp | LookupError | None]:
        """Change many messages by the cheaper of modify and batchModify for each distinct change.

        None means done. LookupError means that the mailbox does not know the message (404).
        Raises LabelUnknown when it does not know one of the labels (W12).
        """

    def change_in_threads(
        self, changes: Mapping[str, LabelChange]
    ) -> Mapping[str, str | TryAgain | GiveUp | LookupError]:
        """The same by modify alone, whose answer names the message's thread."""

    def ensure_labels(
        self, names: Mapping[Category, str], known: Mapping[Category, str]
    ) -> Mapping[Category, str]:
        """Ids of the CRM labels: a known id that still exists is kept whatever its name is now (E54); else
        a label of the name, differing in case or not, is reused (E56); else it is created (Z14, W12).
        Raises LabelRefused when Gmail makes no more labels, LabelConflict when it makes none of a name that it does
        not show (E67)."""

    def create_draft(self, raw: bytes, thread_id: str | None, progress: Callable[[int, int], None]) -> str:
        """Write a draft, once; returns its id. Raises Unanswered when nobody can tell whether it is there now."""

    def send_draft(self, draft_id: str) -> str:
        """Send a draft, once; returns the sent message's id. LookupError where there is no such draft; raises
        Unanswered when nobody can tell whether it was sent."""

    def has_draft(self, draft_id: str) -> bool:
        """Whether the draft is still there, so that it was not sent."""

    def delete_draft(self, draft_id: str) -> None:
        """No error when it is gone."""

    def draft_with(self, key: str, since: datetime) -> str | None:
        """The draft written since that carries this key in its header."""

    def sent_with(self, key: str, since: datetime) -> str | None:
        """The message sent since that carries this key in its header."""

    def own_addresses(self) -> Mapping[str, str]:
        """Primary address first, then send-as aliases but those that are known as not verified, in their exact form
        (E14), each with the name that its owner shows beside it, "" where there is none."""

    def watch(self, topic: str) -> Watch:
        """Register for push. Stops and registers anew when another topic is active. Raises NoPush where Google cannot
        push to it."""

    def unwatched(self, trouble: str) -> Unwatched:
        """Where history stands now, for a mailbox that is not watched; 1 unit."""

    def stop_watch(self) -> None:
        """End the push registration; no error when there is none."""

    def revoke(self) -> None:
        """End the grant at the provider, best effort when it is already gone (D12)."""


class Gmail(Protocol):
    """The way into mailboxes."""

    def open(self, grant: Grant) -> Mailbox: ...


class SignInPage(Protocol):
    """Google's own page, on which a user signs in and grants access: no password ever reaches us (Z8)."""

    def url(self, sign_in: SignIn, state: str, account: str | None) -> str:
        """Where the user goes; `account` is suggested there."""

    def exchange(self, sign_in: SignIn, code: str) -> Grant:
        """The grant for the code that Google sent the user back with; its scopes are those that were granted.

        Raises AccessRevoked for a code that is no longer good, GiveUp when Google refuses us, TryAgain.
        """
