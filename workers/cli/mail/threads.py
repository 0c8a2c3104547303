"""A conversation as words for people, safe for their terminal, and as JSON for programs."""

import textwrap
from collections.abc import Iterator, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any

from domain.conversations.reading import KeptFile, KeptMail, KeptParticipant
from domain.conversations.states import MailState
from domain.mail.content import MimePart
from domain.mail.copied import FileState, Role, is_unreadable
from domain.mail.delivery_reports import Action
from domain.mail.messages import Direction
from domain.mail.quotes import folded
from domain.mail.safe_text import safe_line, safe_text
from handlers.conversations.reading import LOST, NOT_YET, UNREADABLE, OpenedConversation, ShownMail
from workers.cli.mail.reasons import reason_in_words
from workers.cli.terminal.safe import write_line
from workers.cli.terminal.times import in_zone, timestamp

Saved = Mapping[str, Path | None]
"""Where each file of a mail was saved, by its part; None where it could not be read."""

WIDTH = 80
MOST_NAMED = 12
"""Recipients of a mail that are shown to people; --json has all."""

_TROUBLES = {
    NOT_YET: "it is on its way",
    LOST: "the object store has it no more",
    UNREADABLE: "what the object store has of it cannot be opened",
    "objects_full": "the object store takes no more",
    "objects_refused": "the object store does not let us in",
    "objects_away": "the object store does not answer",
}
_WAYS = {
    Direction.INBOUND: "in",
    Direction.OUTBOUND: "out",
    Direction.INTERNAL: "team",
    Direction.SELF: "self",
}
_STATES = {
    MailState.SENDING: "being sent",
    MailState.FAILED: "not sent",
    MailState.NOT_DELIVERED: "not delivered",
    MailState.ANSWERED: "answered",
    MailState.DELAYED: "delayed",
    MailState.SENT: "sent",
}
_DELIVERIES = {Action.FAILED: "not delivered", Action.DELAYED: "delayed"}
_FILES = {
    FileState.WAITING: "being fetched",
    FileState.TOO_LARGE: "too large to be kept: it is in the mailbox",
    FileState.GONE: "no longer in the mailbox",
    FileState.WITHIN: "within the mail",
}


def show_head(opened: OpenedConversation) -> None:
    """What it is about, with whom, how many mails it has."""
    one = opened.conversation
    write_line(safe_line(one.subject) or "(no subject)")
    mails = f"{one.mails} {'mail' if one.mails == 1 else 'mails'}"
    write_line(safe_line(f"{one.contact_name} ({one.contact_id}), {mails}, {one.state}"))


def show_mail(one: ShownMail, zone: tzinfo, saved: Saved, *, all_text: bool) -> None:
    """Who, when and to whom; what it says; its files."""
    mail = one.mail
    write_line("")
    _wrapped(f"{in_zone(mail.received_at, zone)}  {_author(mail)}")
    _wrapped(f"    {', '.join(_marks(mail))}; {mail.id}")
    for role in (Role.TO, Role.CC, Role.BCC):
        if people := [_person(each) for each in mail.participants if each.role is role]:
            more = len(people) - MOST_NAMED
            _wrapped(
                f"    {role.value.title()}: {', '.join(people[:MOST_NAMED])}"
                + (f" and {more} more" if more > 0 else "")
            )
    write_line("")
    for line in _text(one, all_text=all_text):
        write_line(line)
    files = listed(mail)
    if files:
        write_line("")
    for number, file in enumerate(files, 1):
        _wrapped(_file(number, file, saved))


def head_as_json(opened: OpenedConversation) -> dict[str, Any]:
    """The same, by name."""
    one = opened.conversation
    return {
        "conversation_id": one.id,
        "contact_id": one.contact_id,
        "name": one.contact_name,
        "conversation_state": one.state,
        "subject": one.subject,
        "mail_count": one.mails,
        "started_at": timestamp(one.started_at),
        "last_mail_at": timestamp(one.last_mail_at),
    }


def mail_as_json(one: ShownMail, saved: Saved) -> dict[str, Any]:
    """The same, by name. `send --reply-to` takes the `mail_id`."""
    mail = one.mail
    text = None if one.body is None else folded(one.body.text(), mail.subject)
    return {
        "mail_id": mail.id,
        "rfc_message_id": mail.rfc_message_id,
        "direction": mail.direction.value,
        "from": mail.author,
        "from_name": mail.author_name,
        "sent_by_user_id": mail.user_id,
        "sent_at": timestamp(mail.sent_at),
        "received_at": timestamp(mail.received_at),
        "new": mail.is_new,
        "mail_class": mail.mail_class.value,
        "automatic": mail.automatic,
        "via_list": mail.via_list,
        "mail_state": mail.shown_state and mail.shown_state.value,
        "reason": reason_in_words(mail.reason) if mail.reason else None,
        "subject": mail.subject,
        "preview": mail.preview,
        "content_trouble": one.trouble,
        "own_text": text and text.above,
        "quoted_text": text and text.quoted,
        "text_below": text and text.below,
        "participants": [
            {
                "role": each.role.value,
                "address": each.address,
                "name": each.name,
                "contact_id": each.contact_id,
                "delivery": each.delivery and each.delivery.value,
            }
            for each in mail.participants
        ],
        "files": [_file_as_json(number, file, saved) for number, file in enumerate(mail.files, 1)],
    }


def listed(mail: KeptMail) -> list[KeptFile]:
    """The files that are listed: what the text shows in its place is not (H46)."""
    return [file for file in mail.files if not file.inline]


def _file_as_json(number: int, file: KeptFile, saved: Saved) -> dict[str, Any]:
    path = saved.get(file.part)
    return {
        "number": number,
        "file_name": file.name,
        "mime_type": file.claimed_type,
        "sniffed_type": file.sniffed_type,
        "size_bytes": file.size,
        "inline": file.inline,
        "file_state": file.state.value,
        "saved_as": path and str(path),
    }


def _author(mail: KeptMail) -> str:
    if mail.author_name and mail.author:
        return f"{mail.author_name} <{mail.author}>"
    return mail.author_name or mail.author or "(nobody named)"


def _person(one: KeptParticipant) -> str:
    who = f"{one.name} <{one.address}>" if one.name and one.name != one.address else one.address
    return f"{who} ({_DELIVERIES[one.delivery]})" if one.delivery else who


def _marks(mail: KeptMail) -> Iterator[str]:
    yield _WAYS[mail.direction]
    if mail.is_new:
        yield "new"
    if mail.automatic:
        yield "automatic"
    if mail.via_list:
        yield "via a list"
    if mail.shown_state is not None:
        why = f" ({reason_in_words(mail.reason)})" if mail.reason else ""
        yield _STATES[mail.shown_state] + why


def _text(one: ShownMail, *, all_text: bool) -> Iterator[str]:
    """What it says, the part that it repeats of others folded to a line."""
    if one.body is None:
        trouble = one.trouble or ""
        yield f"its content cannot be read now: {_TROUBLES.get(trouble, trouble)}"
        return
    if is_unreadable(one.body):
        yield "(its text cannot be read: it is encrypted, or too long to have come along)"
        return
    yield from _said(one.body, one.mail.subject, all_text=all_text)


def _said(body: MimePart, subject: str, *, all_text: bool) -> Iterator[str]:
    text = body.text()
    parts = folded(text, subject)
    if all_text or not parts.quoted:
        yield safe_text(text) or "(no text)"
        return
    yield safe_text(parts.above)
    yield f"… {parts.quoted_lines} quoted {'line' if parts.quoted_lines == 1 else 'lines'}: --all-text"
    if parts.below:
        yield safe_text(parts.below)


def _file(number: int, file: KeptFile, saved: Saved) -> str:
    told = [file.sniffed_type or file.claimed_type, f"{file.size} {'byte' if file.size == 1 else 'bytes'}"]
    told += [_FILES[file.state]] if file.state in _FILES else []
    if file.part in saved:
        path = saved[file.part]
        told.append(f"saved as {path}" if path else "cannot be read now")
    return f"File {number}: {file.name or '(no name)'} ({', '.join(told)})"


def _wrapped(line: str) -> None:
    """One safe line, over as many of the terminal's as it takes."""
    indent = line[: len(line) - len(line.lstrip())]
    for piece in textwrap.wrap(
        safe_line(line), WIDTH, initial_indent=indent, subsequent_indent=indent + "  "
    ):
        write_line(piece)
