"""Mail as words for people, safe for their terminal, and as JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from domain.mail.content import MimePart
from domain.mail.folders import Folder
from domain.mail.messages import Direction
from domain.notifications import NoticeKind
from domain.reports import Notice
from handlers.live_view.live import Asked, Opened, Page, attached
from handlers.live_view.merged import PAUSED, SIGN_IN_NEEDED, VisibleMail
from handlers.live_view.notification_mail import Glance
from workers.cli.terminal.safe import fitted, safe_line, safe_name, safe_text, save

WORDS = {
    NoticeKind.SIGN_IN_NEEDED: "Google no longer lets us in: please sign in again",
    NoticeKind.SORTING_FAILED: "mail is no longer sorted: Gmail makes no more labels",
    NoticeKind.ACCESS_REFUSED: "Google does not let us in: your administrator can change that",
}

_WAYS = {
    Direction.INBOUND: "in",
    Direction.OUTBOUND: "out",
    Direction.SELF: "self",
    Direction.INTERNAL: "team",
}
_TROUBLES = {SIGN_IN_NEEDED: "its user has to sign in again", PAUSED: "an operator has paused it"}
_HEADERS = ("From", "To", "Cc", "Bcc", "Reply-To", "Date")


def show_json(value: object) -> None:
    """One JSON value, in ASCII: a terminal that shows it is given no control character of a stranger's."""
    sys.stdout.write(json.dumps(value) + "\n")


def show_page(page: Page) -> None:
    """Two lines for each mail: who, about what and its id; how it begins."""
    several = len(page.asked) > 1
    for one in page.mails:
        letter = one.letter
        where = f"{one.mailbox}/{letter.message_id}" if several else letter.message_id
        files = "+" if letter.attachments() else " "
        via = ", via a list" if one.via_list else ""
        _write(
            f"{_said(letter.received_at)}  {_way(one):<5}  {fitted(_other(one), 30)}  "
            f"{fitted(letter.header('Subject') or '(no subject)', 50)} {files} {where}{via}"
        )
        if preview := safe_line(letter.snippet):
            _write(f"    {fitted(preview, 110).rstrip()}")
    if not page.mails:
        _write("no mail" if page.place is None else "nothing here that may be shown")
    for asked in page.asked:
        if asked.trouble:
            _write(f"{asked.address} cannot be shown: {_TROUBLES.get(asked.trouble, asked.trouble)}")
        if asked.unread:
            _write(f"{asked.address}: mails that Gmail did not give: {asked.unread}")
    if page.place is not None:
        _write(f"older mail: add --before {page.place.token()}")


def page_as_json(page: Page) -> dict[str, Any]:
    """The same, by name."""
    return {
        "mails": [_as_json(one) for one in page.mails],
        "mailboxes": [_asked(one) for one in page.asked],
        "next": page.place and page.place.token(),
        "cost": {"units": page.units, "requests": page.requests},
    }


def show_mail(opened: Opened, saved: Mapping[int, Path | None]) -> None:
    """Its header, its text, and what is attached to it."""
    shown = opened.shown
    letter = shown.letter
    via = ", via a list" if shown.via_list else ""
    _write(f"Mailbox: {shown.mailbox} ({_way(shown)}{via}, received {_said(letter.received_at)})")
    for name in _HEADERS:
        if value := safe_line(letter.header(name)):
            _write(f"{name}: {value}")
    _write(f"Subject: {safe_line(letter.header('Subject')) or '(none)'}")
    _write("")
    _write(safe_text(letter.text()) or "(no readable text)")
    pieces = letter.attachments()
    if pieces:
        _write("")
    for number, piece in enumerate(pieces, 1):
        kept = f", saved as {saved[number]}" if saved.get(number) else ""
        name = safe_line(piece.filename) or "(no name)"
        _write(f"Attachment {number}: {name} ({safe_line(piece.mime_type)}, {piece.size} bytes){kept}")


def mail_as_json(opened: Opened, saved: Mapping[int, Path | None]) -> dict[str, Any]:
    """The same, by name. `send --reply-to` needs the `message_id` alone."""
    letter = opened.shown.letter
    pieces = enumerate(letter.attachments(), 1)
    return _as_json(opened.shown) | {
        "bcc": letter.header("Bcc"),
        "reply_to": letter.header("Reply-To"),
        "rfc822_message_id": letter.header("Message-ID"),
        "text": letter.text(),
        "attachments": [_attachment(piece, number, saved.get(number)) for number, piece in pieces],
    }


def save_attachments(opened: Opened, folder: Path) -> dict[int, Path | None]:
    """Each under a safe name of its own, by its number; None for what Gmail did not give."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    saved: dict[int, Path | None] = {}
    for number, piece in enumerate(opened.shown.letter.attachments(), 1):
        content = attached(opened, piece)
        saved[number] = None if content is None else save(folder, safe_name(piece.filename, number), content)
    return saved


def show_glance(found: Sequence[Notice], seen: Glance, *, as_json: bool) -> None:
    """Notifications with what Gmail shows of their mails now (Z25)."""
    if as_json:
        show_json(_glance_as_json(found, seen))
        return
    for one in found:
        subject, preview = _words(one, seen)
        who = (one.name or one.author or "") + (" via a list" if one.via_list else "")
        _write(f"{one.id:<6}  {_said(one.received_at)}  {fitted(who, 30)}  {fitted(subject, 60)}".rstrip())
        if preview:
            _write(f"        {fitted(preview, 110).rstrip()}")
    if seen.trouble:
        _write(f"the mailbox cannot be shown: {_TROUBLES.get(seen.trouble, seen.trouble)}")


def _glance_as_json(found: Sequence[Notice], seen: Glance) -> list[dict[str, Any]]:
    told = []
    for one in found:
        letter = seen.letters.get(one.message_id or "")
        told.append(
            notice_as_json(one)
            | {
                "subject": letter and letter.header("Subject"),
                "preview": letter and letter.snippet,
                "deleted": one.message_id in seen.gone,
            }
        )
    return told


def notice_as_json(one: Notice) -> dict[str, Any]:
    """A notification's own details (Z25)."""
    return {
        "id": one.id,
        "kind": one.kind.value,
        "late": one.late,
        "name": one.name,
        "from": one.author,
        "via_list": one.via_list,
        "received_at": _moment(one.received_at),
        "message_id": one.message_id,
        "contact_id": one.contact_id,
    }


def _words(one: Notice, seen: Glance) -> tuple[str, str]:
    if one.message_id is None:
        return WORDS[one.kind], ""
    if one.message_id in seen.gone:
        return "(deleted meanwhile)", ""
    letter = seen.letters.get(one.message_id)
    if letter is None:
        return "(cannot be fetched now)", ""
    return letter.header("Subject") or "(no subject)", letter.snippet


def _as_json(one: VisibleMail) -> dict[str, Any]:
    letter = one.letter
    return {
        "message_id": letter.message_id,
        "mailbox": one.mailbox,
        "thread_id": letter.thread_id,
        "direction": one.direction.value,
        "draft": letter.folder is Folder.DRAFTS,
        "received_at": _moment(letter.received_at),
        "from": letter.header("From"),
        "via_list": one.via_list,
        "to": letter.header("To"),
        "cc": letter.header("Cc"),
        "subject": letter.header("Subject"),
        "preview": letter.snippet,
        "has_attachments": bool(letter.attachments()),
    }


def _asked(one: Asked) -> dict[str, Any]:
    return {"mailbox": one.address, "trouble": one.trouble, "unread": one.unread}


def _attachment(piece: MimePart, number: int, saved: Path | None) -> dict[str, Any]:
    return {
        "number": number,
        "name": piece.filename,
        "type": piece.mime_type,
        "size": piece.size,
        "saved_as": saved and str(saved),
    }


def _way(one: VisibleMail) -> str:
    return "draft" if one.letter.folder is Folder.DRAFTS else _WAYS[one.direction]


def _other(one: VisibleMail) -> str:
    """Whom the mail is from, or to where the owner wrote it."""
    if one.direction in (Direction.OUTBOUND, Direction.SELF):
        return one.letter.header("To") or one.letter.header("Cc")
    return one.letter.header("From")


def _said(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment else None


def _write(line: str) -> None:
    """Past rich, which would read markup and emoji codes in it."""
    sys.stdout.write(
        line.encode(sys.stdout.encoding or "ascii", "replace").decode(sys.stdout.encoding or "ascii")
    )
    sys.stdout.write("\n")
