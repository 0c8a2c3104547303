"""Who wrote a mail whose From a mailing list or group has replaced by its own address (E100)."""

import re
from urllib.parse import unquote

from domain.address_lists import read_list, read_lists, read_one
from domain.canonical import MAX_ADDRESS, canonical
from domain.headers import MAX_HEADER, Fields, filled

_MAILTO = re.compile(rf"mailto:([^\s>?,;]{{1,{MAX_ADDRESS * 3}}}+)", re.IGNORECASE)
_GROUP = re.compile(r"\s*+list\s++([^\s;]++)", re.IGNORECASE)
_LIST_ID = re.compile(r"<([^<>]*+)>")


def is_rewritten(fields: Fields, from_address: str) -> bool:
    """Only when a header shows that the From address is the list's own.

    Never by the words "via ..." in a display name, which anybody may write, and never by the mere presence of
    List-Id or of X-Original-From: most lists leave From alone, and some relays name an original author on
    mail that is the author's own.
    """
    return from_address in _list_addresses(fields) or _is_list_id(fields, from_address)


def original_author(fields: Fields, from_address: str) -> str | None:
    """The first header that names somebody other than the list decides, even if it cannot be read (E105)."""
    ours = _list_addresses(fields) | {from_address}
    for name in ("x-original-from", "x-original-sender"):
        if values := filled(fields, name):
            author = read_one(*values)
            if author not in ours:
                return author
    replies = filled(fields, "reply-to")
    if len(replies) != 1:
        return None
    found = read_list(replies[0])
    others = [address for address in found.addresses if address not in ours]
    return others[0] if found.certain and len(others) == 1 else None


def _list_addresses(fields: Fields) -> frozenset[str]:
    """List-Post by itself; where a List-Id or a Google group is named, what else tells that one's address."""
    found = {canonical(unquote(m[1])) for value in fields.get("list-post", ()) for m in _mailtos(value)}
    if filled(fields, "list-id") or filled(fields, "x-google-group-id"):
        found |= {canonical(value) for value in fields.get("x-beenthere", ())}
        found |= {canonical(m[1]) for value in fields.get("mailing-list", ()) if (m := _GROUP.match(value))}
    return frozenset(address for address in found if address)


def _mailtos(value: str) -> list[re.Match[str]]:
    return list(_MAILTO.finditer(value[:MAX_HEADER]))


def _is_list_id(fields: Fields, from_address: str) -> bool:
    """A list's id is its address with a dot for the `@`. A group's post was addressed to the group."""
    dotted = from_address.replace("@", ".")
    for value in filled(fields, "list-id"):
        bracketed = _LIST_ID.findall(value[:MAX_HEADER])
        if (bracketed[-1] if bracketed else value).strip().lower().replace("@", ".") == dotted:
            return True
    if not filled(fields, "x-google-group-id"):
        return False
    return from_address in read_lists([*fields.get("to", ()), *fields.get("cc", ())])
