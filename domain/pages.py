"""Paging through mail that is kept nowhere: where a page of the live view ended (Z17)."""

import base64
import binascii
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from domain.ids import MailboxId

MAX_TOKEN: Final = 100_000
_LAST_SECOND: Final = 1 << 40
_MAX_ID: Final = 128


@dataclass(frozen=True, slots=True)
class PageCursor:
    """Where a page of several mailboxes' mail ended. All mail received after the second `second` has been shown; of
    that second itself the mails `shown`, each as mailbox and message id.

    It is one for all mailboxes, so it holds when one of them fails.
    """

    second: int
    shown: frozenset[tuple[MailboxId, str]]

    def shown_in(self, mailbox_id: MailboxId) -> frozenset[str]:
        """Message ids of this mailbox's mail of that second."""
        return frozenset(message_id for shown_in, message_id in self.shown if shown_in == mailbox_id)

    def token(self) -> str:
        """Opaque text for the caller to bring back."""
        by_mailbox: dict[MailboxId, list[str]] = {}
        for mailbox_id, message_id in sorted(self.shown):
            by_mailbox.setdefault(mailbox_id, []).append(message_id)
        content = json.dumps([self.second, *([key, *ids] for key, ids in by_mailbox.items())])
        return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def read_cursor(token: str) -> PageCursor:
    """The cursor of a token. Raises ValueError for a text that no page has given out."""
    if len(token) > MAX_TOKEN or not token.isascii():
        raise ValueError("no token")
    try:
        content = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        second, *rows = json.loads(content)
        shown = frozenset((MailboxId(int(key)), message_id) for key, *ids in rows for message_id in _ids(ids))
    except (binascii.Error, TypeError, ValueError, RecursionError):
        raise ValueError("no token") from None
    if type(second) is not int or not 0 <= second < _LAST_SECOND:
        raise ValueError("no token")
    return PageCursor(second, shown)


def _ids(values: Iterable[object]) -> Iterable[str]:
    for value in values:
        if not isinstance(value, str) or not 0 < len(value) <= _MAX_ID:
            raise ValueError("no id")
        yield value
