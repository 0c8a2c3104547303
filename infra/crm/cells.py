"""Reads the records of a CSV text cell by cell. Text within a quoted cell never becomes a record (E107).

The csv module is not strict enough: after an error it continues in the middle of a cell, it takes `\\"` for the end of
a cell, and it keeps a cell without an end in memory.
"""

import re
from collections.abc import Iterator
from typing import Protocol

from domain.errors import LodestoneError

LONGEST_LINE = 4 << 20
"""Characters of one physical line. A longer line is refused: the file is probably no CSV."""

LONGEST_CELL = 256 << 10
"""Characters that are kept of a cell."""

MOST_CELLS = 4_096
"""Cells that are kept of a record."""

BACKSLASH, DOUBLED = "\\", '"'
"""What may stand before a quote within a quoted cell."""

_UNSEEN = r"\u200b-\u200f\u2060\ufeff"
_ESCAPED_ENDS = ("\\\n", "\\\r\n", "\\\r")


class Misquoted(LodestoneError):
    """The rest of the text cannot be split into records. Says why and what to do, never what the text holds (D2)."""


class Text(Protocol):
    """A source of lines; `readline` returns "" at the end."""

    def readline(self, size: int, /) -> str: ...


class Lines:
    """Reads and counts the physical lines of a text."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._ended = True
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """Raises Misquoted for a line that is too long or cannot be decoded."""
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
        """Read to the end of the text; returns the number of its last line."""
        ended = self._ended
        try:
            while line := self._text.readline(LONGEST_LINE):
                self.number += ended
                ended = line[-1] in "\r\n"
        except UnicodeError:
            pass
        return self.number


class Cells:
    """Yields the records in their order, each with the number of its first line.

    `escape` is the character before a quote within a quoted cell: BACKSLASH or DOUBLED. Without it quotes are doubled,
    and a backslash that could be an escape raises Misquoted: read the wrong way, text would become records.
    """

    def __init__(self, lines: Lines, delimiter: str, escape: str | None = None) -> None:
        self.first = 0
        self.lines = lines
        self._delimiter = delimiter
        self._unsaid = escape is None
        self._escapes = escape == BACKSLASH
        backslash = BACKSLASH if self._escapes else ""
        # Spaces and invisible characters may stand before the opening quote: read as text, they would keep the quote
        # from opening a cell. The group is not possessive, because Python before 3.11.5 goes on after one has failed.
        self._opening = re.compile(f'(?:(?!{re.escape(delimiter)})[^\\S\r\n]|[{_UNSEEN}])*"')
        self._quoted_end = re.compile(f"[{re.escape(DOUBLED + backslash)}]")
        self._plain_end = re.compile(f"[{re.escape(delimiter + backslash)}\r\n]")

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        return self

    def __next__(self) -> tuple[int, list[str]]:
        """Raises Misquoted when neither the record that begins in line `first` nor the rest can be read."""
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
        """Read a quoted cell; returns the line in which it ends, and the place of its end."""
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
    """The text of a cell, up to LONGEST_CELL."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0

    def add(self, text: str) -> None:
        if self._length <= LONGEST_CELL:
            self._parts.append(text)
            self._length += len(text)

    @property
    def text(self) -> str:
        """A text that is too long keeps one character more than LONGEST_CELL, so that it is recognised."""
        return "".join(self._parts)[: LONGEST_CELL + 1]
