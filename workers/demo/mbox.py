"""An mbox file, mail by mail, as a stream: what memory holds is one mail, and of that no more than MAX_MAIL."""

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAX_MAIL = 64 << 20
"""Bytes of one mail that are read. Gmail takes in none that is larger; what is longer ends here, and says so."""

MAX_LINE = 1 << 16
"""What is read at once: a line, or a piece of a very long one."""

_DAY = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_FROM_LINE = re.compile(
    rb"From (?:[^\r\n]{0,400}? )??\s{0,8}(?:"
     rb"(?:" + _DAY + rb",?\s{1,4})?(?:" + _MONTH + rb"\s{1,4}\d{1,2}|\d{1,2}[ -]" + _MONTH + rb"[ -]\d{2,4})"
    + rb"|\d{4}-\d\d-\d\d"
    + rb")[\sT]{1,4}\d{1,2}:\d\d",
    re.IGNORECASE,
)  # fmt: skip
"""`From ann@example.com Sun Mar 15 12:00:00 2026`, with the senders and dates that mail programs write."""


class NoMbox(Exception):
    """The file cannot be read as an mbox: one line that says why."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail byte for byte, without its From_ line and the empty line before the next. `cut`: it was longer."""

    n: int
    raw: bytes
    cut: bool


def find_separator(path: Path) -> Callable[[bytes], bool]:
    """How this file's mails are told apart: by From_ lines with sender and date where it has any, else by any
    line that begins with `From `, each after an empty line. Raises NoMbox when there is neither."""
    loose = False
    with path.open("rb") as file:
        for line, follows_empty in _lines(file):
            if follows_empty and line.startswith(b"From "):
                if _FROM_LINE.match(line):
                    return lambda candidate: bool(_FROM_LINE.match(candidate))
                loose = True
    if loose:
        return lambda candidate: True
    raise NoMbox("has no mail in it: an mbox is made of mails that each begin with a line `From …`")


def read_mbox(path: Path, separates: Callable[[bytes], bool], longest: int = MAX_MAIL) -> Iterator[Mail]:
    """Every mail in the file's order, counted from 1; of each at most `longest` bytes."""
    with path.open("rb") as file:
        collected: _Collected | None = None
        for line, follows_empty in _lines(file):
            if follows_empty and line.startswith(b"From ") and separates(line):
                if collected is not None:
                    yield collected.mail()
                collected = _Collected(collected.n + 1 if collected else 1, longest)
            elif collected is not None:
                collected.add(line)
        if collected is not None:
            yield collected.mail()


class _Collected:
    """The lines of one mail. The first piece of an overlong From_ line is enough: its rest begins the mail."""

    def __init__(self, n: int, longest: int) -> None:
        self.n = n
        self._longest = longest
        self._raw = bytearray()
        self._cut = False

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
            if bytes(raw[:3]) in (b"\n", b"\r\n"):
                raw.clear()
        return Mail(self.n, bytes(raw), self._cut)


def _lines(file: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Lines, long ones in pieces, each with whether it begins the file or follows an empty line."""
    follows_empty, at_start = True, True
    if file.read(len(BOM_UTF8)) != BOM_UTF8:
        file.seek(0)
    while line := file.readline(MAX_LINE):
        yield line, follows_empty and at_start
        follows_empty = at_start and line in (b"\n", b"\r\n")
        at_start = line.endswith(b"\n")
