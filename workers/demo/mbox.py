"""An mbox file, mail by mail, as a stream: what memory holds is one mail, and of that no more than MAX_MAIL."""

from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from workers.demo.mbox_bounds import EMPTY, Bounds, FromLine, FromLineKind, looks_like_a_header

MAX_MAIL = 64 << 20
"""Bytes of one mail that are read. Gmail takes in none that is larger; what is longer ends here, and says so."""

MAX_LINE = 1 << 16
"""What is read at once: a line, or a piece of a very long one."""

_NAMED = 20


class NoMbox(Exception):
    """The file cannot be read as an mbox: one line that says why."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of the file: how many, and the numbers of the first of them."""

    times: int = 0
    first: tuple[int, ...] = ()

    def __add__(self, other: "Lines") -> "Lines":
        return Lines(self.times + other.times, (self.first + other.first)[:_NAMED])


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail byte for byte, without its From_ line and the empty line before the next. `cut`: it was longer.

    `inside` are lines in it at which another mail seems to begin and, as is known, does not: a patch's, or what
    Content-Length covers. `doubtful` are those of which that cannot be known, and which were not taken.
    """

    n: int
    raw: bytes
    cut: bool
    inside: Lines = Lines()
    doubtful: Lines = Lines()


def find_separator(path: Path) -> FromLineKind:
    """The kind of From_ line that this file's first mail begins with. Raises NoMbox when there is none."""
    with path.open("rb") as file:
        for bounds, line, follows_empty in _walk(file, None):
            kind = bounds.first(line, follows_empty=follows_empty)
            if kind is not None:
                return kind
    raise NoMbox("has no mail in it: an mbox is made of mails that each begin with a line `From …`")


def read_mbox(path: Path, separator: FromLineKind, longest: int = MAX_MAIL) -> Iterator[Mail]:
    """Every mail in the file's order, counted from 1; of each at most `longest` bytes."""
    with path.open("rb") as file:
        collected = _Collected(0, longest)
        if looks_like_a_header(file):
            collected.doubtful += Lines(1, (1,))  # somebody has cut the first From_ line off
        for bounds, line, follows_empty in _walk(file, separator):
            may_begin = line.startswith(b"From ")
            verdict = bounds.judge(line, follows_empty=follows_empty) if may_begin else FromLine.TEXT
            if verdict is FromLine.BEGINS:
                if collected.n:
                    yield collected.mail()
                collected = collected.next()
                continue
            if verdict is FromLine.INSIDE:
                collected.inside += Lines(1, (bounds.number,))
            elif verdict is FromLine.DOUBTFUL:
                collected.doubtful += Lines(1, (bounds.number,))
            if collected.n:
                collected.add(line)
        if collected.n:
            yield collected.mail()


class _Collected:
    """The lines of one mail. The first piece of an overlong From_ line is enough: its rest begins the mail."""

    def __init__(self, n: int, longest: int) -> None:
        self.n = n
        self.inside = self.doubtful = Lines()
        self._longest = longest
        self._raw = bytearray()
        self._cut = False

    def next(self) -> "_Collected":
        """The mail after this one; what was doubtful before the first mail is said with that."""
        following = _Collected(self.n + 1, self._longest)
        if not self.n:
            following.doubtful = self.doubtful
        return following

    def add(self, line: bytes) -> None:
        room = self._longest - len(self._raw)
        self._raw += line[:room]
        self._cut = self._cut or len(line) > room

    def mail(self) -> Mail:
        """The empty line before the next From_ line, or at the file's end, belongs to the file, not to the mail."""
        raw = self._raw
        if not self._cut:
            for end in (b"\n\r\n", b"\n\n"):
                if raw.endswith(end):
                    del raw[1 - len(end) :]
                    break
            if bytes(raw[:3]) in EMPTY:
                raw.clear()
        return Mail(self.n, bytes(raw), self._cut, self.inside, self.doubtful)


def _walk(file: BinaryIO, separator: FromLineKind | None) -> Iterator[tuple[Bounds, bytes, bool]]:
    """Lines, long ones in pieces, each with whether it begins the file or follows an empty line."""
    bounds = Bounds(file, separator)
    follows_empty, at_start = True, True
    if file.read(len(BOM_UTF8)) != BOM_UTF8:
        file.seek(0)
    while line := file.readline(MAX_LINE):
        bounds.step(line, at_start=at_start)
        yield bounds, line, follows_empty and at_start
        follows_empty = at_start and line in EMPTY
        at_start = line.endswith(b"\n")
