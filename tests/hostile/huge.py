"""Mails too large to be kept in a file, each made when it is needed, with its reading beside it."""

from collections.abc import Callable
from dataclasses import dataclass

from domain.mail.classes import MailClass
from tests.hostile.readings import UWE, Reading, anns, nobodys

MEGABYTE = 1_000_000
SHOWN = 1_000
"""Recipients of a reading that are compared."""


@dataclass(frozen=True, slots=True)
class Huge:
    """`make` gives the mail; `reading.to` are its first recipients."""

    make: Callable[[], bytes]
    reading: Reading


def mail(sender: bytes, *headers: bytes, to: bytes = UWE.encode(), body: bytes = b"Hello.\r\n") -> bytes:
    """A mail of Ann's or nobody's."""
    return b"\r\n".join([b"From: " + sender, b"To: " + to, *headers, b"", body])


def guests(number: int) -> list[str]:
    """So many recipients, the user being the 900th."""
    found = [f"guest{n:06}@example.net" for n in range(number)]
    found[899] = UWE
    return found


def nested_parts(depth: int) -> bytes:
    """One part in another, down to a text."""
    head = [f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(depth)]
    return "".join([*head, "Content-Type: text/plain\r\n\r\nHello.\r\n"]).encode()


WRITER = b"Ann <ann@example.com>"
EVERYBODY = tuple(guests(SHOWN))

HUGE = {
    "a header of 10 MB": Huge(lambda: mail(WRITER, b"X-Long: " + b"x" * 10 * MEGABYTE), anns()),
    "a subject of 10 MB in four-byte characters": Huge(
        lambda: mail(WRITER, b"Subject: " + "🜁".encode() * (10 * MEGABYTE // 4)), anns()
    ),
    "a From of 10 MB": Huge(lambda: mail(b'"' + b"a" * 10 * MEGABYTE + b'" <ann@example.com>'), nobodys()),
    "a From of 10 MB of encoded words": Huge(
        lambda: mail(b"=?utf-8?B?QW5u?= " * (10 * MEGABYTE // 17) + b"<ann@example.com>"), nobodys()
    ),
    "a From of 1,000,000 nested comments": Huge(
        lambda: mail(b"(" * MEGABYTE + b")" * MEGABYTE + WRITER), nobodys()
    ),
    "a From of 100,000 nested comments": Huge(lambda: mail(b"(" * 100_000 + b")" * 100_000 + WRITER), anns()),
    "a To of 1,000,000 nested comments": Huge(
        lambda: mail(WRITER, to=b"(" * MEGABYTE + b")" * MEGABYTE + UWE.encode()),
        anns(to=(), notified=False),
    ),
    "100,000 recipients": Huge(
        lambda: mail(WRITER, to=", ".join(guests(100_000)).encode()), anns(to=EVERYBODY)
    ),
    "100,000 recipients in copy": Huge(
        lambda: mail(WRITER, b"Cc: " + ",\r\n ".join(guests(100_000)).encode(), to=b"ed@example.net"),
        anns(to=("ed@example.net",), cc=EVERYBODY),
    ),
    "50,000 headers": Huge(lambda: mail(WRITER, *(b"X-%d: x" % n for n in range(50_000))), anns()),
    "50,000 To fields": Huge(
        lambda: mail(
            WRITER, *(f"To: {a}".encode() for a in guests(50_000)[1:]), to=b"guest000000@example.net"
        ),
        anns(to=EVERYBODY),
    ),
    "50,000 From fields": Huge(lambda: mail(WRITER, *[b"From: " + WRITER] * 50_000), nobodys()),
    "50,000 headers of a list": Huge(
        lambda: mail(
            WRITER,
            *(
                b"List-Id: <%d.lists.example>\r\nList-Post: <mailto:%d@lists.example>" % (n, n)
                for n in range(25_000)
            ),
        ),
        anns(mail_class=MailClass.LIST),
    ),
    "References of 10 MB": Huge(
        lambda: mail(WRITER, b"References: " + b"<x@example.com> " * (10 * MEGABYTE // 16)), anns()
    ),
    "parts 10,000 deep": Huge(lambda: mail(WRITER, nested_parts(10_000)), anns()),
    "20,000 parts": Huge(
        lambda: mail(
            WRITER,
            b"Content-Type: multipart/mixed; boundary=b",
            body=b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" * 20_000,
        ),
        anns(),
    ),
    "a content type of 10 MB": Huge(
        lambda: mail(WRITER, b"Content-Type: text/calendar" + b';x="' * (10 * MEGABYTE // 4)), anns()
    ),
}
