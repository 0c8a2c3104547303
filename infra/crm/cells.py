"""The records of a CSV text, cell by cell, such that no text within a quoted cell is ever taken for a record (E107).

The csv module is not strict enough for that: after an error it goes on in the middle of a cell, it takes `\\"` for
the end of one, and it keeps in memory whatever does not end.
"""

import re
from collections.abc import Iterator
from typing import Protocol

from domain.errors import LodestoneError

LONGEST_LINE = 4 << 20
"""Characters of one physical line: whoever writes more writes no CSV."""

LONGEST_CELL = 256 << 10
"""Characters that are kept of a cell."""

MOST_CELLS = 4_096
"""Cells that are kept of a record."""

BACKSLASH, DOUBLED = "\\", '"'
"""What may stand before a quote within a quoted cell."""

_UNSEEN = r"\u200b-\u200f\u2060\ufeff"
_ESCAPED_ENDS = ("\\\n", "\\\r\n", "\\\r")


class Misquoted(LodestoneError):
    """From here on nobody can tell text from records. Says why and what to do, and never what stands there (D2)."""


class Text(Protocol):
    """Anything that reads lines; "" is the end."""

    def readline(self, size: int, /) -> str: ...


class Lines:
    """The physical lines of a text, counted."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._ended = True
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """Raises Misquoted where the text cannot be read on."""
        try:
            line = self._text.readline(LONGEST_LINE)
        except UnicodeError:
            raise Misquoted("the file breaks off or changes its encoding: export it again") from None
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) == LONGEST_LINE and line[-1] not in "\r\n":
            self._ended = False
            raise Misquoted(f"the line is longer than {LONGEST_LINE:,} characters: is it CSV?")
        return line

    def skip(self) -> int:
        """Read to the end; the number of the last line."""
        ended = self._ended
        try:
            while line := self._text.readline(LONGEST_LINE):
                self.number += ended
                ended = line[-1] in "\r\n"
        except UnicodeError:
            pass
        return self.number


class Cells:
    """Records in their order, each with the number of its first line.

    `escape` is what stands before a quote within a quoted cell. Unless it is said quotes are doubled, and where a
    backslash might mean otherwise the reading ends: one meaning would make records of the other's text.
    """

    def __init__(self, lines: Lines, delimiter: str, escape: str | None = None) -> None:
        self.first = 0
        self.lines = lines
        self._delimiter = delimiter
        self._unsaid = escape is None
        self._escapes = escape == BACKSLASH
        backslash = BACKSLASH if self._escapes else ""
        # Whatever is as good as nothing may stand before a quote: taken for text it would open no cell. Not possessive,
        # for Python before 3.11.5 would go on where such a group has failed.
        self._opening = re.compile(f'(?:(?!{re.escape(delimiter)})[^\\S\r\n]|[{_UNSEEN}])*"')
        self._quoted_end = re.compile(f"[{re.escape(DOUBLED + backslash)}]")
        self._plain_end = re.compile(f"[{re.escape(delimiter + backslash)}\r\n]")

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        return self

    def __next__(self) -> tuple[int, list[str]]:
        """Raises Misquoted: the record from line `first` on, and all that follows, is not to be read."""
        self.first = self.lines.number + 1
        line = next(self.lines)
        if '"' in line or (self._escapes and BACKSLASH in line):
            return self.first, self._read(line)
        self._check_end(line)
        return self.first, line.rstrip("\r\n").split(self._delimiter)[:MOST_CELLS]

    def _read(self, line: str) -> list[str]:
        found: list[str] = []
        place = -1
        while place < 0 or line.startswith(self._delimiter, place):
            cell = _Cell()
            opening = self._opening.match(line, place + 1)
            if opening:
                line, place = self._read_quoted(line, opening.end(), cell)
            else:
                line, place = self._read_plain(line, place + 1, cell)
            if len(found) < MOST_CELLS:
                found.append(cell.text)
        return found

    def _read_quoted(self, line: str, place: int, cell: "_Cell") -> tuple[str, int]:
        """The line that the cell ends on, and where."""
        while True:
            found = self._quoted_end.search(line, place)
            if found is None:
                cell.add(line[place:])
                line, place = next(self.lines, ""), 0
                if not line:
                    raise Misquoted("a quote is open to the end of the file: one is missing, or one too many")
                continue
            cell.add(line[place : found.start()])
            place = found.end()
            if found[0] == BACKSLASH:
                cell.add(line[place : place + 1])
                place += 1
            elif self._unsaid and line[found.start() - 1] == BACKSLASH:
                raise Misquoted(
                    "a backslash stands before a quote: --escape '\\' reads \\\" as a quote within the cell, "
                    "--escape '\"' as the cell's end"
                )
            elif line.startswith(DOUBLED, place):
                cell.add(DOUBLED)
                place += 1
            elif line[place : place + 1] in ("", self._delimiter, "\r", "\n"):
                return line, place
            else:
                raise Misquoted("text follows a closing quote: a quote within a cell has to be doubled")

    def _read_plain(self, line: str, place: int, cell: "_Cell") -> tuple[str, int]:
        while (found := self._plain_end.search(line, place)) is not None:
            cell.add(line[place : found.start()])
            if found[0] != BACKSLASH:
                if found[0] != self._delimiter:
                    self._check_end(line)
                return line, found.start()
            cell.add(line[found.end() : found.end() + 1])
            place = found.end() + 1
            if line[found.end() :] in ("\n", "\r", "\r\n"):
                line, place = next(self.lines, ""), 0
        cell.add(line[place:])
        return line, len(line)

    def _check_end(self, line: str) -> None:
        if self._unsaid and line.endswith(_ESCAPED_ENDS):
            raise Misquoted(
                "a line ends in a backslash: --escape '\\' reads on in the same record, --escape '\"' ends it there"
            )


class _Cell:
    """The text of a cell, as far as it is kept."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0

    def add(self, text: str) -> None:
        if self._length <= LONGEST_CELL:
            self._parts.append(text)
            self._length += len(text)

    @property
    def text(self) -> str:
        """One that is too long is cut just after LONGEST_CELL, so that it can be told."""
        return "".join(self._parts)[: LONGEST_CELL + 1]
