"""The terms of Gmail's search language, each as a condition on a message.

Addresses and words are found by token: `from:ann@example.com` is the words ann, example and com next to
each other, so it finds ann@example.com.au and a display name that says so, and not joann@example.com.
A caller that needs exact addresses has to check the found messages.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from infra.local.gmail.http.params import is_number
from infra.local.gmail.labels import SYSTEM, Labels
from infra.local.gmail.mail import headers, mime, payload
from infra.local.gmail.mailbox import Message

Test = Callable[[Message], bool]
HIDDEN = frozenset({"SPAM", "TRASH"})
"""Found only when they are asked for."""

WORD = re.compile(r"\w+")
PLACES = {
    "draft": "DRAFT",
    "drafts": "DRAFT",
    "chats": "CHAT",
    **{name.lower(): name for name in SYSTEM if not name.startswith("CATEGORY_")},
}


@dataclass(frozen=True, slots=True)
class Given:
    """What terms are read against: the mailbox's labels, its own addresses, and a mail's raw bytes."""

    labels: Labels
    own: tuple[str, ...]
    raw: Callable[[Message], bytes]


@dataclass(frozen=True, slots=True)
class Node:
    """A condition. `slow` reads the mail's text; `places` are the hidden labels that it asks for."""

    test: Test
    slow: bool = False
    since: int = 0
    places: frozenset[str] = frozenset()


Term = Callable[[str, Given], Node | None]


def phrase(value: str) -> Callable[[str], bool]:
    """Whether a text in small letters has these words next to each other; no words are in none."""
    words = WORD.findall(value.lower())
    if not words:
        return lambda _: False
    found = re.compile(r"(?<!\w)" + r"\W+".join(map(re.escape, words)) + r"(?!\w)").search
    return lambda text: words[0] in text and found(text) is not None


def _people(*columns: int) -> Term:
    def term(value: str, given: Given) -> Node:
        tests = [phrase(one) for one in (given.own if value.lower() == "me" else (value,))]
        return Node(lambda message: any(test(message.people[column]) for test in tests for column in columns))

    return term


def _after(value: str, given: Given) -> Node | None:
    if not is_number(value):
        return None
    since = int(value) * 1000
    return Node(lambda message: message.internal_date >= since, since=since)


def _before(value: str, given: Given) -> Node | None:
    if not is_number(value):
        return None
    until = int(value) * 1000
    return Node(lambda message: message.internal_date < until)


def _message_id(value: str, given: Given) -> Node:
    wanted = headers.key(value)
    return Node(lambda message: message.key == wanted)


def _labelled(label_id: str) -> Node:
    return Node(lambda message: label_id in message.labels, places=HIDDEN & {label_id})


def _label(value: str, given: Given) -> Node:
    """By name with spaces and slashes as hyphens, as Gmail's search box writes it."""
    wanted = _hyphened(value)
    found = (label.id for label in given.labels.all() if _hyphened(label.name) == wanted or label.id == value)
    return _labelled(next(found, value))


def _in(value: str, given: Given) -> Node | None:
    place = value.lower()
    if place == "anywhere":
        return Node(lambda _: True, places=HIDDEN)
    return _labelled(PLACES[place]) if place in PLACES else None


def _is(value: str, given: Given) -> Node | None:
    if value.lower() == "read":
        return Node(lambda message: "UNREAD" not in message.labels)
    return _in(value, given) if value.lower() in ("unread", "starred", "important", "sent", "chat") else None


def _has(value: str, given: Given) -> Node | None:
    if value.lower() != "attachment":
        return None
    return Node(lambda message: payload.has_attachment(mime.parse(given.raw(message))), slow=True)


def _subject(value: str, given: Given) -> Node:
    wanted = phrase(value)
    return Node(lambda message: wanted(payload.subject(given.raw(message))), slow=True)


def _words(value: str, given: Given) -> Node:
    wanted = phrase(value)

    def test(message: Message) -> bool:
        if any(map(wanted, message.people)):
            return True
        raw = given.raw(message)
        return wanted(payload.words(raw, mime.parse(raw)))

    return Node(test, slow=True)


def _hyphened(name: str) -> str:
    return re.sub(r"[\s/]", "-", name).casefold()


WORDS: Term = _words
TERMS: Mapping[str, Term] = {
    "after": _after,
    "bcc": _people(3),
    "before": _before,
    "cc": _people(2),
    "from": _people(0),
    "has": _has,
    "in": _in,
    "is": _is,
    "label": _label,
    "rfc822msgid": _message_id,
    "subject": _subject,
    "to": _people(1),
}
"""Epoch seconds alone are understood after after: and before:."""
