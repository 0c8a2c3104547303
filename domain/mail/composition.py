"""A mail that a user writes in the CRM, and its MIME form (Z16, D14). What could forge a header is refused."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from enum import StrEnum
from mimetypes import MimeTypes

from domain.errors import LodestoneError
from domain.mail.addresses import canonical
from domain.mail.headers import breaks, rfc_message_ids
from domain.mail.subjects import MAX_SUBJECT, is_same, subject_of_answer

MAX_SIZE = 36_700_160
"""Bytes of a mail that Gmail takes, encoded (FACTS §3). Nothing of ours is smaller in LIVE (D14)."""

MAX_RECIPIENTS = 500
MAX_NAME = 255
KEY_HEADER = "X-Lodestone-Key"
NEWEST = "newest"

_LONGEST_CHAIN = 50
_PLAIN = re.compile(r"[!-~]{1,60}(?: [!-~]{1,60})*")
_ATOMS = re.compile(r"[^\s()<>\[\]:;@\\,\".]+(?:\.[^\s()<>\[\]:;@\\,\".]+)*")
_POLICY = SMTP.clone(cte_type="7bit")
_TYPES = MimeTypes()


class Unsendable(LodestoneError):
    """A mail that may not leave; the text says why and holds nothing of it (D2)."""


@dataclass(frozen=True, slots=True)
class Person:
    """An address as somebody gave it, and the name that stands beside it."""

    address: str = field(repr=False)
    name: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file; its type is told by its name."""

    name: str = field(repr=False)
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RepliedMail:
    """The mail that is answered, as its mailbox has it. Lives in memory only (D2)."""

    thread_id: str
    rfc_message_id: str = field(repr=False)
    references: str = field(repr=False)
    subject: str = field(repr=False)


class MailKind(StrEnum):
    """Who had a mail written. Only what one user writes by hand goes through his mailbox (D15)."""

    INDIVIDUAL = "individual"
    BULK = "bulk"
    WORKFLOW = "workflow"


@dataclass(frozen=True, slots=True)
class MailRequest:
    """A mail as the CRM hands it over. Lives in memory only (D2).

    To a record of the CRM, to addresses, or to those of a record's addresses that are named. `reply_to` is the
    Gmail id of the mail that it answers, in the sender's own mailbox; NEWEST is the newest that a person of the
    record has written. An answer needs no subject, and nobody named goes to whom that mail says: `to_all` with
    everybody it names. It quotes that mail below, or not (H45).
    """

    user_id: str
    text: str = field(repr=False)
    subject: str | None = field(repr=False, default=None)
    contact_id: str | None = None
    to: tuple[Person, ...] = ()
    cc: tuple[Person, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    reply_to: str | None = None
    to_all: bool = False
    quote: bool = True
    kind: MailKind = MailKind.INDIVIDUAL


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """A mail as it was written. An answer keeps the subject of what it answers (FACTS §3)."""

    sender: Person
    to: tuple[Person, ...]
    subject: str = field(repr=False)
    text: str = field(repr=False)
    cc: tuple[Person, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    answers: RepliedMail | None = None


def encode(mail: OutgoingMail, key: str) -> bytes:
    """The mail as bytes, with `key` in a header of its own. Raises Unsendable.

    The address headers and the subject are written here, by email.header: the newer classes of the email package
    put encoded words into long References and lose spaces where they fold.
    """
    check(mail)
    head = "".join(f"{name}: {value}\r\n" for name, value in _headers(mail, key))
    raw = head.encode() + _content(mail).as_bytes()
    if len(raw) > MAX_SIZE:
        raise _too_large()
    return raw


def check(mail: OutgoingMail) -> None:
    """What can be said without encoding anything. Raises Unsendable."""
    if not mail.to:
        raise Unsendable("a mail needs a recipient")
    if len(mail.to) + len(mail.cc) > MAX_RECIPIENTS:
        raise Unsendable(f"a mail may have {MAX_RECIPIENTS} recipients at most")
    for where, people in {"From": (mail.sender,), "To": mail.to, "Cc": mail.cc}.items():
        for number, one in enumerate(people, 1):
            _line("a name", one.name, MAX_NAME)
            for_header(one.address, f"address {number} of {where}")
    _line("the subject", mail.subject, MAX_SUBJECT)
    if "\0" in mail.text or not _is_utf8(mail.text):
        raise Unsendable("the text has characters that are none: is it a text file in UTF-8?")
    for attachment in mail.attachments:
        _line("the name of an attachment", attachment.name, MAX_NAME)
        if not attachment.name.strip():
            raise Unsendable("an attachment has no name")
    if sum(len(attachment.content) for attachment in mail.attachments) > MAX_SIZE:
        raise _too_large()


def for_header(address: str, which: str = "an address") -> str:
    """The address as it goes into a header: the domain in its ASCII form, the local part as it was given, in
    UTF-8 where it is not ASCII (RFC 6532). Raises Unsendable for what is no address: `which` it was, in words."""
    exact = canonical(address) if not any(map(breaks, address)) else None
    if exact is None:
        raise Unsendable(f"{which} is no e-mail address")
    local = address.strip().rpartition("@")[0]
    if not local.startswith('"') and not _ATOMS.fullmatch(local):
        local = f'"{local}"'  # dots where none may be
    return f"{local}@{exact.rpartition('@')[2]}"


def answering(original: RepliedMail, subject: str | None) -> str:
    """The subject of an answer. Gmail joins what has another one to no thread. Raises Unsendable."""
    if subject is not None and not is_same(subject, original.subject):
        raise Unsendable("an answer keeps the subject of its thread: leave the subject out")
    return subject_of_answer(original.subject)


def _headers(mail: OutgoingMail, key: str) -> Iterator[tuple[str, str]]:
    yield "From", _people("From", [mail.sender])
    yield "To", _people("To", mail.to)
    if mail.cc:
        yield "Cc", _people("Cc", mail.cc)
    yield "Subject", _words("Subject", mail.subject)
    if mail.answers and (chain := _chain(mail.answers)):
        yield "In-Reply-To", f"<{chain[-1]}>"
        yield "References", "\r\n ".join(f"<{one}>" for one in chain)
    yield KEY_HEADER, key


def _chain(original: RepliedMail) -> list[str]:
    """The first mail of the thread, and the last ones up to the one that is answered, by RFC 5322."""
    [*own] = rfc_message_ids(original.rfc_message_id)[:1]
    if not own:
        return []
    before = [one for one in rfc_message_ids(original.references) if one not in own]
    return [*before[:1], *before[1:][-_LONGEST_CHAIN:], *own]


def _people(header: str, people: Sequence[Person]) -> str:
    return ",\r\n ".join(_person(header, one) for one in people)


def _person(header: str, person: Person) -> str:
    address = for_header(person.address)
    name = _tidy(person.name)
    if not name:
        return address
    if _PLAIN.fullmatch(name) and "=?" not in name:
        escaped = re.sub(r'(["\\])', r"\\\1", name)
        return f'"{escaped}" <{address}>'
    return f"{_encoded(header, name)} <{address}>"


def _words(header: str, text: str) -> str:
    """Words of ASCII as they are, everything else in encoded words (RFC 2047)."""
    if not text or (_PLAIN.fullmatch(text) and "=?" not in text):
        return Header(text, "us-ascii", header_name=header).encode(linesep="\r\n")
    return _encoded(header, text)


def _encoded(header: str, text: str) -> str:
    return Header(text, "utf-8", header_name=header).encode(linesep="\r\n")


def _content(mail: OutgoingMail) -> EmailMessage:
    message = EmailMessage(policy=_POLICY)
    message.set_content(mail.text, charset="utf-8")
    for attachment in mail.attachments:
        main, sub = _type_of(attachment.name)
        message.add_attachment(
            attachment.content, maintype=main, subtype=sub, filename=_tidy(attachment.name)
        )
    return message


def _type_of(name: str) -> tuple[str, str]:
    """What is compressed has the type of nothing; a mail as a file must not be base64, which we use for all."""
    kind, compression = _TYPES.guess_type(f"file:{name}")
    main, _, sub = (kind or "").partition("/")
    if compression or not sub or main in ("message", "multipart"):
        return "application", "octet-stream"
    return main, sub


def _tidy(name: str) -> str:
    """Spaces at the ends, and several of them, do not come through."""
    return " ".join(name.split())


def _line(what: str, text: str, longest: int) -> None:
    if any(map(breaks, text)):
        raise Unsendable(f"{what} has a line break or another control character")
    if len(text) > longest:
        raise Unsendable(f"{what} is longer than {longest} characters")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _too_large() -> Unsendable:
    return Unsendable(f"the mail is larger than Gmail takes: {MAX_SIZE} bytes with its attachments encoded")
