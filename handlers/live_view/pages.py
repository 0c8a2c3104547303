"""The mail of several mailboxes as one page, newest first, for as few of the provider's units as that takes (Z17)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from domain.pages import PageCursor
from handlers.live_view.mailbox_mail import MailboxMail, VisibleMail
from handlers.live_view.sessions import MailboxSession, at_once

_MOST_HIDDEN = 75
"""Mails of a mailbox beyond the page's own that are fetched and then not shown, before the page ends early."""


@dataclass(frozen=True, slots=True)
class AskedMailbox:
    """A mailbox that was asked for the page. `trouble`: why it has given nothing more; `failed`: how many single mails
    it did not give."""

    address: str
    trouble: str | None
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """Mail, newest first, and the mailboxes that were asked for it. `next_page` is where the next page begins, None
    after the last mail."""

    mails: tuple[VisibleMail, ...] = field(repr=False)
    mailboxes: tuple[AskedMailbox, ...]
    next_page: PageCursor | None
    units: int
    requests: int


def merge(mailboxes: Sequence[MailboxMail], limit: int, start: PageCursor | None = None) -> Page:
    """The newest `limit` mails from `start` on.

    A mailbox is read on only while it may hold newer mail than the newest that is ready. Where much is fetched that
    may not be shown, the page ends before it is full, so that no page costs without bound.
    """
    most = limit + _MOST_HIDDEN
    mails: list[VisibleMail] = []
    while len(mails) < limit:
        first = max((one for one in mailboxes if one.ready), key=lambda one: one.ready[0].order, default=None)
        newest = first.ready[0] if first else None
        behind = [one for one in mailboxes if one.may_hold_newer(newest)]
        if any(one.requested >= most for one in behind):
            break
        if behind:
            at_once([partial(one.read, limit - len(mails), newest) for one in behind])
        elif first is None:
            break
        else:
            mails.append(first.ready.popleft())
    sessions = [one.session for one in mailboxes]
    return Page(
        tuple(mails),
        tuple(map(_asked, sessions)),
        _next_page(mailboxes, mails if len(mails) == limit else [], start),
        sum(session.units for session in sessions),
        sum(session.requests for session in sessions),
    )


def _asked(session: MailboxSession) -> AskedMailbox:
    return AskedMailbox(session.mailbox.address, session.trouble, session.failed)


def _next_page(
    mailboxes: Sequence[MailboxMail], full_page: Sequence[VisibleMail], start: PageCursor | None
) -> PageCursor | None:
    """After the last mail of a full page; else, where much was hidden, after what was fetched last."""
    if all(one.is_exhausted and not one.ready for one in mailboxes):
        return None
    reached = [one.reached for one in mailboxes if not one.is_exhausted and one.reached]
    end = full_page[-1].content.received_at if full_page else max(reached, default=None)
    if end is None:
        return None
    second = int(end.timestamp())
    shown = set(start.shown) if start and start.second == second else set()
    for one in mailboxes:
        shown |= {(one.session.mailbox.id, message_id) for message_id in one.dealt_with(second)}
    return PageCursor(second, frozenset(shown))
