"""Who wrote a mail whose From a mailing list or group has replaced by its own address (E100)."""

import re
from urllib.parse import unquote

from domain.mail.address_lists import read_fields, read_lists, read_one
from domain.mail.addresses import is_one_of
from domain.mail.canonical import MAX_ADDRESS, canonical
from domain.mail.headers import MAX_HEADER, Fields, filled

_MAILTO = re.compile(rf"mailto:([^\s>?,;]{{1,{MAX_ADDRESS * 3}}}+)", re.IGNORECASE)
_GROUP = re.compile(r"\s*+list\s++([^\s;]++)", re.IGNORECASE)
_LIST_ID = re.compile(r"<([^<>]*+)>")
_ORIGINALS = ("x-original-from", "x-original-sender")


def list_addresses(fields: Fields, own: frozenset[str]) -> frozenset[str]:
    """The addresses of the list a mail came through, none where it came through none.

    A group known by several names tells only one of them in its headers, and a post was addressed to the one
    that stands in From. So with a Google group To and Cc count too, unless its headers tell all there is to
    tell: there the writer himself may stand in copy. Whom an original header names is no list.
    """
    named = _named(fields)
    if not filled(fields, "x-google-group-id"):
        return named
    shown = read_lists(fields.get("from", ()))
    originals = {name: read_one(*filled(fields, name)) for name in _ORIGINALS}
    sender = originals["x-original-sender"]
    if named and (sender is None or sender in shown):
        return named
    writers = frozenset(originals.values()) - frozenset(shown)
    addressed = frozenset(read_lists([*fields.get("to", ()), *fields.get("cc", ())])) - writers
    return named | {address for address in addressed if not is_one_of(address, own)}


def is_rewritten(fields: Fields, from_address: str, own: frozenset[str]) -> bool:
    """Only when a header shows that the From address is the list's own.

    Never by the words "via ..." in a display name, which anybody may write, and never by the mere presence of
    List-Id or of X-Original-From: most lists leave From alone, and some relays name an original author on
    mail that is the author's own. Nor where the list says that From is the one who sent it.
    """
    if from_address not in list_addresses(fields, own):
        return False
    return read_one(*filled(fields, "x-original-sender")) != from_address


def original_author(fields: Fields, from_address: str, own: frozenset[str]) -> str | None:
    """The first header that names somebody other than the list, with certainty (E105)."""
    lists = list_addresses(fields, own) | {from_address}
    for name in _ORIGINALS:
        author = read_one(*filled(fields, name))
        if author is not None and author not in lists:
            return author
    replies = read_fields(filled(fields, "reply-to"))
    others = [address for address in replies.addresses if address not in lists]
    return others[0] if replies.certain and len(others) == 1 else None


def _named(fields: Fields) -> frozenset[str]:
    """What the headers of a list say of its address."""
    found = {canonical(unquote(m[1])) for value in fields.get("list-post", ()) for m in _mailtos(value)}
    found |= {canonical(m[1]) for value in fields.get("mailing-list", ()) if (m := _GROUP.match(value))}
    found |= {*read_lists(fields.get("x-beenthere", ()))}
    found |= {_by_id(value) for value in filled(fields, "list-id")}
    return frozenset(address for address in found if address)


def _mailtos(value: str) -> list[re.Match[str]]:
    return list(_MAILTO.finditer(value[:MAX_HEADER]))


def _by_id(value: str) -> str | None:
    """A list's id is its address with a dot for the `@`; some have an `@` all the same."""
    bracketed = _LIST_ID.findall(value[:MAX_HEADER])
    found = str(bracketed[-1] if bracketed else value).strip()
    return canonical(found if "@" in found else found.replace(".", "@", 1))
