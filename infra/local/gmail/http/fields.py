"""The `fields` parameter: a partial answer, for any route (Gmail "Performance tips")."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from infra.local.gmail.http import discovery
from infra.local.gmail.http.errors import ApiError, Json, unreadable

Tree = dict[str, "Tree | None"]
"""Chosen names; None as value means everything below."""

TOKEN = re.compile(r"[(),/]|[^(),/\s]+")
MAX_DEPTH = 100


class Mask:
    """Which fields of an answer the caller asked for; without a tree, all of them."""

    __slots__ = ("_tree",)

    def __init__(self, tree: Tree | None = None) -> None:
        self._tree = tree

    def wants(self, name: str) -> bool:
        """Whether a top-level field is worth computing."""
        return self._tree is None or name in self._tree or "*" in self._tree

    def mentions(self, name: str) -> bool:
        """Whether the field can be part of the answer at any depth."""
        return _mentions(self._tree, name)

    def below(self, name: str) -> "Mask":
        """What of a top-level field's own fields is asked for."""
        return Mask(None if self._tree is None else self._tree.get(name, self._tree.get("*", {})))

    def apply(self, answer: Json) -> Json:
        """A copy with the chosen fields only."""
        if self._tree is None:
            return answer
        return {name: _cut(value, sub) for name, value, sub in _chosen(answer, self._tree)}


ALL = Mask()


def _mentions(tree: Tree | None, name: str) -> bool:
    if tree is None or name in tree or "*" in tree:
        return True
    return any(_mentions(sub, name) for sub in tree.values())


def _chosen(value: Json, tree: Tree) -> list[tuple[str, Any, Tree | None]]:
    star = "*" in tree
    return [(name, v, tree.get(name, tree.get("*"))) for name, v in value.items() if star or name in tree]


def _cut(value: Any, tree: Tree | None) -> Any:
    if tree is None:
        return value
    if isinstance(value, list):
        return [_cut(item, tree) for item in value]
    if isinstance(value, dict):
        return {name: _cut(v, sub) for name, v, sub in _chosen(value, tree)}
    return value


class _Parser:
    """list := path [ "(" list ")" ] { "," … } ; path := name { "/" name }."""

    def __init__(self, text: str) -> None:
        self._tokens = TOKEN.findall(text)
        self._at = 0

    def whole(self) -> Tree:
        tree = self._list(0)
        if self._at < len(self._tokens):
            raise self._broken()
        return tree

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _broken(self) -> ApiError:
        return _unknown(self._peek() or "end of selection")

    def _list(self, depth: int) -> Tree:
        tree: Tree = {}
        self._item(tree, depth)
        while self._peek() == ",":
            self._take()
            self._item(tree, depth)
        return tree

    def _item(self, into: Tree, depth: int) -> None:
        names = [self._name()]
        while self._peek() == "/":
            self._take()
            names.append(self._name())
        if depth + len(names) > MAX_DEPTH:
            raise self._broken()
        sub: Tree | None = None
        if self._peek() == "(":
            self._take()
            sub = self._list(depth + len(names))
            if self._take() != ")":
                raise self._broken()
        for name in reversed(names[1:]):
            sub = {name: sub}
        _merge(into, names[0], sub)

    def _name(self) -> str:
        if self._peek() in ("", "(", ")", ",", "/"):
            raise self._broken()
        return self._take()


def _merge(into: Tree, name: str, sub: Tree | None) -> None:
    """`a,a/b` is all of a; `a/b,a/c` is both."""
    have = into.get(name, {})
    if sub is None or have is None:
        into[name] = None
        return
    for key, value in sub.items():
        _merge(have, key, value)
    into[name] = have


def _unknown(path: str) -> ApiError:
    message = f"Error expanding 'fields' parameter. Cannot find matching fields for path '{path}'."
    error = unreadable(message, field=path)
    error.message = "Request contains an invalid argument."
    return error


def _check(tree: Tree | None, schema: Mapping[str, Any] | None, path: str) -> None:
    """Every chosen name must be in the method's response schema, as Google insists."""
    if tree is None:
        return
    schemas = discovery.load().schemas
    while schema is not None and ("$ref" in schema or schema.get("type") == "array"):
        schema = schemas[schema["$ref"]] if "$ref" in schema else schema["items"]
    properties: Mapping[str, Any] = (schema or {}).get("properties", {})
    for name, sub in tree.items():
        if name != "*" and name not in properties:
            raise _unknown(f"{path}{name}")
        for known in properties if name == "*" else (name,):
            _check(sub, properties[known], f"{path}{name}/")


@lru_cache(maxsize=512)
def parse(text: str, response: str | None) -> Mask:
    """The mask for a `fields` value on a method that answers with schema `response`.

    Raises ApiError 400 for a broken selection or a name the schema has not.
    """
    if not text or response is None:
        return ALL
    tree = _Parser(text).whole()
    _check(tree, discovery.load().schemas[response], "")
    return Mask(tree)
