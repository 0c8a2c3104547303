"""Reading From, To and their like as real and hostile mail writes them (E23, E42, E102, E105)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from domain.mail.canonical import MAX_ADDRESS, canonical
from domain.mail.headers import MAX_HEADER, comment_end, decoded

_TOKEN = re.compile(
    r"""
      (?P<space>\s++)
    | (?P<encoded>=\?[^?\s]*+\?[bBqQ]\?[^?\s]*+\?=)
    | (?P<word>(?:'?+(?i:mailto):(?=[^\s"(),:;<>\[]))?
        (?:"(?:[^"\\]++|\\.)*+"(?=@))?[^\s"(),:;<>\[]++(?:\[[^][\s"(),;<>]*+\])?)
    | (?P<quoted>"(?:[^"\\]++|\\.)*+(?P<closed>"?+))
    | (?P<mark>[,;](?:\s*+,)*|.)
    """,
    re.DOTALL | re.VERBOSE,
)
"""Groups that may fail half-way are not possessive: Python before 3.11.5 goes on where they failed."""
_SPACE, _COMMENT = " ", "()"
"""What stand for any space and any comment among the words of an entry."""

_AROUND_MARKS = re.compile(r" ?([@.]) ?")
_AROUND_AT = re.compile(r" ?@ ?")
_MAILTO = "mailto:"
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class AddressList:
    """`addresses` in their exact form, in written order, each once. `certain` is False after a defect."""

    addresses: tuple[str, ...]
    certain: bool


def read_list(value: str) -> AddressList:
    """All addresses of one field, as far as they can be told, and whether the field can be read with certainty.

    A scanner of our own, because the standard library's `getaddresses` recurses on nested comments, gives
    other answers after other patch releases of Python, and takes `alice@good.example <bob@evil.example>`
    for two people. This one reads each character a bounded number of times.

    E105 says what is certain. Where there are brackets, everything beside them is decoration, as long as no
    word of it is another address; without brackets an address stands alone. After a defect what can be saved
    is still returned, since recipients need no certainty.
    """
    return _scanned(value).finish()


def read_names(values: Iterable[str]) -> Mapping[str, str]:
    """The addresses of the fields in their exact form, in written order, each with the name that first stands beside
    it, encoded words decoded, "" where there is none or it is the address again."""
    found: dict[str, str] = {}
    left = MAX_HEADER
    for value in values:
        scan = _scanned(_cut(value, left))
        scan.finish()
        for address, name in scan.addresses.items():
            said = " ".join(decoded(name).split())
            found[address] = found.get(address) or (said if canonical(said) != address else "")
        left = max(0, left - len(value))
    return found


def _scanned(value: str) -> "_Scan":
    text = _cut(value, MAX_HEADER)
    scan = _Scan(certain=text is value and not _CONTROL.search(value, 0, MAX_HEADER))
    while text:
        text = scan.read(text)
    return scan


def read_fields(values: Sequence[str]) -> AddressList:
    """The addresses of all fields of one name. Mail may hold only one; what it does hold counts."""
    left, certain, found = MAX_HEADER, True, dict[str, None]()
    for value in values:
        text = _cut(value, left)
        one = read_list(text)
        found.update(dict.fromkeys(one.addresses))
        certain = certain and one.certain and text is value
        left = max(0, left - len(value))
    return AddressList(tuple(found), certain)


def read_one(*values: str) -> str | None:
    """The one certain address of a field, given every occurrence of that field (E105, E23)."""
    found = read_fields(values)
    return found.addresses[0] if found.certain and len(found.addresses) == 1 else None


def read_lists(values: Iterable[str]) -> tuple[str, ...]:
    """The addresses of several fields of one name, be they certain or not."""
    return read_fields(tuple(values)).addresses


@dataclass(slots=True)
class _Scan:
    """One entry is collected at a time: the words beside its `<>`, whether a quoted or encoded name stands there,
    and what its `<>` hold. `loose` is what only brackets somewhere in the field excuse. Of an address `addresses` has
    the name that stands before it, as it is written, or the comment behind it."""

    certain: bool
    addresses: dict[str, str] = field(default_factory=dict)
    bracketed: bool = False
    loose: bool = False
    in_group: bool = False
    words: list[str] = field(default_factory=list)
    name: list[str] = field(default_factory=list)
    comment: str = ""
    named: bool = False
    angle: list[str] | None = None
    angle_open: bool = False

    def read(self, text: str) -> str:
        """What is left to read without the quote or comment that was never closed, "" at the end."""
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
                self.comment = text[at : end - 1]
                at = end
                self._space(_COMMENT)
            elif kind == "space":
                self._space(_SPACE)
            elif kind == "mark" and found != "[":
                self._mark(found[0])
            else:
                self._text(kind, found)
        return ""

    def finish(self) -> AddressList:
        self._finish_entry()
        excused = self.bracketed or not (self.loose or self.in_group)
        return AddressList(tuple(self.addresses), self.certain and excused)

    def _space(self, space: str) -> None:
        where = self.angle if self.angle_open and self.angle is not None else self.words
        where.append(space)
        if where is self.words:
            self.name.append(_SPACE)

    def _text(self, kind: str | None, found: str) -> None:
        if self.angle_open and self.angle is not None:
            self.angle.append(found)
            return
        if self.angle is not None:  # a name behind, or a next entry whose comma is missing
            self._finish_entry()
        if kind in ("quoted", "encoded"):
            self.named = True
            self.words.append(_SPACE)
        else:
            self.words.append(found)
        self.name.append(_ESCAPED.sub(r"\1", found[1:-1]) if kind == "quoted" else found)

    def _mark(self, mark: str) -> None:
        if self.angle_open and self.angle is not None:
            if mark == ">":
                self.angle_open = False
                return
            self.certain = False
            if mark in ":," and self.angle and self.angle[0].startswith("@"):  # an obsolete route
                if mark == ":":
                    self.angle.clear()
                return
        if mark == "<":
            if self.angle is not None:
                self._finish_entry()
            self.angle, self.angle_open = [], True
        elif mark in ",;":
            self._finish_entry()
            self.in_group = self.in_group and mark == ","
        elif mark == ":":
            self._open_group()
        else:
            self.certain = False

    def _open_group(self) -> None:
        legal = self.angle is None and not self.in_group and (self.named or bool(_parts(self.words)))
        self.loose = self.loose or not legal
        if self.angle is not None:
            self._finish_entry()
        self.certain = self.certain and not self._others(None)
        self.in_group = True
        self._clear()

    def _finish_entry(self) -> None:
        if self.angle is not None:
            self._finish_brackets(_parts(self.angle))
        else:
            self._finish_bare(_parts(self.words))
        self._clear()

    def _finish_brackets(self, parts: list[str]) -> None:
        found = _specification(parts[0]) if len(parts) == 1 else None
        if found is None:
            self.certain = False
            found = _specification(_AROUND_MARKS.sub(r"\1", " ".join(parts)))
        self.bracketed = True
        self.certain = self.certain and not self._others(found)
        if found is not None:
            self.addresses.setdefault(found, "".join(self.name).strip() or self.comment)

    def _finish_bare(self, parts: list[str]) -> None:
        if not parts and not self.named:
            return
        found = _specifications(parts)
        if len(parts) != 1 or not found or self.named:
            self.loose = True
        if len(parts) > 1 and not found:
            found = _specifications(_AROUND_AT.sub("@", " ".join(parts)).split())
        for one in found:
            self.addresses.setdefault(one, self.comment)

    def _others(self, address: str | None) -> bool:
        """Whether a word of the decoration is another address."""
        words = [word.strip("[]") for word in _parts(self.words) if "@" in word]
        return any(one != address for one in _specifications(filter(_looks_like_address, words)))

    def _clear(self) -> None:
        self.words, self.name, self.comment, self.named = [], [], "", False
        self.angle, self.angle_open = None, False


def _parts(pieces: list[str]) -> list[str]:
    """What stands without space between it. A comment is one, except beside an `@`."""
    parts: list[list[str]] = []
    spaced = commented = True
    for piece in pieces:
        if piece == _SPACE:
            spaced = True
        elif piece == _COMMENT:
            commented = True
        else:
            if spaced or (commented and piece[0] != "@" and parts[-1][-1][-1] != "@"):
                parts.append([])
            parts[-1].append(piece)
            spaced = commented = False
    return ["".join(part) for part in parts]


def _specifications(words: Iterable[str]) -> list[str]:
    return [address for word in words if (address := _specification(word))]


def _specification(text: str) -> str | None:
    """An address without the dress that some mail programs send it in."""
    if "@" not in text or len(text) > 2 * MAX_ADDRESS:
        return None
    text = _without_mailto(text)
    if text[0] == text[-1] == "'":
        text = _without_mailto(text[1:-1])
    return canonical(text)


def _without_mailto(text: str) -> str:
    return text[len(_MAILTO) :] if text[: len(_MAILTO)].lower() == _MAILTO else text


def _looks_like_address(word: str) -> bool:
    """`ann@example.com` does, `Sales@Work` does not: nobody reads that as somebody else's address."""
    local, _, domain = word.strip(".").rpartition("@")
    return bool(local) and "." in domain


def _cut(value: str, length: int) -> str:
    """At a comma: half an address may be somebody else's."""
    return value if len(value) <= length else value[: value.rfind(",", 0, length) + 1]
