"""Mail on a record's page and in the owner's mail view: fetched at that moment, kept nowhere (Z1, Z17 to Z20)."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.crm.contacts import hits
from domain.errors import GiveUp, Refused, TryAgain
from domain.mail.addresses import loose
from domain.mail.content import MailContent, MailQuery, MimePart
from domain.mail.messages import Insiders, Message, direction, gate_by_folder, outsiders, people
from domain.pages import Place
from domain.sharing import shows
from handlers.context import Context
from handlers.crm.locations import Where, located
from handlers.live_view.merged import (
    MailboxSession,
    MergedMail,
    VisibilityFilter,
    VisibleMail,
    VisibleMailbox,
    at_once,
    merge,
    tell,
)
from handlers.live_view.views import View, of_owner, of_record, view_of


@dataclass(frozen=True, slots=True)
class Asked:
    """A mailbox that was asked, why it has not answered if it has not, and how many single mails it kept back."""

    address: str
    trouble: str | None
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """Mail, newest first, beside the mailboxes that were asked for it; `place` is where the next page begins."""

    mails: tuple[VisibleMail, ...] = field(repr=False)
    asked: tuple[Asked, ...]
    place: Place | None
    units: int
    requests: int


@dataclass(frozen=True, slots=True)
class Opened:
    """One mail whole, and the way back to its mailbox for what is attached to it."""

    shown: VisibleMail
    entry: MailboxSession = field(repr=False)


def show(
    contact_id: str,
    viewer_id: str,
    context: Context,
    *,
    limit: int,
    place: Place | None = None,
    mailbox: str | None = None,
    location: Where = None,
) -> Page:
    """A page of the mail exchanged with any address that the record has now, in every mailbox that the viewer
    may see (D13, Z45), or in one of them. Raises Refused for a record that he may not open or that is not there.
    """
    view = of_record(contact_id, viewer_id, mailbox, context, location)
    return _page(view, "", place, limit, context)


def show_own(
    viewer_id: str,
    context: Context,
    *,
    limit: int,
    place: Place | None = None,
    words: str = "",
    location: Where = None,
) -> Page:
    """A page of all mail of the viewer's own mailbox, or of what Gmail finds for his words (Z17a)."""
    return _page(of_owner(viewer_id, context, location), words, place, limit, context)


def open_mail(
    contact_id: str | None,
    message_id: str,
    viewer_id: str,
    context: Context,
    *,
    mailbox: str | None = None,
    location: Where = None,
) -> Opened:
    """One mail of the record, or without a record of the viewer's own mailbox, if he may see it there.

    Gmail's ids are per mailbox: raises Refused where several have one of this id and none is named, as for
    a mail that is not there or not his to see.
    """
    began = time.monotonic()
    view = view_of(contact_id, viewer_id, mailbox, context, location)
    entries = [MailboxSession(door, context) for door in view.doors]
    sight = _Sight(view, context)
    found = [one for those in at_once([_Opening(e, message_id, sight) for e in entries]) for one in those]
    tell(viewer_id, contact_id, entries, began)
    if len(found) > 1:
        where = ", ".join(sorted(one.shown.mailbox for one in found))
        raise Refused(f"several mailboxes have a mail of this id ({where}): name one with --mailbox")
    if found:
        return found[0]
    troubled = [entry for entry in entries if entry.trouble]
    if troubled and len(troubled) == len(entries):
        raise troubled[0].hindrance()
    aside = ", ".join(f"{entry.door.address} ({entry.trouble})" for entry in troubled)
    raise Refused("there is no such mail here" + (f"; not asked: {aside}" if aside else ""))


def attached(opened: Opened, piece: MimePart) -> bytes | None:
    """What an attachment of the mail holds; None when Gmail does not give it."""
    if piece.content is not None or piece.attachment_id is None:
        return piece.content
    message_id, attachment_id = opened.shown.letter.message_id, piece.attachment_id
    return opened.entry.ask(lambda gmail: gmail.attachment(message_id, attachment_id))


def own_entry(user_id: str, context: Context, location: Where = None) -> MailboxSession:
    """The way into the user's own mailbox. Raises Refused where he has none that works."""
    return MailboxSession(of_owner(user_id, context, location).doors[0], context)


def only_user(context: Context, location: Where = None) -> str | None:
    """The one user who has a mailbox connected, None where there are several or none."""
    with context.store.begin("live.users", reads_only=True) as tx:
        users = located(location, tx).sharing.users()
    return users[0] if len(users) == 1 else None


def _page(view: View, words: str, place: Place | None, limit: int, context: Context) -> Page:
    began = time.monotonic()
    sought = MailQuery(view.addresses, words, None if place is None else place.second + 1)
    seen = place.seen if place else frozenset[tuple[int, str]]()
    sight = _Sight(view, context)
    feeds = [
        MergedMail(
            MailboxSession(door, context),
            sought,
            frozenset(i for key, i in seen if key == door.mailbox_id),
            sight,
        )
        for door in view.doors
    ]
    mails, end = merge(feeds, limit, place)
    entries = [feed.entry for feed in feeds]
    units, requests = tell(view.viewer.id, view.contact_id, entries, began)
    asked = tuple(Asked(e.door.address, e.trouble, e.unread) for e in entries)
    return Page(tuple(mails), asked, end, units, requests)


@dataclass(frozen=True, slots=True)
class _Opening:
    """One mailbox's try to open a mail."""

    entry: MailboxSession
    message_id: str
    sight: VisibilityFilter

    def __call__(self) -> list[Opened]:
        """The mail, if this mailbox has it and the viewer may see it."""
        answer = self.entry.ask(lambda gmail: [gmail.content(self.message_id)])
        letter = answer[0] if answer else None
        if isinstance(letter, TryAgain | GiveUp):
            self.entry.trouble = letter.reason
        if not isinstance(letter, MailContent):
            return []
        return [Opened(shown, self.entry) for shown in self.sight(self.entry.door, [letter])]


@dataclass(frozen=True, slots=True)
class _Sight:
    """What a viewer may see of what Gmail has found. Of the owner's own mailbox that is everything; of a record
    the mail that one of its addresses takes part in (D5), without drafts, Spam, Trash and chats (Z18)."""

    view: View
    context: Context

    def __call__(self, door: VisibleMailbox, letters: Sequence[MailContent]) -> Sequence[VisibleMail]:
        """By the settings and records of this moment (E78)."""
        if not letters:
            return ()
        keys = {loose(address) for address in self.view.addresses}
        with self.context.store.begin("live.look", reads_only=True) as tx:
            here = tx.of(self.view.location)
            own, aliases = tx.mailboxes.own_and_registered(door.mailbox_id)
            read = [(letter, letter.message(own)) for letter in letters]
            meant = {address for _, message in read for address in people(message) if loose(address) in keys}
            insiders = Insiders(
                own=own,
                aliases=aliases,
                users=here.contacts.users_among({a for _, message in read for a in people(message)}),
                domains=here.settings.get().internal_domains,
            )
            known = here.contacts.candidates(meant)
        records = frozenset(
            address
            for address in meant
            if any(hit.contact.id == self.view.contact_id for hit in hits(address, known))
        )
        return [
            VisibleMail(door.mailbox_id, door.address, direction(message, insiders), message.via_list, letter)
            for letter, message in read
            if self.view.contact_id is None or self._shows(door, message, records, insiders)
        ]

    def _shows(
        self, door: VisibleMailbox, message: Message, records: frozenset[str], insiders: Insiders
    ) -> bool:
        """A colleague sees the record's mail only where its address is an outside one: an insider is a colleague,
        whatever records there are of him (E16, E17)."""
        if gate_by_folder(message.folder) is not None or records.isdisjoint(people(message)):
            return False
        outside = outsiders(message, insiders)
        if any(share.owner.id == self.view.viewer.id for share in door.shares):
            return True
        return not records.isdisjoint(outside) and any(
            shows(self.view.viewer, share, self.view.policy, outside) for share in door.shares
        )
