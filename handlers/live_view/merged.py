"""The mail of several mailboxes as one list, newest first, for as few of Gmail's units as that takes (Z17)."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol, TypeVar

import structlog

from domain.connections import Connection
from domain.errors import AccessRevoked, GiveUp, Refused, TryAgain
from domain.mail.content import MailContent, MailQuery
from domain.mail.messages import Direction
from domain.pages import Place
from domain.sharing import Share
from handlers.context import Context, with_mailbox
from handlers.ports.providers import Mailbox

T = TypeVar("T")
log = structlog.get_logger()
BATCH: Final = 25
SIGN_IN_NEEDED: Final = "sign_in_needed"
PAUSED: Final = "paused"

_MOST_HIDDEN = 75
"""Mails of a mailbox beyond the page's own that are fetched and then not shown, before the page ends early."""

_THREADS = ThreadPoolExecutor(8, thread_name_prefix="live")
"""All views share them, and with them their lines to Gmail."""


@dataclass(frozen=True, slots=True)
class VisibleMailbox:
    """A mailbox that the viewer may look into, and by whose shares. Nobody is asked while there is `trouble`."""

    mailbox_id: int
    address: str
    shares: tuple[Share, ...]
    connections: tuple[Connection, ...]
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class VisibleMail:
    """A mail that the viewer may see, and where it lies. `via_list`: its author was found by E100."""

    mailbox_id: int
    mailbox: str
    direction: Direction
    via_list: bool
    letter: MailContent = field(repr=False)

    @property
    def order(self) -> tuple[datetime, int, str]:
        """Newest first, when it is sorted backwards."""
        return self.letter.received_at, self.mailbox_id, self.letter.message_id


class VisibilityFilter(Protocol):
    """Which of a mailbox's mails the viewer may see."""

    def __call__(self, door: VisibleMailbox, letters: Sequence[MailContent]) -> Sequence[VisibleMail]: ...


@dataclass(slots=True)
class MailboxSession:
    """One mailbox during one view: entered once, with the first grant that works (W15), for one thread at a time.

    `trouble` is why nothing more comes from it, in Google's word or ours; other mailboxes go on. `unread` counts
    single mails that Gmail did not give.
    """

    door: VisibleMailbox
    context: Context
    gmail: Mailbox | None = None
    trouble: str | None = None
    unread: int = 0

    def __post_init__(self) -> None:
        self.trouble = self.door.trouble

    def ask(self, action: Callable[[Mailbox], T]) -> T | None:
        """None when there is trouble."""
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
        def run(gmail: Mailbox) -> tuple[T]:
            self.gmail = gmail
            return (action(gmail),)

        return run(self.gmail) if self.gmail else with_mailbox(self.door.connections, self.context, run)

    def hindrance(self) -> Exception:
        """The trouble, for whoever cannot do without this mailbox."""
        if self.trouble == SIGN_IN_NEEDED:
            return AccessRevoked(SIGN_IN_NEEDED)
        if self.trouble == PAUSED:
            return Refused("the mailbox is paused: `lodestone resume` ends that")
        return TryAgain(self.trouble or "unknown")


@dataclass(slots=True)
class _Search:
    """One of the searches that a mailbox needs. `passed` are the ids that it has given, newest first."""

    sought: MailQuery
    passed: list[str] = field(default_factory=list)
    _ids: deque[str] = field(default_factory=deque)
    _page: str | None = None
    _listed: bool = False

    @property
    def is_over(self) -> bool:
        return self._listed and not self._ids

    def reached(self, times: Mapping[str, datetime]) -> datetime | None:
        """Whatever it gives yet is not newer than this."""
        return min((times[message_id] for message_id in self.passed if message_id in times), default=None)

    def is_behind(self, head: VisibleMail | None, times: Mapping[str, datetime]) -> bool:
        reached = self.reached(times)
        return not self.is_over and (head is None or reached is None or reached > head.letter.received_at)

    def draw(self, gmail: Mailbox, size: int, drawn: set[str]) -> list[str]:
        """The next ids but those that have been drawn: a mail may be found by several searches."""
        fresh: list[str] = []
        while len(fresh) < size and not self.is_over:
            if not self._ids:
                found = gmail.search.find(self.sought, self._page)
                self._page = found.next_page
                self._ids.extend(found.message_ids)
                self._listed = self._page is None
                continue
            message_id = self._ids.popleft()
            self.passed.append(message_id)
            if message_id not in drawn:
                drawn.add(message_id)
                fresh.append(message_id)
        return fresh


@dataclass(slots=True)
class MergedMail:
    """A mailbox's mail, a batch at a time. `waiting` is what has been fetched, may be seen and is not shown yet;
    `looked_at` everything that has been fetched, be it shown or not, `asked_for` how much that was to be."""

    entry: MailboxSession
    sought: MailQuery
    seen: frozenset[str]
    sight: VisibilityFilter
    waiting: deque[VisibleMail] = field(default_factory=deque, repr=False)
    looked_at: dict[str, datetime] = field(default_factory=dict)
    asked_for: int = 0
    _searches: list[_Search] | None = None
    _drawn: set[str] = field(default_factory=set)
    _all_shown: bool = True

    @property
    def is_over(self) -> bool:
        """Nothing more can come."""
        ended = self._searches is not None and all(one.is_over for one in self._searches)
        return self.entry.trouble is not None or ended

    @property
    def reached(self) -> datetime | None:
        """Whatever comes yet is not newer than this."""
        ends = [one.reached(self.looked_at) for one in self._searches or () if not one.is_over]
        known = [end for end in ends if end is not None]
        return max(known) if known and len(known) == len(ends) else None

    def is_behind(self, head: VisibleMail | None) -> bool:
        """Whether mail that it has not sent yet may be newer than `head`, so that it has to be asked first."""
        if self.is_over:
            return False
        return self._searches is None or any(one.is_behind(head, self.looked_at) for one in self._searches)

    def fill(self, wanted: int, head: VisibleMail | None) -> None:
        """The next batch; no more than the page has room for, unless what came was not to be shown."""
        size = min(BATCH, wanted) if self._all_shown else BATCH
        letters = self.entry.ask(lambda gmail: self._next(gmail, size, head)) or ()
        self.looked_at |= {letter.message_id: letter.received_at for letter in letters}
        shown = self.sight(self.entry.door, letters)
        self._all_shown = len(shown) == len(letters)
        self.waiting = deque(sorted([*self.waiting, *shown], key=lambda one: one.order, reverse=True))

    def _next(self, gmail: Mailbox, size: int, head: VisibleMail | None) -> list[MailContent]:
        batch = self._draw(gmail, size, head)
        self.asked_for += len(batch)
        answers = gmail.previews(batch) if batch else {}
        refused = [one for one in answers.values() if isinstance(one, TryAgain | GiveUp)]
        letters = [one for one in answers.values() if isinstance(one, MailContent)]
        if refused and (not letters or any(isinstance(e, TryAgain) and e.whole_mailbox for e in refused)):
            raise refused[0]
        self.entry.unread += len(refused)
        return letters

    def _draw(self, gmail: Mailbox, size: int, head: VisibleMail | None) -> list[str]:
        """From the searches that are behind. Of each only its share of a batch is fetched ahead, so that a mailbox
        with many searches wastes no more than one with one."""
        if self._searches is None:
            self._searches = [_Search(sought) for sought in gmail.search.split(self.sought)]
            self._drawn |= self.seen
        behind = [one for one in self._searches if one.is_behind(head, self.looked_at)]
        share = max(1, min(size // max(1, len(behind)), BATCH // len(self._searches)))
        return [message_id for one in behind for message_id in one.draw(gmail, share, self._drawn)]


def merge(
    feeds: Sequence[MergedMail], limit: int, place: Place | None = None
) -> tuple[list[VisibleMail], Place | None]:
    """At most so many mails after the place, newest first, and where the next page begins; None after the last.

    A mailbox is asked for more only when what it has sent is used up. Where much is fetched that may not be
    shown, the page ends before it is full, so that no page costs without bound.
    """
    most = limit + _MOST_HIDDEN
    shown: list[VisibleMail] = []
    while len(shown) < limit:
        heads = [feed.waiting[0] for feed in feeds if feed.waiting]
        head = max(heads, key=lambda one: one.order, default=None)
        behind = [feed for feed in feeds if feed.is_behind(head)]
        if any(feed.asked_for >= most for feed in behind):
            break
        if behind:
            at_once([_filling(feed, limit - len(shown), head) for feed in behind])
        elif head is None:
            return shown, None
        else:
            shown.append(next(f for f in feeds if f.waiting and f.waiting[0] is head).waiting.popleft())
    if all(feed.is_over and not feed.waiting for feed in feeds):
        return shown, None
    return shown, _end(feeds, shown if len(shown) == limit else [], place)


def tell(
    user_id: str, contact_id: str | None, entries: Sequence[MailboxSession], began: float
) -> tuple[int, int]:
    """Say who has looked where, and what it cost; returns units and requests."""
    spent = [entry.gmail.spent for entry in entries if entry.gmail]
    units, requests = sum(one.units for one in spent), sum(one.requests for one in spent)
    log.info(
        "mail.shown",
        user_id=user_id,
        contact_id=contact_id,
        mailbox_ids=[entry.door.mailbox_id for entry in entries],
        units=units,
        requests=requests,
        milliseconds=round((time.monotonic() - began) * 1000),
    )
    return units, requests


def at_once(actions: Sequence[Callable[[], T]]) -> list[T]:
    """Done in parallel, because each is the network; one alone needs no other thread."""
    if len(actions) == 1:
        return [actions[0]()]
    return [running.result() for running in [_THREADS.submit(action) for action in actions]]


def _filling(feed: MergedMail, wanted: int, head: VisibleMail | None) -> Callable[[], None]:
    return lambda: feed.fill(wanted, head)


def _end(feeds: Sequence[MergedMail], full: Sequence[VisibleMail], place: Place | None) -> Place | None:
    """After the last mail of a full page; else after what was fetched last where most was hidden."""
    ends = [feed.reached for feed in feeds if not feed.is_over and feed.reached]
    end = full[-1].letter.received_at if full else max(ends, default=None)
    if end is None:
        return None
    second = int(end.timestamp())
    seen = set(place.seen) if place and place.second == second else set()
    for feed in feeds:
        waiting = {one.letter.message_id for one in feed.waiting}
        of_second = {i for i, moment in feed.looked_at.items() if int(moment.timestamp()) == second}
        seen |= {(feed.entry.door.mailbox_id, message_id) for message_id in of_second - waiting}
    return Place(second, frozenset(seen))
