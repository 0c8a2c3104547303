"""The part of Gmail's search language that the local server knows; the rest answers 501."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from infra.local.gmail import headers
from infra.local.gmail.errors import ApiError
from infra.local.gmail.labels import Labels
from infra.local.gmail.mailbox import Message
from infra.local.gmail.params import is_number

TERM = re.compile(r"(\w+):(?:\"([^\"]*)\"|(\S+))|(\S+)")
Test = Callable[[Message], bool]


@dataclass(slots=True)
class Search:
    """A parsed `q`: every test must hold. `since` and `until` are epoch ms."""

    since: int = 0
    until: int | None = None
    anywhere: bool = False
    labels: set[str] = field(default_factory=set)
    tests: list[Test] = field(default_factory=list)

    def matches(self, message: Message) -> bool:
        """Whether the message is found; Trash and Spam only when asked for."""
        if not self.labels <= message.labels:
            return False
        if not self.anywhere and (message.labels & {"SPAM", "TRASH"}) - self.labels:
            return False
        if message.internal_date < self.since or (self.until and message.internal_date >= self.until):
            return False
        return all(test(message) for test in self.tests)


def parse(q: str, labels: Labels) -> Search:
    """Knows after:/before: with epoch seconds, from:, label:, rfc822msgid:, in:anywhere.

    Raises 501 that names the first term it does not know.
    """
    search = Search()
    for match in TERM.finditer(q):
        name, value = (match[1] or "").lower(), match[2] or match[3] or ""
        known = TERMS.get(name)
        if known is None or not known(search, value, labels):
            raise ApiError(501, "notImplemented", f"The local Gmail does not know the search term {match[0]}")
    return search


def _after(search: Search, value: str, labels: Labels) -> bool:
    search.since = max(search.since, _ms(value))
    return is_number(value)


def _before(search: Search, value: str, labels: Labels) -> bool:
    search.until = min(search.until or _ms(value), _ms(value))
    return is_number(value)


def _from(search: Search, value: str, labels: Labels) -> bool:
    wanted = value.lower().strip("<>")
    search.tests.append(lambda message: wanted in message.sender)
    return True


def _label(search: Search, value: str, labels: Labels) -> bool:
    """By name with spaces and slashes as hyphens, as Gmail's search box writes it."""
    wanted = _hyphened(value)
    found = [label.id for label in labels.all() if _hyphened(label.name) == wanted or label.id == value]
    search.labels.add(found[0] if found else value)
    return True


def _message_id(search: Search, value: str, labels: Labels) -> bool:
    wanted = headers.key(value)
    search.tests.append(lambda message: message.key == wanted)
    return True


def _in(search: Search, value: str, labels: Labels) -> bool:
    search.anywhere = value.lower() == "anywhere"
    return search.anywhere


def _ms(value: str) -> int:
    return int(value) * 1000 if is_number(value) else 0


def _hyphened(name: str) -> str:
    return re.sub(r"[\s/]", "-", name).casefold()


TERMS: dict[str, Callable[[Search, str, Labels], bool]] = {
    "after": _after,
    "before": _before,
    "from": _from,
    "label": _label,
    "rfc822msgid": _message_id,
    "in": _in,
}
