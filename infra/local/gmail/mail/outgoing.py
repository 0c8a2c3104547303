"""Changes an outgoing mail as Gmail does: the sender is the account, the Message-ID is Google's (FACTS §3)."""

import re
import secrets
from collections.abc import Collection
from email.utils import formataddr, formatdate, getaddresses

from infra.local.gmail.http.errors import invalid
from infra.local.gmail.mail import headers

RECIPIENTS = ("To", "Cc", "Bcc")
MAX_RECIPIENTS = 500
ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")


def recipients(raw: bytes) -> list[str]:
    """The addresses in To, Cc and Bcc, each once, in lower case. Raises 400 for none, too many, or a bad one."""
    found: dict[str, None] = {}
    for name in RECIPIENTS:
        for value in values(raw, name):
            addresses = [address for _, address in pairs([value]) if address]
            nobody = not addresses and value and not value.endswith(";")
            if nobody or not all(map(ADDRESS.fullmatch, addresses)):
                raise invalid(f"Invalid {name} header")
            found |= dict.fromkeys(address.lower() for address in addresses)
    if not found:
        raise invalid("Recipient address required")
    if len(found) > MAX_RECIPIENTS:
        raise invalid(f"Too many recipients: {len(found)} of {MAX_RECIPIENTS}")
    return list(found)


def made_ready(raw: bytes, address: str, own: Collection[str]) -> bytes:
    """The mail as it leaves and as the Sent copy shows it, Bcc and further headers as they were.

    A From that is none of our `own` becomes the account's `address`; a missing Date is added.
    """
    new = [f"Message-ID: <CA{secrets.token_urlsafe(30)}@mail.gmail.com>"]
    gone = ["Message-ID"]
    written = pairs(values(raw, "From"))
    if len(written) != 1 or written[0][1].lower() not in own:
        name = written[0][0] if written else ""
        new.append(f"From: {formataddr((name, address))}")
        new += [f"X-Google-Original-From: {value}" for value in values(raw, "From")[:1]]
        gone.append("From")
    if not values(raw, "Date"):
        new.append(f"Date: {formatdate()}")
    return "".join(f"{line}\r\n" for line in new).encode("utf-8", "replace") + without(raw, *gone)


def without(raw: bytes, *names: str) -> bytes:
    """The mail without these headers."""
    head_end, body = headers.body_start(raw, 0, len(raw))
    wanted = "|".join(names).encode()
    field = re.compile(rb"^(?:" + wanted + rb")[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*(?:\n|\Z)", re.I | re.M)
    line_end = raw[head_end : head_end + 1]
    kept = field.sub(b"", raw[:head_end] + line_end)
    return kept + raw[head_end + len(line_end) : body] + raw[body:]


def written(person: tuple[str, str]) -> str:
    """Name and address as a header has them."""
    return formataddr(person)


def pairs(values: list[str]) -> list[tuple[str, str]]:
    """(name, address) of what can be read as such; comments without end are more than the library takes."""
    try:
        return [pair for pair in getaddresses(values) if any(pair)]
    except RecursionError:
        return []


def values(raw: bytes, name: str) -> list[str]:
    """What a header says, each time that it is there."""
    head_end, _ = headers.body_start(raw, 0, len(raw))
    return [value for have, value in headers.read(raw, 0, head_end) if have.lower() == name.lower()]
