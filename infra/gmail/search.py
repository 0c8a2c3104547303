"""Searching a mailbox in Gmail's search language (Z17, Z17a, Z18)."""

from dataclasses import replace

from domain.mail.addresses import spellings
from domain.mail.content import FoundPage, MailQuery
from infra.gmail.client import Calls
from infra.gmail.responses import list_page

LONGEST = 6_000
"""Characters of one search: with more Gmail's own way in may refuse the request before anybody has read it."""

PAGE = 100
"""Ids of one search; more come a page at a time, each at the price of a search."""

_FIELDS = ("from", "to", "cc", "bcc")
_NOT_SHOWN = "-in:drafts -in:spam -in:trash -in:chats"
_NOT_IN_WORDS = str.maketrans(dict.fromkeys('"{}()\\', " "))


class GmailSearch:
    """Searching one mailbox: the port `MailSearch`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def split(self, query: MailQuery) -> tuple[MailQuery, ...]:
        """By the length of the words."""
        return split(query)

    def find(self, query: MailQuery, page: str | None) -> FoundPage:
        """By messages.list."""
        threads, token = list_page(self._calls, page, PAGE, q=in_words(query) or None)
        return FoundPage(tuple(threads), token)


def split(query: MailQuery) -> tuple[MailQuery, ...]:
    """The same as so many queries that none is longer than LONGEST. The owner's words are one."""
    if not query.addresses:
        return (query,)
    room = LONGEST - len(in_words(replace(query, addresses=("",)))) + len(_of_address(""))
    groups: list[list[str]] = []
    left = 0
    for address in query.addresses:
        needed = len(_of_address(address)) + 1
        if needed > left:
            groups.append([])
            left = room
        groups[-1].append(address)
        left -= needed
    return tuple(replace(query, addresses=tuple(group)) for group in groups)


def in_words(query: MailQuery) -> str:
    """In Gmail's search language. For a record's addresses drafts, Spam, Trash and chats are left out (Z18);
    the owner's own words are passed on as they are (Z17a).

    Gmail finds an address by its words: quoted they stand next to each other, else a `+tag` may stand between
    them (D5 step 3). What it finds besides is left out when it has been read.
    """
    terms: list[str] = []
    if query.addresses:
        terms = [f"{{{' '.join(_of_address(address) for address in query.addresses)}}}", _NOT_SHOWN]
    elif query.words:
        terms = [f"({query.words})" if query.before is not None else query.words]
    if query.before is not None:
        terms.append(f"before:{query.before}")
    return " ".join(terms)


def _of_address(address: str) -> str:
    phrases = [f'"{_plain(address)}"']
    for local, _, domain in (one.rpartition("@") for one in spellings(address)):
        phrases.append(f'("{_plain(local)}" "{_plain(domain)}")')
    return " ".join(f"{name}:{phrase}" for name in _FIELDS for phrase in phrases)


def _plain(text: str) -> str:
    """Without what the search language itself uses."""
    return " ".join(text.translate(_NOT_IN_WORDS).split())
