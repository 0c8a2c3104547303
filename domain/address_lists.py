"""Reading From, To and their like as real and hostile mail writes them (E23, E42, E102, E105)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from domain.canonical import MAX_ADDRESS, canonical
from domain.headers import MAX_HEADER, comment_end, decoded

_TOKEN = re.compile(
    r"""
      (?P<space>\s++)
    | (?P<encoded>=\?[^?\s]*+\?[bBqQ]\?[^?\s]*+\?=)
    | (?P<word>(?:"(?:[^"\\]++|\\.)*+"(?=@))?+[^\s"(),:;<>\[]++(?:\[[^][\s"(),;<>]*+\])?+)
    | (?P<quoted>"(?:[^"\\]++|\\.)*+(?P<closed>"?+))
    | (?P<mark>[,;](?:\s*+,)*+|.)
    """,
    re.DOTALL | re.VERBOSE,
)
_MAX_DISPLAY = 4_000
_AROUND_MARKS = re.compile(r"\s*+([@.])\s*+")
_DISPLAY_BREAK = re.compile(r"""[\s<>()\[\],;:"'|/\\]++""")
_LOOKALIKES = {0xFF20: "@", 0xFE6B: "@", 0xFF0E: "."}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class AddressList:
    """`addresses` in their exact form, in written order, each once. `certain` is False after a defect."""

    addresses: tuple[str, ...]
    certain: bool


def read_list(value: str) -> AddressList:
    """All addresses of one field, as far as they can be told.

    A scanner of our own, because the standard library's `getaddresses` recurses on nested comments, gives
    other answers after other patch releases of Python, and takes `alice@good.example <bob@evil.example>`
    for two people. This one reads each character a bounded number of times.

    Legal, hence certain: groups, comments, quotes, encoded words, folds, routes, empty entries. Not legal
    but unmistakable, hence certain too: raw 8-bit text, dots and most specials in an unquoted display name,
    semicolons between addresses. Everything else is a defect, and what can be saved is still returned,
    since recipients need no certainty.
    """
    text = _cut(value, MAX_HEADER)
    scan = _Scan(certain=text is value and not _CONTROL.search(value, 0, MAX_HEADER))
    while text:
        text = scan.read(text)
    scan.finish_entry()
    return AddressList(tuple(scan.addresses), scan.certain and not scan.in_group)


def read_one(*values: str) -> str | None:
    """The one certain address of a field, given every occurrence of that field (E105, E23).

    D5 step 1 drops the display name, E105 refuses an address inside another's display name. Both hold: a
    display name that looks like an address other than the real one, be it quoted, in a comment or hidden in
    an encoded word, makes the reading uncertain; one that repeats the real address does not.
    A second field of the same name is as uncertain as a second address in one.
    """
    if len(values) != 1:
        return None
    found = read_list(values[0])
    return found.addresses[0] if found.certain and len(found.addresses) == 1 else None


@dataclass(slots=True)
class _Scan:
    """One entry is collected at a time: its words, its display text and what its `<>` hold."""

    certain: bool
    addresses: dict[str, None] = field(default_factory=dict)
    in_group: bool = False
    words: list[str] = field(default_factory=list)
    display: list[str] = field(default_factory=list)
    quoted: bool = False
    angle: list[str] | None = None
    angle_open: bool = False

    def read(self, text: str) -> str:
        """What is left to read without the quote or bracket that was never closed, "" at the end."""
        at = 0
        while token := _TOKEN.match(text, at):
            at = token.end()
            kind, found = token.lastgroup, token[0]
            if kind == "closed":
                kind = "quoted"
            if kind == "quoted" and not token["closed"]:
                self.certain = False
                return text[token.start() + 1 :].replace('"', " ")
            if found == "(":
                end = comment_end(text, token.start())
                if end is None:
                    self.certain = False
                    return text[at:].replace("(", " ").replace(")", " ")
                self.display.append(text[at : end - 1])
                at = end
            elif kind == "mark" and found != "[":
                self._mark(found[0])
            else:
                self._text(kind, found)
        return ""

    def _text(self, kind: str | None, found: str) -> None:
        if self.angle_open and self.angle is not None:
            self.angle.append(" " if kind == "space" else found)
        elif kind != "space":
            self._start_anew()
            self.display.append(found[1:-1] if kind == "quoted" else found)
            if kind in ("quoted", "encoded"):
                self.quoted = True
            else:
                self.words.append(found)

    def _mark(self, mark: str) -> None:
        if self.angle_open and self.angle is not None:
            route = bool(self.angle) and self.angle[0].startswith("@")
            if mark == ">":
                self.angle_open = False
                return
            if mark == ":" and route:
                self.angle.clear()
                return
            if mark == "," and route:
                self.angle.append(mark)
                return
            self.certain = False
        if mark == "<":
            self._start_anew()
            self.angle, self.angle_open = [], True
        elif mark in ",;":
            self.finish_entry()
            self.in_group = self.in_group and mark == ","
        elif mark == ":":
            self._open_group()
        else:
            self.certain = False

    def _start_anew(self) -> None:
        """Text after a `<>` belongs to a next entry whose comma is missing."""
        if self.angle is not None:
            self.certain = False
            self.finish_entry()

    def _open_group(self) -> None:
        if self.in_group or self.angle is not None or not self.display or self._shows_other_than(None):
            self.certain = False
        self.in_group = True
        self._clear()

    def finish_entry(self) -> None:
        if self.angle is None and not self.display:
            return
        if self.angle is not None:
            if self.angle_open:
                self.certain = False
            found = self._bracketed()
        elif self.words or self.quoted:
            found = self._bare()
        else:
            found = None
        if found is None:
            self.certain = self.certain and not (self.words or self.quoted or self.angle is not None)
        else:
            self.addresses[found] = None
            self.certain = self.certain and not self._shows_other_than(found)
        self._clear()

    def _bracketed(self) -> str | None:
        text = "".join(self.angle or ()).strip()
        if len(text) > 2 * MAX_ADDRESS:
            return None
        return canonical(_AROUND_MARKS.sub(r"\1", text) if " " in text else text)

    def _bare(self) -> str | None:
        """Without brackets, every word with an `@` is an address, and any other word a defect."""
        parts: list[str] = []
        for word in self.words:
            if parts and len(parts[-1]) <= MAX_ADDRESS and (word[0] == "@" or parts[-1][-1] == "@"):
                parts[-1] += word
            else:
                parts.append(word)
        found = [address for part in parts if "@" in part and (address := canonical(part))]
        if len(parts) != 1 or self.quoted:
            self.certain = False
        self.addresses.update(dict.fromkeys(found))
        return found[-1] if found else None

    def _shows_other_than(self, address: str | None) -> bool:
        text = " ".join(self.display)
        if len(text) > _MAX_DISPLAY:
            return True
        shown = decoded(text).translate(_LOOKALIKES)
        return "@" in shown and any(
            canonical(word.strip(".")) != address
            for word in _DISPLAY_BREAK.split(shown)
            if _looks_like_address(word)
        )

    def _clear(self) -> None:
        self.words, self.display, self.quoted = [], [], False
        self.angle, self.angle_open = None, False


def _looks_like_address(word: str) -> bool:
    """`ann@example.com` does, `Sales@Work` does not: nobody reads that as somebody else's address."""
    local, _, domain = word.strip(".").rpartition("@")
    return bool(local) and "." in domain


def read_lists(values: Iterable[str]) -> tuple[str, ...]:
    """The addresses of several fields of one name. Mail may hold only one; what it does hold counts."""
    left, found = MAX_HEADER, dict[str, None]()
    for value in values:
        found.update(dict.fromkeys(read_list(_cut(value, left)).addresses))
        left = max(0, left - len(value))
    return tuple(found)


def _cut(value: str, length: int) -> str:
    """At a comma: half an address may be somebody else's."""
    return value if len(value) <= length else value[: value.rfind(",", 0, length) + 1]
