"""Mail on a record's page and in the owner's mail view: fetched at that moment, kept nowhere (Z1, Z17 to Z20).

A page goes this way: `views` says which mailboxes the viewer may look into, `mailbox_mail` reads one of them without
what he may not see, `pages` merges them.
"""

import time
from dataclasses import dataclass, field
from functools import partial

from domain.errors import GiveUp, Refused, TryAgain
from domain.mail.content import MailContent, MailQuery, MimePart
from domain.pages import PageCursor
from handlers.context import Context
from handlers.crm.locations import Where, located
from handlers.live_view.mailbox_mail import MailboxMail, VisibleMail, visible
from handlers.live_view.pages import Page, merge
from handlers.live_view.sessions import MailboxSession, at_once, log_view
from handlers.live_view.views import View, of_owner, of_record, view_of


@dataclass(frozen=True, slots=True)
class OpenedMail:
    """One mail whole, and the session in its mailbox for what is attached to it."""

    mail: VisibleMail
    session: MailboxSession = field(repr=False)


def show(
    contact_id: str,
    viewer_id: str,
    context: Context,
    *,
    limit: int,
    start: PageCursor | None = None,
    mailbox: str | None = None,
    location: Where = None,
) -> Page:
    """A page of the mail exchanged with any address that the record has now, in every mailbox that the viewer
    may see (D13, Z45), or in one of them. Raises Refused for a record that he may not open or that is not there.
    """
    view = of_record(contact_id, viewer_id, mailbox, context, location)
    return _page(view, "", start, limit, context)


def show_own(
    viewer_id: str,
    context: Context,
    *,
    limit: int,
    start: PageCursor | None = None,
    words: str = "",
    location: Where = None,
) -> Page:
    """A page of all mail of the viewer's own mailbox, or of what the provider's search finds for his words (Z17a)."""
    return _page(of_owner(viewer_id, context, location), words, start, limit, context)


def open_mail(
    contact_id: str | None,
    message_id: str,
    viewer_id: str,
    context: Context,
    *,
    mailbox: str | None = None,
    location: Where = None,
) -> OpenedMail:
    """One mail of the record, or without a record of the viewer's own mailbox, if he may see it there.

    Message ids are good in one mailbox: raises Refused where several have one of this id and none is named, as for
    a mail that is not there or not his to see.
    """
    began = time.monotonic()
    view = view_of(contact_id, viewer_id, mailbox, context, location)
    sessions = [MailboxSession(one, context) for one in view.mailboxes]
    found = at_once([partial(_open, session, message_id, view, context) for session in sessions])
    opened = [one for one in found if one is not None]
    log_view(viewer_id, contact_id, sessions, began)
    if len(opened) > 1:
        where = ", ".join(sorted(one.mail.address for one in opened))
        raise Refused(f"several mailboxes have a mail of this id ({where}): name one with --mailbox")
    if opened:
        return opened[0]
    troubled = [session for session in sessions if session.trouble]
    if troubled and len(troubled) == len(sessions):
        raise troubled[0].error()
    aside = ", ".join(f"{session.mailbox.address} ({session.trouble})" for session in troubled)
    raise Refused("there is no such mail here" + (f"; not asked: {aside}" if aside else ""))


def attached(opened: OpenedMail, part: MimePart) -> bytes | None:
    """What an attachment of the mail holds; None when the provider does not give it."""
    if part.content is not None or part.attachment_id is None:
        return part.content
    message_id, attachment_id = opened.mail.content.message_id, part.attachment_id
    return opened.session.ask(lambda mailbox: mailbox.attachment(message_id, attachment_id))


def own_session(user_id: str, context: Context, location: Where = None) -> MailboxSession:
    """A session in the user's own mailbox. Raises Refused where he has none that works."""
    return MailboxSession(of_owner(user_id, context, location).mailboxes[0], context)


def only_user(context: Context, location: Where = None) -> str | None:
    """The one user who has a mailbox connected, None where there are several or none."""
    with context.store.begin("live.users", reads_only=True) as tx:
        users = located(location, tx).sharing.users()
    return users[0] if len(users) == 1 else None


def _page(view: View, words: str, start: PageCursor | None, limit: int, context: Context) -> Page:
    began = time.monotonic()
    query = MailQuery(view.addresses, words, None if start is None else start.second + 1)
    sessions = [MailboxSession(one, context) for one in view.mailboxes]
    mailboxes = [
        MailboxMail(session, view, query, start.shown_in(session.mailbox.id) if start else frozenset())
        for session in sessions
    ]
    page = merge(mailboxes, limit, start)
    log_view(view.viewer.id, view.contact_id, sessions, began)
    return page


def _open(session: MailboxSession, message_id: str, view: View, context: Context) -> OpenedMail | None:
    """The mail, if this mailbox has it and the viewer may see it."""
    answer = session.ask(lambda mailbox: [mailbox.content(message_id)])
    mail = answer[0] if answer else None
    if isinstance(mail, TryAgain | GiveUp):
        session.trouble = mail.reason
    if not isinstance(mail, MailContent):
        return None
    return next((OpenedMail(one, session) for one in visible([mail], session.mailbox, view, context)), None)
