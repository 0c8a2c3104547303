"""Encodes a user's mail as MIME (Z16), for every provider that takes this form."""

import re
from collections.abc import Iterator, Sequence
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP

from domain.mail.composition import KEY_HEADER, OutgoingMail, Person, check_words, for_header
from domain.mail.file_types import by_name

_PLAIN = re.compile(r"[!-~]{1,60}(?: [!-~]{1,60})*")
_POLICY = SMTP.clone(cte_type="7bit")


def encode(mail: OutgoingMail, key: str) -> bytes:
    """The mail as bytes, with `key` in the header KEY_HEADER. Raises Unsendable.

    The address headers and the subject are written here, by email.header: the newer classes of the email package
    put encoded words into long References and lose spaces where they fold.
    """
    check_words(mail)
    head = "".join(f"{name}: {value}\r\n" for name, value in _headers(mail, key))
    return head.encode() + _content(mail).as_bytes()


def _headers(mail: OutgoingMail, key: str) -> Iterator[tuple[str, str]]:
    yield "From", _people("From", [mail.sender])
    yield "To", _people("To", mail.to)
    if mail.cc:
        yield "Cc", _people("Cc", mail.cc)
    yield "Subject", _words("Subject", mail.subject)
    if mail.replies_to and (chain := mail.replies_to.chain()):
        yield "In-Reply-To", f"<{chain[-1]}>"
        yield "References", "\r\n ".join(f"<{one}>" for one in chain)
    yield KEY_HEADER, key


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
        main, _, sub = by_name(attachment.name).partition("/")
        message.add_attachment(
            attachment.content, maintype=main, subtype=sub, filename=_tidy(attachment.name)
        )
    return message


def _tidy(name: str) -> str:
    """Without spaces at the ends; several spaces become one."""
    return " ".join(name.split())
