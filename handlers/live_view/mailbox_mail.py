"""One mailbox's mail for a view, newest first: found, fetched a batch at a time, and without what may not be seen."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from domain.connections.sharing import shows
from domain.crm.contacts import hits
from domain.errors import GiveUp, TryAgain
from domain.ids import MailboxId
from domain.mail.addresses import loose
from domain.mail.content import MailContent, MailQuery
from domain.mail.messages import (
    Direction,
    Insiders,
    Message,
    direction,
    gate_by_folder,
    outsiders,
    people,
)
from handlers.context import Context
from handlers.live_view.sessions import MailboxSession
from handlers.live_view.views import NO_SEARCH, View, VisibleMailbox
from handlers.ports.capabilities import Mailbox, MailSearch

BATCH: Final = 25
"""Mails asked for at a time. How many share a request is the adapter's."""


@dataclass(frozen=True, slots=True)
class VisibleMail:
    """A mail that the viewer may see, and the mailbox where it lies. `via_list`: its author was found by E100."""

    mailbox_id: MailboxId
    address: str
    direction: Direction
    via_list: bool
    content: MailContent = field(repr=False)

    @property
    def order(self) -> tuple[datetime, int, str]:
        """Newest first, when it is sorted backwards."""
        return self.content.received_at, self.mailbox_id, self.content.message_id


def visible(
    mails: Sequence[MailContent], mailbox: VisibleMailbox, view: View, context: Context
) -> list[VisibleMail]:
    """Those of a mailbox's mails that the viewer may see, by the settings and records of this moment (E78).

    Of the owner's own mailbox that is everything; of a record the mail that one of its addresses takes part in (D5),
    without drafts, Spam, Trash and chats (Z18).
    """
    if not mails:
        return []
    keys = {loose(address) for address in view.addresses}
    with context.store.begin("live.look", reads_only=True) as tx:
        here = tx.of(view.location)
        own, aliases = tx.mailboxes.own_and_registered(mailbox.id)
        messages = [mail.message(own) for mail in mails]
        addresses = {address for message in messages for address in people(message)}
        users, domains = here.contacts.users_among(addresses), here.settings.get().internal_domains
        meant = {address for address in addresses if loose(address) in keys}
        known = here.contacts.candidates(meant)
    insiders = Insiders(own=own, users=users, domains=domains, aliases=aliases)
    records = frozenset(
        address for address in meant if any(hit.contact.id == view.contact_id for hit in hits(address, known))
    )
    return [
        VisibleMail(mailbox.id, mailbox.address, direction(message, insiders), message.via_list, mail)
        for mail, message in zip(mails, messages, strict=True)
        if view.contact_id is None or _is_of_record(message, records, insiders, mailbox, view)
    ]


def _is_of_record(
    message: Message, records: frozenset[str], insiders: Insiders, mailbox: VisibleMailbox, view: View
) -> bool:
    """Whether the viewer sees this mail on the page of the record with the addresses `records`.

    A colleague sees it only where such an address is an outside one: an insider is a colleague, whatever records
    there are of him (E16, E17).
    """
    if gate_by_folder(message.folder) is not None or records.isdisjoint(people(message)):
        return False
    outside = outsiders(message, insiders)
    if any(share.owner.id == view.viewer.id for share in mailbox.shares):
        return True
    return not records.isdisjoint(outside) and any(
        shows(view.viewer, share, view.policy, outside) for share in mailbox.shares
    )


@dataclass(slots=True)
class _Search:
    """One of the queries that a view takes in a mailbox. `given` are the ids that it has given, newest first."""

    query: MailQuery
    given: list[str] = field(default_factory=list)
    _ids: deque[str] = field(default_factory=deque)
    _next_page: str | None = None
    _is_listed: bool = False

    @property
    def is_exhausted(self) -> bool:
        return self._is_listed and not self._ids

    def reached(self, received: Mapping[str, datetime]) -> datetime | None:
        """What it gives from now on is not newer than this."""
        return min(
            (received[message_id] for message_id in self.given if message_id in received), default=None
        )

    def may_hold_newer(self, than: VisibleMail | None, received: Mapping[str, datetime]) -> bool:
        """Whether it may give mail newer than this one; without one, whether it may give any."""
        reached = self.reached(received)
        return not self.is_exhausted and (
            than is None or reached is None or reached > than.content.received_at
        )

    def take(self, search: MailSearch, most: int, taken: set[str]) -> list[str]:
        """The next ids, without those that are `taken`: a mail may be found by several searches."""
        fresh: list[str] = []
        while len(fresh) < most and not self.is_exhausted:
            if not self._ids:
                found = search.find(self.query, self._next_page)
                self._ids.extend(found.message_ids)
                self._next_page = found.next_page
                self._is_listed = self._next_page is None
                continue
            message_id = self._ids.popleft()
            self.given.append(message_id)
            if message_id not in taken:
                taken.add(message_id)
                fresh.append(message_id)
        return fresh


@dataclass(slots=True)
class MailboxMail:
    """A mailbox's mail for a view, read a batch at a time. `shown_before` are ids that an earlier page has shown.

    `ready` is what has been fetched, may be seen and is on no page yet. `received` has the moment of everything that
    has been fetched, visible or not; `requested` counts how many mails have been asked for.
    """

    session: MailboxSession
    view: View
    query: MailQuery
    shown_before: frozenset[str] = frozenset()
    ready: deque[VisibleMail] = field(default_factory=deque, repr=False)
    received: dict[str, datetime] = field(default_factory=dict)
    requested: int = 0
    _searches: list[_Search] | None = None
    _taken: set[str] = field(default_factory=set)
    _all_visible: bool = True

    @property
    def is_exhausted(self) -> bool:
        """Nothing more can be read."""
        if self.session.trouble is not None:
            return True
        return self._searches is not None and all(one.is_exhausted for one in self._searches)

    @property
    def reached(self) -> datetime | None:
        """What is read from now on is not newer than this."""
        ends = [one.reached(self.received) for one in self._searches or () if not one.is_exhausted]
        known = [end for end in ends if end is not None]
        return max(known) if known and len(known) == len(ends) else None

    def may_hold_newer(self, than: VisibleMail | None) -> bool:
        """Whether mail that has not been read yet may be newer than this one, so that it has to be read first."""
        if self.is_exhausted:
            return False
        return self._searches is None or any(
            one.may_hold_newer(than, self.received) for one in self._searches
        )

    def read(self, room: int, newest: VisibleMail | None) -> None:
        """Read the next batch: no more than the page has room for, unless something of the last batch was hidden."""
        size = min(BATCH, room) if self._all_visible else BATCH
        mails = self.session.ask(lambda mailbox: self._fetch(mailbox, size, newest)) or []
        self.received |= {mail.message_id: mail.received_at for mail in mails}
        seen = visible(mails, self.session.mailbox, self.view, self.session.context)
        self._all_visible = len(seen) == len(mails)
        self.ready = deque(sorted([*self.ready, *seen], key=lambda one: one.order, reverse=True))

    def dealt_with(self, second: int) -> set[str]:
        """Ids of what was received in this second and is on a page, or is hidden."""
        ready = {one.content.message_id for one in self.ready}
        return {i for i, moment in self.received.items() if int(moment.timestamp()) == second} - ready

    def _fetch(self, mailbox: Mailbox, size: int, newest: VisibleMail | None) -> list[MailContent]:
        if mailbox.search is None:
            raise GiveUp(NO_SEARCH)
        batch = self._take(mailbox.search, size, newest)
        self.requested += len(batch)
        answers = mailbox.previews(batch) if batch else {}
        refused = [one for one in answers.values() if isinstance(one, TryAgain | GiveUp)]
        mails = [one for one in answers.values() if isinstance(one, MailContent)]
        if refused and (not mails or any(isinstance(e, TryAgain) and e.whole_mailbox for e in refused)):
            raise refused[0]
        self.session.failed += len(refused)
        return mails

    def _take(self, search: MailSearch, size: int, newest: VisibleMail | None) -> list[str]:
        """From the searches that may hold newer mail. Of each only its share of a batch is fetched ahead, so that a
        mailbox with many searches wastes no more than one with one."""
        if self._searches is None:
            self._searches = [_Search(query) for query in search.split(self.query)]
            self._taken |= self.shown_before
        behind = [one for one in self._searches if one.may_hold_newer(newest, self.received)]
        share = max(1, min(size // max(1, len(behind)), BATCH // len(self._searches)))
        return [message_id for one in behind for message_id in one.take(search, share, self._taken)]
