"""The CRM's records from CSV files: read as a stream, each checked by itself, the bad ones named by line."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Self

from domain.crm import Record, Records, Refusal
from infra.crm_fields import FIELDS, LISTS, OPTIONAL, Unfit, Value, read


class Unusable(Exception):
    """The file as a whole cannot be imported: one line that says why."""


class CrmFile:
    """A CSV file with a header row, in UTF-8. Raises Unusable before anything is imported."""

    def __init__(self, path: Path, kind: Records) -> None:
        self.path = path
        self.kind = kind
        try:
            self._bytes = path.open("rb")
        except OSError as error:
            raise Unusable(f"{path} cannot be read: {error.strerror}") from None
        self.size = path.stat().st_size
        text = TextIOWrapper(self._bytes, encoding="utf-8-sig", errors="surrogateescape", newline="")
        self._lines = _Lines(text)
        self._reader = csv.reader(self._lines, strict=True)
        try:
            self._header = self._read_header()
        except Unusable:
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

    def rows(self) -> Iterator[Record | Refusal]:
        """Every record of the file in its order, good or refused; memory stays flat."""
        columns = {column: self._header.index(column) for column in self._known() if column in self._header}
        while (found := self._next()) is not None:
            line, fields = found
            if isinstance(fields, str):
                refusal = Refusal(line, fields, self._guessed_id())
                self._lines.give_back()
                yield refusal
                continue
            values: list[Value] = [
                _value(column, fields[columns[column]]) if column in columns else OPTIONAL[self.kind][column]
                for column in self._known()
            ]
            try:
                yield read(self.kind, values)
            except Unfit as error:
                yield Refusal(line, str(error), fields[columns["id"]].strip() or None)

    def _known(self) -> tuple[str, ...]:
        return *FIELDS[self.kind], *OPTIONAL[self.kind]

    def _next(self) -> tuple[int, list[str] | str] | None:
        """The next record's first line, and its fields or why there are none; None at the end."""
        while True:
            line = self._lines.begin()
            try:
                fields = next(self._reader)
            except StopIteration:
                return None
            except csv.Error:
                return line, "a quote is out of place, or a field is far too long"
            if len(fields) == len(self._header):
                return line, fields
            if any(field.strip() for field in fields):
                return line, f"{len(fields)} columns where the header has {len(self._header)}"

    def _guessed_id(self) -> str | None:
        """The id of a record that does not parse, as far as its first line shows it."""
        try:
            fields = next(csv.reader([self._lines.first]), [])
        except csv.Error:
            return None
        place = self._header.index("id")
        return fields[place].strip() or None if place < len(fields) else None

    def _read_header(self) -> list[str]:
        try:
            header = [name.strip().lower() for name in next(self._reader, [])]
        except csv.Error:
            header = []
        missing = [column for column in FIELDS[self.kind] if column not in header]
        if missing:
            raise Unusable(
                f"{self.path.name} has no column {', '.join(missing)}: its first line has to be a header with "
                f"{','.join(FIELDS[self.kind])}"
            )
        twice = [column for column in self._known() if header.count(column) > 1]
        if twice:
            raise Unusable(f"{self.path.name} has the column {', '.join(twice)} more than once")
        return header


class _Lines:
    """The physical lines of a file. A record that swallows its neighbours by a stray quote gives them back."""

    def __init__(self, text: Iterable[str]) -> None:
        self._text = iter(text)
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self._before = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._text)
        self._taken.append(line)
        return line

    @property
    def first(self) -> str:
        """The first line of the record that was begun."""
        return self._taken[0]

    def begin(self) -> int:
        """A new record begins: the number of its first line."""
        self._before += len(self._taken)
        self._taken = []
        return self._before + 1

    def give_back(self) -> None:
        """All lines of this record but its first are read again."""
        self._again.extendleft(reversed(self._taken[1:]))
        self._taken = self._taken[:1]


def _value(column: str, text: str) -> Value:
    if column not in LISTS:
        return text
    return [entry for entry in map(str.strip, text.split(";")) if entry]
