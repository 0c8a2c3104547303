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
from domain.notifications import NoticeKind
from domain.reports import Notice
from handlers.context import Context
from handlers.crm.locations import Where, located
from handlers.live_view.live import Opened, own_entry
from handlers.live_view.merged import BATCH, MailboxSession, VisibleMail, tell

log = structlog.get_logger()

"""Where the user puts what he does not want to see again (E37)."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What Gmail shows now of some mails, by their ids. What is neither a letter nor gone could not be fetched,
    and `trouble` says why."""

    letters: Mapping[str, MailContent] = field(repr=False)
    gone: frozenset[str]
    trouble: str | None


def glance(user_id: str, notices: Sequence[Notice], context: Context) -> Glance:
    """Subject and preview of each notification's mail, 25 a request, in the mailbox that he has in its location
    (Z25)."""
    mails: dict[Location | None, list[str]] = {}
    for one in notices:
        if one.message_id is not None:
            mails.setdefault(one.location, []).append(one.message_id)
    began = time.monotonic()
    letters: dict[str, MailContent] = {}
    gone: set[str] = set()
    trouble: str | None = None
    entries = []
    for location, ids in mails.items():
        entries.append(entry := own_entry(user_id, context, location))
        for start in range(0, len(ids), BATCH):
            for message_id, answer in _previews(entry, ids[start : start + BATCH]).items():
                if isinstance(answer, TryAgain | GiveUp):
                    trouble = answer.reason
                elif answer is None or answer.folder in PUT_AWAY:
                    gone.add(message_id)
                else:
                    letters[message_id] = answer
        trouble = entry.trouble or trouble
    if entries:
        tell(user_id, None, entries, began)
    return Glance(letters, frozenset(gone), trouble)


def open_notice(
    notification_id: int, user_id: str, context: Context, location: Where = None
) -> tuple[Notice, Opened | None]:
    """The notification and its mail. None where it is of no mail, and where the mail has been deleted: then the
    notification is removed (Z27).

    Raises Refused where it is not on the user's list, and what hinders the mailbox.
    """
    began = time.monotonic()
    with context.store.begin("notices.look", reads_only=True) as tx:
        notice = located(location, tx).notices.get(notification_id, user_id)
    if notice is None:
        raise Refused(f"there is no notification {notification_id} for user {user_id}")
    if notice.kind is not NoticeKind.MAIL or notice.message_id is None:
        return notice, None
    entry, message_id = own_entry(user_id, context, notice.location), notice.message_id
    answer = entry.ask(lambda gmail: [gmail.content(message_id)])
    tell(user_id, notice.contact_id, [entry], began)
    if answer is None:
        raise entry.hindrance()
    [letter] = answer
    if isinstance(letter, TryAgain | GiveUp):
        raise letter
    if letter is not None and letter.folder not in PUT_AWAY:
        door = entry.door
        shown = VisibleMail(door.mailbox_id, door.address, Direction.INBOUND, notice.via_list, letter)
        return notice, Opened(shown, entry)
    with context.store.begin("notices.remove") as tx:
        located(location, tx).notices.remove(notification_id, user_id)
    context.store.scrub()
    log.info("notification.removed", notification_id=notification_id, user_id=user_id)
    return notice, None


def _previews(
    entry: MailboxSession, ids: Sequence[str]
) -> Mapping[str, MailContent | TryAgain | GiveUp | None]:
    return entry.ask(lambda gmail: gmail.previews(ids)) or {}
