"""Conversations as their readers find them: which are asked for, and what a list shows of each (H41, H52)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

_TOKEN = re.compile(r"(\d{1,15})\.([\x21-\x7e]{1,128})", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Choice(StrEnum):
    """Which conversations a reader asks for.

    `MINE`: of contacts that are assigned to him, and those that came through his mailbox. `NEW`: with a mail that is
    new for him (H52). `FAILED`: with a sent mail that failed or was not delivered (H40, H41).
    """

    ALL = "all"
    MINE = "mine"
    NEW = "new"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Where a page of a list ended: the last mail of its last conversation, and that one's id."""

    last_mail_at: datetime
    conversation_id: str

    def token(self) -> str:
        """Opaque text for the caller to bring back."""
        return f"{(self.last_mail_at - _EPOCH) // timedelta(milliseconds=1)}.{self.conversation_id}"


def read_bookmark(token: str) -> Bookmark:
    """The bookmark of a token. Raises ValueError for a text that no page has given out."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise ValueError("no token")
    try:
        return Bookmark(_EPOCH + timedelta(milliseconds=int(found[1])), found[2])
    except OverflowError:
        raise ValueError("no token") from None


@dataclass(frozen=True, slots=True)
class ListedConversation:
    """A conversation in a list. `contact_id` is the record that owns it now, after merges. `author`, `direction` and
    `preview` are the newest mail's. `new_mails` counts those that are new for the reader, `failed_mails` those sent
    from the CRM that failed or were not delivered."""

    id: str
    contact_id: str
    contact_name: str
    state: str
    subject: str
    author: str
    direction: str
    preview: str
    mails: int
    new_mails: int
    failed_mails: int
    started_at: datetime
    last_mail_at: datetime

    @property
    def bookmark(self) -> Bookmark:
        """The next page begins after it."""
        return Bookmark(self.last_mail_at, self.id)
