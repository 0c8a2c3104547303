"""A mail that a user writes in the CRM, and what may be sent (Z16, D14). What could forge a header is refused."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from domain.errors import LodestoneError
from domain.mail.addresses import canonical
from domain.mail.attachments import MAX_ATTACHMENTS, all_fit
from domain.mail.headers import breaks, rfc_message_ids
from domain.mail.subjects import MAX_SUBJECT, is_same, subject_of_reply
from domain.providers import Provider

MAX_NAME = 255
NEWEST = "newest"

KEY_HEADER = "X-Lodestone-Key"
"""By which a mail that was sent for us is known again (Z16)."""

_LONGEST_CHAIN = 50
_ATOMS = re.compile(r"[^\s()<>\[\]:;@\\,\".]+(?:\.[^\s()<>\[\]:;@\\,\".]+)*")


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
    """The mail that is answered, as the mailbox has it that sends the answer: `message_id` and `thread_id` are empty
    where it does not lie there. `rfc_message_id` and `references` are what these headers hold. Lives in memory only
    (D2)."""

    message_id: str
    thread_id: str
    rfc_message_id: str = field(repr=False)
    references: str = field(repr=False)
    subject: str = field(repr=False)

    def chain(self) -> tuple[str, ...]:
        """RFC message ids for the References of an answer (RFC 5322): the first mail of the thread, and the last ones
        up to the mail that is answered. Empty where that has no id."""
        own = rfc_message_ids(self.rfc_message_id)[:1]
        if not own:
            return ()
        before = [one for one in rfc_message_ids(self.references) if one not in own]
        return (*before[:1], *before[1:][-_LONGEST_CHAIN:], *own)


class MailKind(StrEnum):
    """Who had a mail written. Only what one user writes by hand goes through his mailbox (D15)."""

    INDIVIDUAL = "individual"
    BULK = "bulk"
    WORKFLOW = "workflow"


@dataclass(frozen=True, slots=True)
class MailRequest:
    """A mail as the CRM hands it over. Lives in memory only (D2).

    To a record of the CRM, to addresses, or to those of a record's addresses that are named. `reply_to` is the
    message id of the mail that it answers, in the sender's own mailbox; NEWEST is the newest that a person of the
    record has written. With a `conversation_id` it is our id of a mail of that conversation, and NEWEST is the newest
    that came in and a person has written. An answer needs no subject. Without a named recipient it goes to whom that
    mail says, with `to_all` to everybody it names. It quotes that mail below, or not (H45).
    """

    user_id: str
    text: str = field(repr=False)
    subject: str | None = field(repr=False, default=None)
    contact_id: str | None = None
    to: tuple[Person, ...] = ()
    cc: tuple[Person, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    reply_to: str | None = None
    conversation_id: str | None = None
    to_all: bool = False
    quote: bool = True
    kind: MailKind = MailKind.INDIVIDUAL


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """A mail as it is to leave, in no provider's form. An answer keeps the subject of the mail that it `replies_to`:
    with another one it would lie in no thread (FACTS §3)."""

    sender: Person
    to: tuple[Person, ...]
    subject: str = field(repr=False)
    text: str = field(repr=False)
    cc: tuple[Person, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    replies_to: RepliedMail | None = None


@dataclass(frozen=True, slots=True)
class EncodedMail:
    """A mail in the form in which its provider takes it, with its key. Lives in memory only (D2)."""

    content: bytes = field(repr=False)
    replies_to: RepliedMail | None = None


def check(mail: OutgoingMail, provider: Provider, *, kept: bool) -> None:
    """Whether this provider takes it, as far as that can be said without encoding it, and, of a mail
    that is kept, whether its files are within D14: else no limit of ours is lower. Raises Unsendable."""
    if not mail.to:
        raise Unsendable("a mail needs a recipient")
    if len(mail.to) + len(mail.cc) > provider.max_recipients:
        raise Unsendable(f"a mail may have {provider.max_recipients} recipients at most")
    check_words(mail)
    sizes = [len(attachment.content) for attachment in mail.attachments]
    if kept and not all_fit(sizes):
        megabytes = MAX_ATTACHMENTS // 1_048_576
        raise Unsendable(
            f"the attachments are larger than {megabytes} MB together, which is the limit (rule D14)"
        )
    if not may_fit(sizes, provider.max_mail_size):
        raise too_large(provider.title, provider.max_mail_size)


def check_words(mail: OutgoingMail) -> None:
    """Whether its addresses, names, subject and text can stand in a mail, and add no header. Raises Unsendable."""
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


def may_fit(sizes: Iterable[int], max_size: int) -> bool:
    """Whether files of these sizes can be in a mail of `max_size`, all in bytes. base64 makes four bytes of three; what
    a mail has beside its files is known once it is encoded."""
    return sum(sizes) * 4 <= max_size * 3


def too_large(title: str, max_size: int) -> Unsendable:
    """What is said of a mail of more bytes than the provider of this title takes."""
    return Unsendable(f"the mail is larger than {title} takes: {max_size} bytes with its attachments encoded")


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


def reply_subject(original: RepliedMail, subject: str | None) -> str:
    """The subject of an answer; with another one it would lie in no thread. Raises Unsendable."""
    if subject is not None and not is_same(subject, original.subject):
        raise Unsendable("an answer keeps the subject of its thread: leave the subject out")
    return subject_of_reply(original.subject)


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
