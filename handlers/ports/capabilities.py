"""What a mailbox can do, capability by capability. The contract stands here; adapters need not repeat it.

Every call may raise TryAgain (the provider limits or is away; `after` is its own wish), GiveUp (refused for good, by
the provider's own word) and AccessRevoked (the grant is gone). GrantRefused is a TryAgain that the operator alone can
end. No call is made again by itself, except with a new access token in place of one that is too old.

A call that takes several messages never fails for one message's sake: that one's entry holds the error. Where a limit
or an outage stops the whole mailbox, each message without an answer has that TryAgain for an entry (`whole_mailbox`),
and no more of them are asked for. GiveUp and AccessRevoked that are the whole mailbox's are raised. Ids are the
provider's, opaque, and good in this mailbox alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.crm.categories import Category
from domain.errors import GiveUp, TryAgain
from domain.mail.composition import EncodedMail
from domain.mail.content import FoundPage, MailContent, MailQuery
from domain.mail.messages import Fetched
from domain.mailboxes.accounts import Grant
from domain.mailboxes.history import HistoryPage
from domain.mailboxes.watches import Unwatched, Watch
from domain.outbox import Draft, Sent
from domain.sorting.label_changes import LabelChange, LabelledMail


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

    def refresh(self) -> None:
        """Have the provider renew the grant, however good it still is: `grant` then says what it lets us do now.
        Of a grant that is never renewed nothing is asked. Gmail, Graph: /token."""

    def revoke(self) -> None:
        """End the grant at the provider, best effort when it is already gone (D12); a delegated one ends with its
        administrator alone. Gmail: /revoke. Graph has no such call: nothing is asked."""


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
        of a page covers all on it and before, and a page may be empty. Of several moves of one message since the last
        walk only the last may be told, and a move into the Inbox from anywhere as its coming back. Raises CursorExpired
        when only a list will do (E84), at some mailboxes also for a cursor just got. Gmail: history.list, 2 units a
        page; Spam, Trash and Drafts are labels there. Graph: a list by receivedDateTime tells what arrived, the inbox's
        delta what came back; of what was removed a GET says whether it is gone."""

    def listed_since(self, moment: datetime) -> Iterator[tuple[str, ...]]:
        """Ids of all mail received from that whole second on, a page at a time, in no stated order: what the owner
        wrote is among them, put-away mail is not. A page may be empty. Gmail: list by `after:`. Graph: list by
        receivedDateTime."""

    def listed_between(self, first: datetime, last: datetime) -> Iterator[tuple[str, ...]]:
        """Ids of what was received from the first moment on and before the last, a page at a time: neither put away,
        nor a draft, nor a chat. Whole seconds only: those that lie within. Gmail: list by `after:` and `before:`.
        Graph: list by receivedDateTime."""


class MailReader(Protocol):
    """Mail by its id."""

    def headers(self, message_ids: Sequence[str]) -> Mapping[str, Fetched | TryAgain | GiveUp | None]:
        """Headers and structure only (D2), in the order of the ids, each asked for once; None where there is no such
        message. As many share a request as the provider takes: it is given any number. Gmail: batched get, 25 a
        request, 20 units a message. Graph: $batch, 20 a request."""

    def previews(self, message_ids: Sequence[str]) -> Mapping[str, MailContent | TryAgain | GiveUp | None]:
        """The same with the beginning of the text and the names of attachments, to be shown in a list (Z25)."""

    def contents(self, message_ids: Sequence[str]) -> Mapping[str, MailContent | TryAgain | GiveUp | None]:
        """Whole mails, as `headers` gives them and at the price of that: header, structure and the texts that are read
        in their place; of files the name, the size and an id. Where the answer for several would not fit into memory
        each is asked for by itself, which is paid again. Gmail: as `headers`. Graph: as `content`, 20 a request."""

    def content(self, message_id: str) -> MailContent | TryAgain | GiveUp | None:
        """One mail whole, None when there is no such message, or none can have this id. Trouble of this mail is
        returned, that of the whole mailbox raised or returned as for several. Gmail: messages.get, 20 units. Graph: GET
        a message with its body and its list of attachments."""

    def attachment(self, message_id: str, attachment_id: str) -> bytes | None:
        """What an attachment holds, None when there is no such message. An id that is none of this message's
        attachments gives None or GiveUp; it may be another one each time that the mail is read. Gmail: attachments.get.
        Graph: the attachment's /$value."""

    def thread(self, thread_id: str) -> tuple[str, ...]:
        """Ids of the mails that the provider has in one thread, in no stated order: neither put away, nor a draft, nor
        a chat. None of them where there is no such thread, or none can have this id. Gmail: threads.get, 40 units,
        for messages.list knows no threads. Graph: a list by conversationId."""


class MailSearch(Protocol):
    """Mail by what is searched for, to be shown to a person and kept nowhere (Z1, Z17)."""

    def split(self, query: MailQuery) -> tuple[MailQuery, ...]:
        """The same as several queries where one would be longer than the provider takes. Asks nothing of the provider.
        A mail may be found by more than one of them. Gmail: 6,000 characters each. Graph: one query an address."""

    def find(self, query: MailQuery, page: str | None) -> FoundPage:
        """A page of what is found, newest first; `page` is the token of an earlier page, None for the first one. It may
        hold more than what was searched for, as far as the provider's search is fuzzy (Z17), and it may be empty and
        not the last. Gmail: messages.list, 5 units a page. Graph: a list by $search."""


class LabelEditor(Protocol):
    """The three CRM labels (Z14). Gmail alone has labels in this sense."""

    def under(self, label_id: str, sender: str) -> Mapping[str, str]:
        """Mail of this sender under the label, as thread ids by message id; put-away mail left out. Nothing where the
        mailbox has the label no more. 5 units a page of 500."""

    def look(self, message_ids: Sequence[str]) -> Mapping[str, LabelledMail | TryAgain | GiveUp | None]:
        """The messages as the mailbox shows them now, None where there is no such message. 20 units a message."""

    def change(
        self, changes: Mapping[str, LabelChange]
    ) -> Mapping[str, TryAgain | GiveUp | LookupError | None]:
        """Change many messages, at the lower price for each distinct change. A repetition does no harm.

        None means done, or, where many are changed together, that a message which is gone or a draft was passed over.
        LookupError means that the mailbox does not know the message. Raises LabelUnknown when it does not know one of
        the labels (W12). 5 units a message, 50 for up to a thousand that are changed alike.
        """

    def change_in_threads(
        self, changes: Mapping[str, LabelChange]
    ) -> Mapping[str, str | TryAgain | GiveUp | LookupError]:
        """The same one by one, 5 units a message; the answer names the message's thread."""

    def ensure(self, names: Mapping[Category, str], known: Mapping[Category, str]) -> Mapping[Category, str]:
        """Ids of the CRM labels: a known id that still exists is kept whatever its name is now (E54); else
        a label of the name, differing in case or not, is reused (E56); else it is created (Z14, W12).
        Raises LabelRefused when none of this name is made, or no more at all; LabelConflict when the provider says
        that one of the name is there and shows none (E67)."""


class Drafts(Protocol):
    """Mail that is sent once, through a draft that can be looked at (Z16, I2). No call is repeated by itself."""

    def create(self, mail: EncodedMail, progress: Callable[[int, int], None]) -> Draft:
        """Write a draft, once, of what `MailProvider.encode` has made. An answer lies in the thread of the mail that it
        replies to. `progress` is told of bytes sent and bytes in all.

        Raises Unanswered when it cannot be known whether the draft is there now. Gmail: an upload. Graph: createReply
        or a new message; then its files.
        """

    def send(self, draft_id: str) -> Sent:
        """Send a draft, once; the sent mail has another id, and perhaps a Message-ID of the provider's own. LookupError
        where there is no such draft; raises Unanswered when it cannot be known whether it was sent, GiveUp with the
        reason SENDING_LIMIT beyond the provider's own limit of mails (D15). Gmail: drafts.send. Graph: /send, done
        before the mail can be found."""

    def exists(self, draft_id: str) -> bool:
        """Whether the draft is still there, so that it was not sent."""

    def delete(self, draft_id: str) -> None:
        """No error when it is gone."""

    def find(self, key: str, since: datetime) -> str | None:
        """The id of the draft with this key, among those written since. None when there is none."""

    def find_sent(self, key: str, since: datetime) -> str | None:
        """The message id of the mail with this key, among those sent since, in whatever folder it lies now. None when
        there is none; it may show some seconds after it was sent. Gmail: a list of sent mail, then their headers.
        Graph: a filter by the extended property."""


class PushSubscription(Protocol):
    """The provider's promise to tell us that something has changed."""

    def watch(self, target: str) -> Watch:
        """Start or renew it; where another target is active it is stopped first. Raises NoPush where the provider
        cannot push to the target: another one may be stopped by then or still be active. A provider that cannot push
        at all always raises it. `Provider.no_push` has a text for each of its reasons. Gmail: users.watch, a week at
        most. Graph: a subscription, a week at most."""

    def unwatched(self, trouble: str) -> Unwatched:
        """Where a mailbox begins that gets no pushes for this `trouble`: where it stands now, and the provider's time.
        Gmail: getProfile, 1 unit. Graph: any answer's Date."""

    def stop_watch(self) -> None:
        """End it; no error when there is none. Gmail: users.stop. Graph: DELETE of our subscription."""


class Mailbox(Account, ChangeFeed, MailReader, PushSubscription, Protocol):
    """One account, entered with one connection's grant: all that its provider can do. For one thread at a time."""

    @property
    def search(self) -> MailSearch | None:
        """Searching its mail; None where the provider has no search."""

    @property
    def labels(self) -> LabelEditor | None:
        """Its labels; None where the provider has none, so that its mailboxes cannot be sorted."""

    @property
    def drafts(self) -> Drafts:
        """Sending from it."""
