"""Mailboxes during one view: each opened once, several at a time, and what that has cost."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import structlog

from domain.errors import AccessRevoked, GiveUp, Refused, TryAgain
from handlers.context import Context
from handlers.live_view.views import PAUSED, SIGN_IN_NEEDED, VisibleMailbox
from handlers.ports.capabilities import Mailbox
from handlers.sessions import with_mailbox

T = TypeVar("T")
log = structlog.get_logger()

_THREADS = ThreadPoolExecutor(8, thread_name_prefix="live")
"""All views share them, and with them their lines to the provider."""


@dataclass(slots=True)
class MailboxSession:
    """One mailbox during one view: opened once, with the first grant that works (W15). For one thread at a time.

    `trouble` is why nothing more comes from it, in the provider's word or ours; other mailboxes go on. `failed` counts
    single mails that the provider did not give.
    """

    mailbox: VisibleMailbox
    context: Context
    trouble: str | None = None
    failed: int = 0
    _opened: Mailbox | None = None

    def __post_init__(self) -> None:
        self.trouble = self.mailbox.trouble

    def ask(self, action: Callable[[Mailbox], T]) -> T | None:
        """What the action returns, None when there is trouble."""
        if self.trouble is not None:
            return None
        try:
            answer = self._answer(action)
        except (TryAgain, GiveUp) as error:
            self.trouble = error.reason
            return None
        except AccessRevoked:
            self.trouble = SIGN_IN_NEEDED
            return None
        if answer is None:
            self.trouble = SIGN_IN_NEEDED
            return None
        return answer[0]

    def _answer(self, action: Callable[[Mailbox], T]) -> tuple[T] | None:
        def run(mailbox: Mailbox) -> tuple[T]:
            self._opened = mailbox
            return (action(mailbox),)

        if self._opened:
            return run(self._opened)
        return with_mailbox(self.mailbox.connections, self.context, run)

    def error(self) -> Exception:
        """The trouble, for a caller who cannot do without this mailbox."""
        if self.trouble == SIGN_IN_NEEDED:
            return AccessRevoked(SIGN_IN_NEEDED)
        if self.trouble == PAUSED:
            return Refused("the mailbox is paused: `lodestone resume` ends that")
        return TryAgain(self.trouble or "unknown")

    @property
    def units(self) -> int:
        """Spent so far."""
        return self._opened.spent.units if self._opened else 0

    @property
    def requests(self) -> int:
        """Made so far."""
        return self._opened.spent.requests if self._opened else 0


def at_once(actions: Sequence[Callable[[], T]]) -> list[T]:
    """Done in parallel, because each is the network; one alone needs no other thread."""
    if len(actions) == 1:
        return [actions[0]()]
    return [running.result() for running in [_THREADS.submit(action) for action in actions]]


def log_view(user_id: str, contact_id: str | None, sessions: Sequence[MailboxSession], began: float) -> None:
    """Say who has looked where, and what it cost; `began` is by time.monotonic."""
    log.info(
        "mail.shown",
        user_id=user_id,
        contact_id=contact_id,
        mailbox_ids=[session.mailbox.id for session in sessions],
        units=sum(session.units for session in sessions),
        requests=sum(session.requests for session in sessions),
        milliseconds=round((time.monotonic() - began) * 1000),
    )
