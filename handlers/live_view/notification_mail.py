"""Opening a notification: subject, preview and the mail itself are fetched when they are shown (Z25, Z27)."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from domain.crm.locations import Location
from domain.errors import GiveUp, Refused, TryAgain
from domain.mail.content import MailContent
from domain.mail.folders import PUT_AWAY
from domain.mail.messages import Direction
from domain.notifications import NotificationKind
from domain.reports import Notification
from handlers.context import Context
from handlers.crm.locations import Where, located
from handlers.live_view.live import OpenedMail, own_session
from handlers.live_view.mailbox_mail import BATCH, VisibleMail
from handlers.live_view.sessions import MailboxSession, log_view

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Previews:
    """Mails as their mailbox shows them now, by message id. A mail that is neither among the `mails` nor `gone` could
    not be fetched, and `trouble` says why."""

    mails: Mapping[str, MailContent] = field(repr=False)
    gone: frozenset[str]
    trouble: str | None


def previews(user_id: str, notifications: Sequence[Notification], context: Context) -> Previews:
    """Subject and preview of each notification's mail, 25 at a time, in the mailbox that he has in its location
    (Z25)."""
    ids_by_location: dict[Location | None, list[str]] = {}
    for one in notifications:
        if one.message_id is not None:
            ids_by_location.setdefault(one.location, []).append(one.message_id)
    began = time.monotonic()
    mails: dict[str, MailContent] = {}
    gone: set[str] = set()
    trouble: str | None = None
    sessions = []
    for location, ids in ids_by_location.items():
        sessions.append(session := own_session(user_id, context, location))
        for start in range(0, len(ids), BATCH):
            for message_id, answer in _previews(session, ids[start : start + BATCH]).items():
                if isinstance(answer, TryAgain | GiveUp):
                    trouble = answer.reason
                elif answer is None or answer.folder in PUT_AWAY:
                    gone.add(message_id)
                else:
                    mails[message_id] = answer
        trouble = session.trouble or trouble
    if sessions:
        log_view(user_id, None, sessions, began)
    return Previews(mails, frozenset(gone), trouble)


def open_notification(
    notification_id: int, user_id: str, context: Context, location: Where = None
) -> tuple[Notification, OpenedMail | None]:
    """The notification and its mail. None where it is of no mail, and where the mail has been deleted: then the
    notification is removed (Z27).

    Raises Refused where it is not on the user's list, and the trouble of the mailbox.
    """
    began = time.monotonic()
    with context.store.begin("live.notification", reads_only=True) as tx:
        notification = located(location, tx).notification_list.get(notification_id, user_id)
    if notification is None:
        raise Refused(f"there is no notification {notification_id} for user {user_id}")
    if notification.kind is not NotificationKind.MAIL or notification.message_id is None:
        return notification, None
    session, message_id = own_session(user_id, context, notification.location), notification.message_id
    answer = session.ask(lambda mailbox: [mailbox.content(message_id)])
    log_view(user_id, notification.contact_id, [session], began)
    if answer is None:
        raise session.error()
    [mail] = answer
    if isinstance(mail, TryAgain | GiveUp):
        raise mail
    if mail is not None and mail.folder not in PUT_AWAY:
        own = session.mailbox
        return notification, OpenedMail(
            VisibleMail(own.id, own.address, Direction.INBOUND, notification.via_list, mail), session
        )
    with context.store.begin("live.remove_notification") as tx:
        located(location, tx).notification_list.remove(notification_id, user_id)
    context.store.scrub()
    log.info("notification.removed", notification_id=notification_id, user_id=user_id)
    return notification, None


def _previews(
    session: MailboxSession, ids: Sequence[str]
) -> Mapping[str, MailContent | TryAgain | GiveUp | None]:
    return session.ask(lambda mailbox: mailbox.previews(ids)) or {}
