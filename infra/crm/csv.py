"""Reads the CRM's records from CSV files as a stream, checks each one and reports bad ones by line (E107)."""

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from domain.crm.records import RecordKind, Refusal, Remark, Row, Unread, entries
from infra.crm.cells import LONGEST_CELL, Cells, Lines, Misquoted
from infra.crm.columns import Columns, has, known, read_header
from infra.crm.fields import (
    CATEGORY_HELP,
    FIELDS,
    LISTS,
    OPTIONAL,
    PLAIN,
    Customs,
    Unfit,
    Value,
    read,
    read_id,
)
from infra.crm.text import (
    DELIMITERS,
    STANDARD_INPUT,
    WINDOWS,
    Unusable,
    encoding_of,
    named_delimiter,
    open_bytes,
    open_text,
)

__all__ = ["CrmFile", "Reading", "Unusable"]

_NEXT = {
    "category": CATEGORY_HELP,
    "closing_date": "; --date-format '%d.%m.%Y' says how dates are written",
    "created_at": "; --date-format '%d.%m.%Y' says how dates are written",
}
"""What to do about a refused value, by field."""

_SHORTENED = re.compile(r"\d([.,]\d+)?E\+\d+", re.IGNORECASE)
_IDS = ("id", "contact_ids", "assigned_to")


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read files: the fields by the names of their columns, and the `escape` of Cells."""

    columns: Mapping[str, str] = field(default_factory=dict)
    escape: str | None = None


class CrmFile:
    """A CSV file with a header row. Raises Unusable before anything is imported."""

    def __init__(self, path: Path, kind: RecordKind, reading: Reading | None = None) -> None:
        self.path = path
        self.kind = kind
        self.name = "standard input" if path == STANDARD_INPUT else path.name
        self._reading = reading or Reading()
        self._bytes = open_bytes(path)
        try:
            self.size = self._bytes.seek(0, 2)
            self._bytes.seek(0)
            encoding = encoding_of(self._bytes, self.name)
            self.is_windows = encoding == WINDOWS
            self._text = open_text(self._bytes, encoding)
            self._skipped = 0
            self._delimiter, self._skipped = self._find_delimiter()
            self.header = self._begin()[1]
            self.columns = read_header(self.header, kind, self._reading.columns, self.name)
        except BaseException:
            self._bytes.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bytes.close()

    @property
    def position(self) -> int:
        """Bytes read so far, for a progress bar."""
        return self._bytes.tell()

    def has_column(self, name: str) -> bool:
        """Whether its header has a column of this name."""
        return has(self.header, name)

    def rows(
        self, customs: Customs = PLAIN, whole: Mapping[str, Container[str]] | None = None
    ) -> Iterator[Row]:
        """Every record of the file in its order, good or refused; memory stays flat.

        `whole` has, by field, the known ids that contain a separator.
        """
        cells, _ = self._begin()
        understand = _Understanding(self.kind, self.columns, customs, whole or {})
        try:
            for line, found in cells:
                if any(map(str.strip, found)):
                    yield from understand.rows(line, found)
        except Misquoted as error:
            at = cells.lines.number
            where = f"in line {at} " if at != cells.first else ""
            yield Unread(cells.first, cells.lines.skip() - cells.first + 1, f"{where}{error}")

    def values(self, name: str) -> Iterator[str]:
        """The cells of one column, as far as the file can be read. Rows of a wrong width are left out."""
        place = self.columns.places.get(name)
        cells, _ = self._begin()
        try:
            for _, found in cells:
                if place is not None and len(found) == self.columns.width:
                    yield found[place].strip()
        except Misquoted:
            return

    def _begin(self) -> tuple[Cells, list[str]]:
        """Go back to the beginning; returns the records after the header, and the header."""
        return self._open(self._delimiter)

    def _open(self, delimiter: str) -> tuple[Cells, list[str]]:
        self._text.seek(0)
        lines = Lines(self._text)
        for _ in range(self._skipped):
            next(lines, None)
        cells = Cells(lines, delimiter, self._reading.escape)
        try:
            return cells, next(cells, (0, [""]))[1]
        except Misquoted as error:
            raise Unusable(f"{self.name} cannot be read from its first line on: {error}") from None

    def _find_delimiter(self) -> tuple[str, int]:
        """The delimiter that finds the most known columns, and the number of lines before the header."""
        try:
            first = next(Lines(self._text), "")
        except Misquoted as error:
            raise Unusable(f"{self.name} cannot be read: {error}") from None
        if named := named_delimiter(first):
            return named, 1
        return max(DELIMITERS, key=self._columns_by), 0

    def _columns_by(self, delimiter: str) -> int:
        try:
            return len(known(self._open(delimiter)[1], self.kind, self._reading.columns))
        except Unusable:
            return 0


class _Understanding:
    """Makes records of cells."""

    def __init__(
        self, kind: RecordKind, columns: Columns, customs: Customs, whole: Mapping[str, Container[str]]
    ) -> None:
        self._kind = kind
        self._width = columns.width
        self._id = columns.places["id"]
        self._places = columns.places
        self._customs = customs
        self._fields = [
            (columns.places.get(name), name in LISTS, whole.get(name, ()), OPTIONAL[kind].get(name, ""))
            for name in (*FIELDS[kind], *OPTIONAL[kind])
        ]
        self._ids = [(name, columns.places[name]) for name in _IDS if name in columns.places]

    def rows(self, line: int, cells: list[str]) -> Iterator[Row]:
        """The record or its refusal, then the remarks on the record."""
        found_id = self._read_id(cells)
        if len(cells) != self._width:
            yield Refusal(line, f"{len(cells)} columns where the header has {self._width}", found_id)
            return
        try:
            if max(map(len, cells)) > LONGEST_CELL:
                self._check_lengths(cells)
            values: list[Value] = [
                default if place is None else entries(cells[place], whole) if is_list else cells[place]
                for place, is_list, whole, default in self._fields
            ]
            found = read(self._kind, values, self._customs)
        except Unfit as error:
            name = str(error).partition(" ")[0]
            yield Refusal(line, f"{error}{_NEXT.get(name, '')}", found_id, error.word)
            return
        yield found.record
        for text in (*found.left_out, *self._shortened(cells)):
            yield Remark(line, text, found_id)

    def _read_id(self, cells: list[str]) -> str | None:
        """The record's id; None when it is missing or no record can have it."""
        try:
            return read_id(cells[self._id]) if self._id < len(cells) else None
        except Unfit:
            return None

    def _check_lengths(self, cells: list[str]) -> None:
        """Raise Unfit for a field that is too long. Columns that are no field may have any length."""
        for name, place in self._places.items():
            if len(cells[place]) > LONGEST_CELL:
                raise Unfit(f"{name} is longer than {LONGEST_CELL:,} characters")

    def _shortened(self, cells: list[str]) -> Iterator[str]:
        """Lines about ids that a spreadsheet has rounded: several ids may have become one."""
        for name, place in self._ids:
            if "+" in cells[place] and _SHORTENED.fullmatch(cells[place].strip()):
                yield (
                    f"{name} is a number that a spreadsheet has shortened, and other records may have the same now: "
                    "export again, and have the column read as text"
                )
