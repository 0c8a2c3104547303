"""The way into mailboxes, capability by capability. The contract stands here; adapters need not repeat it.

Every call may raise TryAgain (the provider limits or is away; `after` is its own wish), GiveUp (refused for good, by
the provider's own word) and AccessRevoked (the grant is gone). A call that takes several messages never fails for one
message's sake: that one's entry holds the error. Ids are the provider's, opaque, and good in this mailbox alone.
"""

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
    """What a job cost at the provider so far."""

    @property
    def units(self) -> int:
        """Quota units, by the cost table of the settings."""

    @property
    def requests(self) -> int:
        """HTTP requests; a batch is one."""


class Account(Protocol):
    """Whose mailbox it is, by which grant we are in it, and what that costs."""

    @property
    def spent(self) -> Spent:
        """What this session cost since it was opened."""

    @property
    def grant(self) -> Grant:
        """The grant as it is now: refreshed access tokens included, for the caller to keep."""

    def hold(self, every: float, extend: Callable[[], object]) -> None:
        """While a call is out, another thread calls `extend` every so many seconds. No call is out for ever: after
        ten times the longest silence, trickled answers included, its line is cut, which is TryAgain."""

    def charge(self, account: Callable[[int], object]) -> None:
        """`account` is called with the units of each request, as soon as they are spent."""

    def address(self) -> str:
        """The account's address, in its exact form. Gmail: getProfile. Graph: `mail` of /me."""

    def own_addresses(self) -> Mapping[str, str]:
        """Primary address first, then aliases but those that are known as not verified, in their exact form (E14),
        each with the name that its owner shows beside it, "" where there is none. Gmail: sendAs. Graph: the smtp
        entries of proxyAddresses; personal accounts have none."""

    def revoke(self) -> None:
        """End the grant at the provider, best effort when it is already gone (D12). Gmail: /revoke. Graph has no such
        call: nothing is asked."""


class ChangeFeed(Protocol):
    """What happened in a mailbox since we last looked."""

    def cursor_now(self) -> str:
        """Where the mailbox stands now: opaque text, which its provider alone reads. Gmail: getProfile's historyId.
        Graph: the moment of asking."""

    def position(self, cursor: str) -> int:
        """How far a cursor reaches, on the scale of `Change.position`: one that is no lower covers all that the other
        does. Asks nobody. Gmail: the history id. Graph: the time within the cursor."""

    def changes_since(self, cursor: str) -> Iterator[HistoryPage]:
        """Pages of changes, oldest first. A change may come twice, a late one after younger ones (E108); the cursor
        of a page covers all on it and before. Raises CursorExpired when only a list will do (E84). Gmail:
        history.list, 2 units a page. Graph: a list by receivedDateTime and the inbox's delta."""

    def listed_since(self, moment: datetime) -> Iterator[tuple[str, ...]]:
        """Ids of all mail received since, in whole seconds, put-away mail left out, a page at a time. Gmail: list by
        `after:`. Graph: list by receivedDateTime."""

    def listed_between(self, first: datetime, last: datetime) -> Iterator[tuple[str, ...]]:
        """Ids of what was received from the first moment on and before the last, a page at a time: neither put away,
        nor a draft, nor a chat. Whole seconds only: those that lie within."""


class MailReader(Protocol):
    """Mail by its id."""

    def fetch(self, message_ids: Sequence[str]) -> Mapping[str, Fetched | TryAgain | GiveUp | None]:
        """One request for at most 25 messages, headers and structure only (D2); None where there is no such message.
        Gmail: batched get, 20 units a message. Graph: $batch, 20 parts a request."""

    def letter(self, message_id: str) -> MailContent | TryAgain | GiveUp | None:
        """One mail whole, None when there is no such message."""

    def attachment(self, message_id: str, attachment_id: str) -> bytes | None:
        """What an attachment holds, None when there is no such message or attachment."""


class MailSearch(Protocol):
    """Mail by what is sought, to be shown to a person and kept nowhere (Z1, Z17)."""

    def searches(self, sought: MailQuery) -> tuple[MailQuery, ...]:
        """The same as several searches where one would be longer than the provider takes. Asks nobody; a mail may be
        found by more than one of them."""

    def found(self, sought: MailQuery, page: str | None) -> tuple[tuple[str, ...], str | None]:
        """Ids of mail, newest first, a page at a time: more than what is sought, as far as the provider's search is
        fuzzy (Z17). The token leads to the next page, None after the last. A page may be empty and not the last."""

    def previews(self, message_ids: Sequence[str]) -> Mapping[str, MailContent | TryAgain | GiveUp | None]:
        """One request for at most 25 messages, to be shown in a list; None where there is no such message."""


class LabelEditor(Protocol):
    """The three CRM labels (Z14). Gmail alone has labels in this sense."""

    def labelled(self, label_id: str, sender: str) -> Mapping[str, str]:
        """Mail of this sender under the label, as thread ids by message id; put-away mail left out. Nothing where the
        mailbox has the label no more."""

    def labels_of(self, message_ids: Sequence[str]) -> Mapping[str, Place | TryAgain | GiveUp | None]:
        """The labels the messages carry now and their threads, None where there is no such message."""

    def change_labels(
        self, changes: Mapping[str, LabelChange]
    ) -> Mapping[str, TryAgain | GiveUp | LookupError | None]:
        """Change many messages, at the lower price for each distinct change.

        None means done. LookupError means that the mailbox does not know the message.
        Raises LabelUnknown when it does not know one of the labels (W12).
        """

    def change_in_threads(
        self, changes: Mapping[str, LabelChange]
    ) -> Mapping[str, str | TryAgain | GiveUp | LookupError]:
        """The same one by one; the answer names the message's thread."""

    def ensure_labels(
        self, names: Mapping[Category, str], known: Mapping[Category, str]
    ) -> Mapping[Category, str]:
        """Ids of the CRM labels: a known id that still exists is kept whatever its name is now (E54); else
        a label of the name, differing in case or not, is reused (E56); else it is created (Z14, W12).
        Raises LabelRefused when no more labels are made, LabelConflict when none is made of a name that is not
        shown (E67)."""


class Drafts(Protocol):
    """Mail that is sent once, through a draft that can be looked at (Z16, I2)."""

    def create_draft(self, raw: bytes, thread_id: str | None, progress: Callable[[int, int], None]) -> str:
        """Write a draft, once; returns its id. `progress` is told of bytes sent and bytes in all. Raises Unanswered
        when nobody can tell whether it is there now."""

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


class PushSubscription(Protocol):
    """The provider's promise to tell us that something has changed."""

    def watch(self, topic: str) -> Watch:
        """Start or renew it; where another target is active it is stopped first. Gmail: users.watch, a week at most.
        Graph: a subscription, a week at most. Raises NoPush where the provider cannot push to the target."""

    def unwatched(self, trouble: str) -> Unwatched:
        """Where history stands now, for a mailbox that is not watched; 1 unit."""

    def stop_watch(self) -> None:
        """End it; no error when there is none."""


class Mailbox(Account, ChangeFeed, MailReader, MailSearch, LabelEditor, Drafts, PushSubscription, Protocol):
    """One account, entered with one connection's grant: all that its provider can do. For one thread at a time."""


class Gmail(Protocol):
    """The way into mailboxes."""

    def open(self, grant: Grant) -> Mailbox:
        """A session with this grant. Cheap: nothing is asked before the first call."""


class SignInPage(Protocol):
    """The provider's own page, on which a user signs in and grants access: no password ever reaches us (Z8)."""

    def url(self, sign_in: SignIn, state: str, account: str | None) -> str:
        """Where the user goes; `account` is suggested there."""

    def exchange(self, sign_in: SignIn, code: str) -> Grant:
        """The grant for the code that the user was sent back with; its scopes are those that were granted.

        Raises AccessRevoked for a code that is no longer good, GiveUp when we are refused, TryAgain.
        """
