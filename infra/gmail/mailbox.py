"""One Gmail account, entered with one connection's grant: the port `Mailbox`."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any
from urllib.parse import urlencode, urlsplit

from domain.errors import GiveUp, NoPush, TryAgain
from domain.mail.addresses import canonical
from domain.mail.content import MailContent
from domain.mail.messages import Fetched
from domain.mailboxes.accounts import Grant
from domain.mailboxes.history import HistoryPage
from domain.mailboxes.watches import Unwatched, Watch
from infra.gmail import changes, content, responses
from infra.gmail.api import GOOGLE, ME, Api
from infra.gmail.client import Answer, Calls
from infra.gmail.costs import REVOKE, Spent
from infra.gmail.delegation import ServiceAccount
from infra.gmail.drafts import GmailDrafts
from infra.gmail.errors import ODD_ANSWER, PUSH_TAKEN
from infra.gmail.grants import GoogleGrant
from infra.gmail.labels import GmailLabels
from infra.gmail.pushes import NO_PUSH
from infra.gmail.responses import each, from_epoch, refusing, sense
from infra.gmail.search import GmailSearch
from infra.gmail.timer import Held
from infra.gmail.transport import FORM, Access, Lines, Meter, remote

_ID = re.compile(r"[0-9A-Fa-f]{1,32}")
GOOGLE_REVOKE = "https://oauth2.googleapis.com/revoke"


class GmailMailbox:
    """Cheap to open; for one thread at a time. Nothing is sent before the first call."""

    def __init__(
        self,
        grant: Grant,
        api: Api,
        lines: Lines,
        costs: Mapping[str, int],
        service_account: ServiceAccount | None = None,
    ) -> None:
        self._api = api
        self._spent = Spent()
        self._meter = Meter(lines, self._spent)
        self._given = grant
        self._read = GoogleGrant.read(grant)
        self._access = Access(self._read, self._meter, service_account)
        self._calls = Calls(api, self._meter, self._access, costs)
        self.search = GmailSearch(self._calls)
        self.labels = GmailLabels(self._calls)
        self.drafts = GmailDrafts(self._calls)

    @property
    def spent(self) -> Spent:
        """What this mailbox cost since it was opened."""
        return self._spent

    @property
    def grant(self) -> Grant:
        """The grant as it is now: refreshed access tokens included."""
        now = self._access.grant
        return self._given if now == self._read else now.written()

    def hold(self, every: float, extend: Callable[[], object]) -> None:
        """While a call is out the process's one timer extends what is held."""
        self._meter.held = Held(every, extend)

    def charge(self, account: Callable[[int], object]) -> None:
        """Whoever counts is told of units as they are spent."""
        self._meter.charge = account

    def cursor_now(self) -> str:
        """Where history stands now."""
        answer = self._profile("historyId")
        with sense():
            return str(int(answer["historyId"]))

    def address(self) -> str:
        """The account's address, in its exact form."""
        answer = self._profile("emailAddress")
        with sense():
            address = canonical(answer["emailAddress"])
        if address is None:
            raise TryAgain(ODD_ANSWER)
        return address

    def _profile(self, field: str) -> Answer:
        return self._ask(self._api.users.getProfile(userId=ME, fields=field))

    def changes_since(self, cursor: str) -> Iterator[HistoryPage]:
        """Oldest first, one request a page."""
        return changes.pages(self._calls, cursor)

    def position(self, cursor: str) -> int:
        """A history id is a number."""
        return changes.position(cursor)

    def listed_since(self, moment: datetime) -> Iterator[tuple[str, ...]]:
        """Ids of what was received since, whole seconds, Spam and Trash left out."""
        since = f"after:{int(moment.timestamp())}"
        for messages in responses.listed(self._calls, q=since):
            yield tuple(messages)

    def listed_between(self, first: datetime, last: datetime) -> Iterator[tuple[str, ...]]:
        """Gmail knows whole seconds only: those that lie within."""
        span = f"after:{ceil(first.timestamp())} before:{int(last.timestamp())}"
        for messages in responses.listed(self._calls, q=f"{span} -in:drafts -in:chats"):
            yield tuple(messages)

    def headers(self, message_ids: Sequence[str]) -> dict[str, Fetched | TryAgain | GiveUp | None]:
        """Headers and structure."""
        return each(self._calls, message_ids, self._api.get_full, responses.fetched)

    def previews(self, message_ids: Sequence[str]) -> dict[str, MailContent | TryAgain | GiveUp | None]:
        """Headers and snippet."""
        return self._contents(message_ids, content.PREVIEW)

    def contents(self, message_ids: Sequence[str]) -> dict[str, MailContent | TryAgain | GiveUp | None]:
        """Headers, structure and texts."""
        return self._contents(message_ids, content.WHOLE)

    def content(self, message_id: str) -> MailContent | TryAgain | GiveUp | None:
        """One mail with its texts. Gmail calls what is no id of its own an invalid argument, so it is not asked."""
        if not _ID.fullmatch(message_id):
            return None
        return self._contents([message_id], content.WHOLE)[message_id]

    def _contents(
        self, message_ids: Sequence[str], fields: str
    ) -> dict[str, MailContent | TryAgain | GiveUp | None]:
        return each(self._calls, message_ids, lambda i: self._api.get_content(i, fields), content.content)

    def attachment(self, message_id: str, attachment_id: str) -> bytes | None:
        """What the part holds."""
        return content.attachment(self._calls, message_id, attachment_id)

    def thread(self, thread_id: str) -> tuple[str, ...]:
        """By threads.get, which tells the labels along: Spam, Trash and drafts are in it."""
        return responses.thread(self._calls, thread_id) if _ID.fullmatch(thread_id) else ()

    def own_addresses(self) -> dict[str, str]:
        """The primary address first, and every other that Google knows as verified, in their exact form (E14).

        Of the primary and of aliases of its domain Google says nothing about that: nobody else could have them.
        Where somebody has set no name, it says nothing of one either.
        """
        mask = "sendAs(sendAsEmail,displayName,isPrimary,verificationStatus)"
        answer = self._ask(self._api.send_as.list(userId=ME, fields=mask))
        found: dict[str, str] = {}
        with sense():
            aliases = sorted(answer["sendAs"], key=lambda alias: not alias.get("isPrimary"))
            if not aliases[0].get("isPrimary") or canonical(aliases[0]["sendAsEmail"]) is None:
                raise TryAgain(ODD_ANSWER)
            for alias in aliases:
                address = canonical(alias["sendAsEmail"])
                if address and alias.get("verificationStatus") in (None, "accepted"):
                    found.setdefault(address, str(alias.get("displayName") or ""))
        return found

    def watch(self, target: str) -> Watch:
        """For every label: replies do not inherit them (FACTS §1)."""
        request = self._api.users.watch(userId=ME, body={"topicName": target})
        try:
            answer = self._watched(request)
        except GiveUp as error:
            if error.reason != PUSH_TAKEN:
                raise
            self.stop_watch()
            answer = self._watched(request)
        answered_at = self._answered_at()
        with sense():
            return Watch(str(int(answer["historyId"])), from_epoch(answer["expiration"]), answered_at)

    def _watched(self, request: Any) -> Answer:
        try:
            return self._ask(request)
        except GiveUp as error:
            if error.reason in NO_PUSH:
                raise NoPush(error.reason) from None
            raise

    def unwatched(self, trouble: str) -> Unwatched:
        """By getProfile."""
        return Unwatched(self.cursor_now(), self._answered_at(), trouble)

    def _answered_at(self) -> datetime:
        if self._meter.answered_at is None:
            raise TryAgain(ODD_ANSWER)
        return self._meter.answered_at

    def stop_watch(self) -> None:
        """Google answers the same whether there was one or not."""
        self._ask(self._api.users.stop(userId=ME))

    def refresh(self) -> None:
        """By a new access token."""
        self._access.refresh(None)

    def revoke(self) -> None:
        """Google answers 400 invalid_token for a grant that is already gone. A service account's ends nowhere
        but with the administrator."""
        if self._read.subject is not None:
            return
        body = urlencode({"token": self._access.grant.refresh_token})
        response, _ = remote(REVOKE, lambda: self._meter.post(self._revoke_uri(), body=body, headers=FORM))
        if response.status not in (200, 400):
            raise TryAgain(f"revoke_http_{response.status}")

    def _revoke_uri(self) -> str:
        if self._api.root == GOOGLE:
            return GOOGLE_REVOKE
        place = urlsplit(self._read.token_uri)
        return f"{place.scheme}://{place.netloc}/revoke"

    def _ask(self, request: Any) -> Answer:
        with refusing():
            return self._calls.one(request)
