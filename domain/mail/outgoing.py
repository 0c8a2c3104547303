"""A mail that a user has written in the CRM as it is kept until its sent copy is there (H7, H40)."""

import re
from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime
from email.utils import format_datetime

from domain.mail.composition import Attachment, OutgoingMail, Person, for_header
from domain.mail.content import MailContent, MimePart
from domain.mail.file_types import by_name
from domain.mail.folders import Folder

_MARKS = re.compile(r'(["\\])')


def as_content(mail: OutgoingMail, now: datetime) -> MailContent:
    """The mail as its mailbox would show it. Message id, thread and Message-ID are the provider's to give, so it has
    none."""
    head = tuple(_headers(mail, now))
    text = mail.text.encode()
    kind = ("Content-Type", "text/plain; charset=utf-8")
    if not mail.attachments:
        body = MimePart("text/plain", (*head, kind), size=len(text), content=text)
    else:
        parts = (
            MimePart("text/plain", (kind,), size=len(text), content=text),
            *map(_file, mail.attachments),
        )
        body = MimePart("multipart/mixed", head, parts=parts)
    return MailContent("", "", Folder.SENT, now, "", body, sent=True)


def _headers(mail: OutgoingMail, now: datetime) -> Iterator[tuple[str, str]]:
    yield "From", _person(mail.sender)
    yield "To", ", ".join(map(_person, mail.to))
    if mail.cc:
        yield "Cc", ", ".join(map(_person, mail.cc))
    yield "Subject", _words(mail.subject)
    yield "Date", format_datetime(now)
    if mail.replies_to and (chain := mail.replies_to.chain()):
        yield "In-Reply-To", f"<{chain[-1]}>"
        yield "References", " ".join(f"<{one}>" for one in chain)


def _person(person: Person) -> str:
    address, name = for_header(person.address), " ".join(person.name.split())
    if "=?" in name:
        return f"{_words(name)} <{address}>"
    quoted = _MARKS.sub(r"\\\1", name)
    return f'"{quoted}" <{address}>' if name else address


def _words(text: str) -> str:
    """As it is. What would be taken for an encoded word is made one (RFC 2047)."""
    return f"=?utf-8?b?{b64encode(text.encode()).decode()}?=" if "=?" in text else text


def _file(attachment: Attachment) -> MimePart:
    return MimePart(
        by_name(attachment.name),
        filename=attachment.name,
        size=len(attachment.content),
        content=attachment.content,
    )
