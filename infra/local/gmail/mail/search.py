"""Gmail's search language, as far as the local server knows it; the rest answers 501.

All terms must hold; `OR` and braces mean any of them, and OR binds closer than a space; `-` means not;
a field before a group is each of its words' field.
"""

import re
from dataclasses import dataclass, field

from infra.local.gmail.http.errors import invalid, unknown_term
from infra.local.gmail.mail.terms import HIDDEN, TERMS, WORDS, Given, Node
from infra.local.gmail.mailbox import Message

TOKEN = re.compile(
    r"\s*(?:(?P<bracket>[(){}])"
    r"|(?P<minus>-)(?=\S)"
    r"|(?P<field>\w+):(?=[^\s)}])"
    r"|\"(?P<quoted>[^\"]*)\"?"
    r"|(?P<word>(?:<[^<>\s]*>|[^\s(){}\"])+))"
)
MAX_DEPTH = 20
CLOSING = {"(": ")", "{": "}"}


@dataclass(slots=True)
class Search:
    """A parsed `q`. No message from before `since` (epoch ms) is found."""

    node: Node
    anywhere: bool = False
    labels: set[str] = field(default_factory=set)

    @property
    def since(self) -> int:
        """Where a list that goes back in time may end."""
        return self.node.since

    def matches(self, message: Message) -> bool:
        """Whether the message is found; Trash and Spam only when asked for."""
        if not self.labels <= message.labels:
            return False
        if not self.anywhere and (message.labels & HIDDEN) - self.labels - self.node.places:
            return False
        return self.node.test(message)


def parse(q: str, given: Given) -> Search:
    """Raises 501 that names the first term it does not know, 400 for brackets without end."""
    return Search(_Parser(q, given).whole())


def every(nodes: list[Node]) -> Node:
    """All of them hold; those that read the mail's text are asked last."""
    if len(nodes) == 1:
        return nodes[0]
    tests = [node.test for node in sorted(nodes, key=lambda node: node.slow)]
    return Node(
        lambda message: all(test(message) for test in tests),
        slow=any(node.slow for node in nodes),
        since=max((node.since for node in nodes), default=0),
        places=frozenset[str]().union(*(node.places for node in nodes)),
    )


def some(nodes: list[Node]) -> Node:
    """One of them at least holds."""
    if len(nodes) == 1:
        return nodes[0]
    tests = [node.test for node in sorted(nodes, key=lambda node: node.slow)]
    return Node(
        lambda message: any(test(message) for test in tests),
        slow=any(node.slow for node in nodes),
        since=min((node.since for node in nodes), default=0),
        places=frozenset[str]().union(*(node.places for node in nodes)),
    )


def none(node: Node) -> Node:
    """It does not hold; a place that is not wanted is not asked for either."""
    return Node(lambda message: not node.test(message), slow=node.slow)


class _Parser:
    def __init__(self, q: str, given: Given) -> None:
        self._given = given
        self._tokens = list(TOKEN.finditer(q))
        self._at = 0

    def whole(self) -> Node:
        """The search; a bracket that closes nothing is passed over, as Gmail does."""
        nodes: list[Node] = []
        while self._at < len(self._tokens):
            nodes += self._group("", "", 0)
            self._at += 1
        return every(nodes)

    def _group(self, name: str, closing: str, depth: int) -> list[Node]:
        """What stands before `closing`, each OR chain as one."""
        if depth > MAX_DEPTH:
            raise invalid("Invalid query")
        nodes: list[Node] = []
        either = False
        while (token := self._next()) is not None and token["bracket"] not in (")", "}"):
            if token["word"] in ("OR", "AND"):
                self._at += 1
                either = bool(nodes) and token["word"] == "OR"
                continue
            node = self._item(name, depth)
            nodes.append(some([nodes.pop(), node]) if either else node)
            either = False
        if closing and token is not None:
            self._at += 1
        return nodes

    def _item(self, name: str, depth: int) -> Node:
        token = self._tokens[self._at]
        self._at += 1
        if self._next() is None and (token["minus"] or token["field"]):
            raise unknown_term(token[0].strip())
        if depth > MAX_DEPTH:
            raise invalid("Invalid query")
        if token["minus"]:
            return none(self._item(name, depth + 1))
        if token["bracket"]:
            nodes = self._group(name, CLOSING.get(token["bracket"], ""), depth + 1)
            return every(nodes) if token["bracket"] == "(" else some(nodes or [every([])])
        if token["field"]:
            return self._item(token["field"].lower(), depth + 1)
        value = token["word"] if token["quoted"] is None else token["quoted"]
        return self._term(name, value)

    def _term(self, name: str, value: str) -> Node:
        known = TERMS.get(name) if name else WORDS
        found = known(value, self._given) if known else None
        if found is None:
            raise unknown_term(f"{name}:{value}" if name else value)
        return found

    def _next(self) -> re.Match[str] | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None
