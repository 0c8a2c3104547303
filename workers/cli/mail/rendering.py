"""Mail as words for people, safe for their terminal, and as JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from domain.mail.content import MimePart
from domain.mail.file_names import safe_name
from domain.mail.folders import Folder
from domain.mail.messages import Direction
from domain.mail.safe_text import safe_line, safe_text
from domain.notifications import NotificationKind
from domain.reports import Notification
from handlers.live_view.live import OpenedMail, attached
from handlers.live_view.mailbox_mail import VisibleMail
from handlers.live_view.notification_mail import Previews
from handlers.live_view.pages import AskedMailbox, Page
from handlers.live_view.views import NO_SEARCH, PAUSED, SIGN_IN_NEEDED
from workers.cli.terminal.safe import fitted, save, write_line
from workers.cli.terminal.times import timestamp

WORDS = {
    NotificationKind.SIGN_IN_NEEDED: "Google no longer lets us in: please sign in again",
    NotificationKind.SORTING_FAILED: "mail is no longer sorted: Gmail makes no more labels",
    NotificationKind.ACCESS_REFUSED: "Google does not let us in: your administrator can change that",
}

_WAYS = {
    Direction.INBOUND: "in",
    Direction.OUTBOUND: "out",
    Direction.SELF: "self",
    Direction.INTERNAL: "team",
}
_TROUBLES = {
    SIGN_IN_NEEDED: "its user has to sign in again",
    PAUSED: "an operator has paused it",
    NO_SEARCH: "its provider has no search",
}
_HEADERS = ("From", "To", "Cc", "Bcc", "Reply-To", "Date")


def show_json(value: object) -> None:
    """One JSON value, in ASCII: a terminal that shows it is given no control character of a stranger's."""
    sys.stdout.write(json.dumps(value) + "\n")


def show_page(page: Page) -> None:
    """Two lines for each mail: who, about what and its id; how it begins."""
    several = len(page.mailboxes) > 1
    for one in page.mails:
        content = one.content
        where = f"{one.address}/{content.message_id}" if several else content.message_id
        files = "+" if content.attachments() else " "
        via = ", via a list" if one.via_list else ""
        write_line(
            f"{_said(content.received_at)}  {_way(one):<5}  {fitted(_other(one), 30)}  "
            f"{fitted(content.header('Subject') or '(no subject)', 50)} {files} {where}{via}"
        )
        if preview := safe_line(content.snippet):
            write_line(f"    {fitted(preview, 110).rstrip()}")
    if not page.mails:
        write_line("no mail" if page.next_page is None else "nothing here that may be shown")
    for mailbox in page.mailboxes:
        if mailbox.trouble:
            write_line(
                f"{mailbox.address} cannot be shown: {_TROUBLES.get(mailbox.trouble, mailbox.trouble)}"
            )
        if mailbox.failed:
            write_line(f"{mailbox.address}: mails that Gmail did not give: {mailbox.failed}")
    if page.next_page is not None:
        write_line(f"older mail: add --before {page.next_page.token()}")


def page_as_json(page: Page) -> dict[str, Any]:
    """The same, by name."""
    return {
        "mails": [_as_json(one) for one in page.mails],
        "mailboxes": [_asked(one) for one in page.mailboxes],
        "next_page": page.next_page and page.next_page.token(),
        "cost": {"units": page.units, "requests": page.requests},
    }


def show_mail(opened: OpenedMail, saved: Mapping[int, Path | None]) -> None:
    """Its header, its text, and what is attached to it."""
    mail = opened.mail
    content = mail.content
    via = ", via a list" if mail.via_list else ""
    write_line(f"Mailbox: {mail.address} ({_way(mail)}{via}, received {_said(content.received_at)})")
    for name in _HEADERS:
        if value := safe_line(content.header(name)):
            write_line(f"{name}: {value}")
    write_line(f"Subject: {safe_line(content.header('Subject')) or '(none)'}")
    write_line("")
    write_line(safe_text(content.text()) or "(no readable text)")
    parts = content.attachments()
    if parts:
        write_line("")
    for number, part in enumerate(parts, 1):
        kept = f", saved as {saved[number]}" if saved.get(number) else ""
        name = safe_line(part.filename) or "(no name)"
        write_line(f"Attachment {number}: {name} ({safe_line(part.mime_type)}, {part.size} bytes){kept}")


def mail_as_json(opened: OpenedMail, saved: Mapping[int, Path | None]) -> dict[str, Any]:
    """The same, by name. `send --reply-to` needs the `message_id` alone."""
    content = opened.mail.content
    parts = enumerate(content.attachments(), 1)
    return _as_json(opened.mail) | {
        "bcc_header": content.header("Bcc"),
        "reply_to_header": content.header("Reply-To"),
        "rfc_message_id": content.header("Message-ID"),
        "text": content.text(),
        "attachments": [_attachment(part, number, saved.get(number)) for number, part in parts],
    }


def save_attachments(opened: OpenedMail, folder: Path) -> dict[int, Path | None]:
    """Each under a safe name of its own, by its number; None for what Gmail did not give."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    saved: dict[int, Path | None] = {}
    for number, part in enumerate(opened.mail.content.attachments(), 1):
        content = attached(opened, part)
        name = safe_name(part.filename, number, part.mime_type)
        saved[number] = None if content is None else save(folder, name, content)
    return saved


def show_previews(found: Sequence[Notification], previews: Previews, *, as_json: bool) -> None:
    """Notifications with what Gmail shows of their mails now (Z25)."""
    if as_json:
        show_json(_previews_as_json(found, previews))
        return
    for one in found:
        subject, preview = _words(one, previews)
        who = (one.name or one.author or "") + (" via a list" if one.via_list else "")
        write_line(
            f"{one.id:<6}  {_said(one.received_at)}  {fitted(who, 30)}  {fitted(subject, 60)}".rstrip()
        )
        if preview:
            write_line(f"        {fitted(preview, 110).rstrip()}")
    if previews.trouble:
        write_line(f"the mailbox cannot be shown: {_TROUBLES.get(previews.trouble, previews.trouble)}")


def _previews_as_json(found: Sequence[Notification], previews: Previews) -> list[dict[str, Any]]:
    told = []
    for one in found:
        content = previews.mails.get(one.message_id or "")
        told.append(
            notification_as_json(one)
            | {
                "subject": content and content.header("Subject"),
                "preview": content and content.snippet,
                "message_deleted": one.message_id in previews.gone,
            }
        )
    return told


def notification_as_json(one: Notification) -> dict[str, Any]:
    """A notification's own details (Z25)."""
    return {
        "notification_id": one.id,
        "notification_kind": one.kind.value,
        "late": one.late,
        "name": one.name,
        "from": one.author,
        "via_list": one.via_list,
        "received_at": timestamp(one.received_at),
        "message_id": one.message_id,
        "contact_id": one.contact_id,
    }


def _words(one: Notification, previews: Previews) -> tuple[str, str]:
    if one.message_id is None:
        return WORDS[one.kind], ""
    if one.message_id in previews.gone:
        return "(deleted meanwhile)", ""
    content = previews.mails.get(one.message_id)
    if content is None:
        return "(cannot be fetched now)", ""
    return content.header("Subject") or "(no subject)", content.snippet


def _as_json(one: VisibleMail) -> dict[str, Any]:
    content = one.content
    return {
        "message_id": content.message_id,
        "mailbox": one.address,
        "thread_id": content.thread_id,
        "direction": one.direction.value,
        "draft": content.folder is Folder.DRAFTS,
        "received_at": timestamp(content.received_at),
        "from_header": content.header("From"),
        "via_list": one.via_list,
        "to_header": content.header("To"),
        "cc_header": content.header("Cc"),
        "subject": content.header("Subject"),
        "preview": content.snippet,
        "has_attachments": bool(content.attachments()),
    }


def _asked(one: AskedMailbox) -> dict[str, Any]:
    return {"mailbox": one.address, "trouble": one.trouble, "mails_not_fetched": one.failed}


def _attachment(part: MimePart, number: int, saved: Path | None) -> dict[str, Any]:
    return {
        "number": number,
        "file_name": part.filename,
        "mime_type": part.mime_type,
        "size_bytes": part.size,
        "saved_as": saved and str(saved),
    }


def _way(one: VisibleMail) -> str:
    return "draft" if one.content.folder is Folder.DRAFTS else _WAYS[one.direction]


def _other(one: VisibleMail) -> str:
    """The other side: From, or To of a mail that the owner wrote."""
    if one.direction in (Direction.OUTBOUND, Direction.SELF):
        return one.content.header("To") or one.content.header("Cc")
    return one.content.header("From")


def _said(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""
